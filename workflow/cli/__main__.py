"""``python -m workflow.cli``: the same as ``workflow``."""

from workflow.cli import main

main()
