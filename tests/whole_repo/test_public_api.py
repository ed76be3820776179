"""What a host imports."""

from __future__ import annotations

import inspect
import subprocess
import sys

import workflow

# None of these may be loaded by `import workflow`: a host that only names our types must not pay for them.
HEAVY = ("sqlalchemy", "workflow_store", "transitions", "cel_expr_python", "yaml", "jinja2", "cryptography", "holidays", "typer", "asyncio")


def test_importing_the_package_loads_none_of_its_libraries() -> None:
    """`import workflow` loads neither SQLAlchemy nor any other library."""
    code = f"import sys, workflow; print([name for name in {HEAVY!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-X", "frozen_modules=off", "-c", code], capture_output=True, text=True, check=False)
    assert ("[]\n", "") == (run.stdout, run.stderr)


def test_the_public_names_are_sorted() -> None:
    """`__all__` is sorted and names nothing twice."""
    assert sorted(set(workflow.__all__)) == workflow.__all__


def test_every_public_name_is_there() -> None:
    """Whatever `__all__` and `dir()` promise can be had."""
    assert workflow.__all__ == dir(workflow)
    assert [] == [name for name in workflow.__all__ if getattr(workflow, name, None) is None]


def test_every_public_name_is_documented() -> None:
    """`help()` has a sentence on every public name."""
    assert [] == [name for name in workflow.__all__ if not (inspect.getdoc(getattr(workflow, name)) or "").strip()]


def test_the_public_names_are_what_a_type_checker_sees() -> None:
    """A lazy name and the name a type checker imports are the same object's."""
    tree = inspect.getsource(workflow)
    missing = [name for name in workflow._HOMES if name not in tree.split("if TYPE_CHECKING:")[1].split("_HOMES")[0]]
    assert [] == missing


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A typo fails as everywhere else in Python."""
    assert not hasattr(workflow, "opne")
