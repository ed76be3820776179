"""The texts of the pages, for translators: taken out of templates, code and the reference definition, and merged into the catalogues.

python -m tests.support.messages          writes workflow/web/locale/<language>.po, keeping what is translated
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment
from jinja2.nodes import Call, Const, Name

from workflow.bootstrap import find_definition, known
from workflow.load import load
from workflow.web.language import FOLDER, LANGUAGES
from workflow.web.templates import FOLDER as TEMPLATES

WEB = TEMPLATES.parent
TABLES = ("LABELS", "METHODS", "FACTORS", "PAGES", "WAYS", "TURNS", "FAULTS", "SENT", "_OWN")
"""Module-level tables whose English texts are looked up where they are shown."""
_VARIABLE = re.compile(r"'[^']*'|\d+")


def wanted() -> dict[str, set[str]]:
    """Every text that the pages look up, with the places it is used at."""
    found: dict[str, set[str]] = {}
    for text, place in (*of_templates(), *of_code(), *of_definition()):
        if text.strip():
            found.setdefault(text, set()).add(place)
    return found


def of_templates() -> Iterator[tuple[str, str]]:
    """Texts of templates: whatever constant `_()` is called with."""
    for path in sorted(TEMPLATES.rglob("*.html")):
        tree = Environment().parse(path.read_text(encoding="utf-8"))  # noqa: S701  # parsed, never rendered
        for call in tree.find_all(Call):
            if isinstance(call.node, Name) and call.node.name == "_" and call.args and isinstance(call.args[0], Const):
                yield str(call.args[0].value), f"templates/{path.relative_to(TEMPLATES)}"


def of_code() -> Iterator[tuple[str, str]]:
    """Texts of code: arguments of `say`, messages of reasons and refusals, titles of faults, and the tables."""
    for path in sorted(WEB.rglob("*.py")):
        if "api" in path.parts:
            continue
        place = str(path.relative_to(WEB))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield from ((text, place) for text in _of_node(node))


def _of_node(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(func=ast.Attribute(attr="say"), args=[ast.Constant(value=str(text)), *_]):
            yield text
        case ast.Call(func=ast.Name(id="Reason"), keywords=keywords):
            yield from (str(k.value.value) for k in keywords if k.arg in {"message", "needed"} and isinstance(k.value, ast.Constant))
        case ast.Call(func=ast.Attribute(attr="page"), keywords=keywords):
            yield from (str(k.value.value) for k in keywords if k.arg in {"title", "what"} and isinstance(k.value, ast.Constant))
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in TABLES or name.startswith(("_STALE", "_NOT_FOUND", "_OURS")):
            yield from _texts(value)
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if name in TABLES:
            yield from _texts(value)


def _texts(value: ast.expr) -> Iterator[str]:
    """Texts in a table: its values, not its keys."""
    match value:
        case ast.Dict(values=values) | ast.Tuple(elts=values) | ast.List(elts=values):
            for one in values:
                yield from _texts(one)
        case ast.Constant(value=str(text)) if text[:1].isupper() or " " in text:
            yield text


def of_definition() -> Iterator[tuple[str, str]]:
    """Titles and messages of the reference definition, and what the engine and its checks say to people."""
    definition = load(find_definition("cpms-access"), known=known())
    place = "cpms-access.yaml"
    yield definition.title, place
    for state in definition.states.values():
        yield state.title or str(state.path).rpartition(".")[2].replace("_", " ").capitalize(), place
        for transition in state.transitions:
            for rule in transition.guards:
                yield rule.message, place
                yield rule.needed, place
    for name, event in definition.events.items():
        yield event.title or str(name).replace("_", " ").capitalize(), place
    for role in definition.roles.values():
        yield role.description, place
    for folder in ("checks", "states"):
        for path in sorted((WEB.parent / folder).glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match node:
                    case ast.Call(func=ast.Name(id="Reason"), keywords=keywords):
                        for k in keywords:
                            if k.arg in {"message", "needed"} and isinstance(k.value, ast.Constant):
                                yield str(k.value.value), f"{folder}/{path.name}"


def merged(language: str) -> Catalog:
    """The catalogue of a language with every text wanted; what is not wanted any more is left out."""
    path = FOLDER / f"{language}.po"
    before = {}
    if path.is_file():
        with path.open("rb") as file:
            before = {str(one.id): str(one.string) for one in read_po(file, locale=language) if one.id}
    catalogue = Catalog(locale=language, project="onboarding-workflow", charset="utf-8", fuzzy=False)
    for text, places in sorted(wanted().items()):
        catalogue.add(text, before.get(text, ""), locations=[(place, None) for place in sorted(places)[:3]])
    return catalogue


def write(catalogue: Catalog, path: Path) -> None:
    """Write a catalogue without dates, so that it changes only with its texts."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, omit_header=True, width=120, include_lineno=False, sort_output=True)


if __name__ == "__main__":
    for code in LANGUAGES:
        if code != "en":
            write(merged(code), FOLDER / f"{code}.po")
