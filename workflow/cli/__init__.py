"""The command line: one door for authors, operators and auditors.

Promises: `main` prints what an error says to do and nothing else, never a traceback for a user's mistake; exit codes are
those of `workflow.cli.exits`. Commands load what they need when they are called, so that ``--help`` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from workflow.errors import WorkflowError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; Typer ends it after Ctrl-C, with 130.

    Args:
        arguments: what is typed behind ``workflow``; those of this process when None.
    """
    from workflow.cli.app import app
    from workflow.cli.exits import OPERATOR, code_of, tell, unusable

    is_json = "--json" in (sys.argv if arguments is None else arguments)
    try:
        app(args=arguments, prog_name="workflow")
    except WorkflowError as error:
        tell(error, is_json=is_json)
        sys.exit(code_of(error))
    except OSError as error:
        if error.filename is None:
            raise
        tell(unusable(error), is_json=is_json)
        sys.exit(OPERATOR)


__all__ = ["main"]
