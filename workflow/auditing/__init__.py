"""The history of a whole store, verified and signed.

Promises: `verify` only reads, and finds what it can without trusting a row, a stored checkpoint or the operator; `make_checkpoint` signs
nothing that contradicts what was signed before. What is legal by a definition is not asked here.
"""

from __future__ import annotations

from workflow.auditing.heads import Given, drain, keys_of, make_checkpoint, prove, read_given, signers_of, write_tiles
from workflow.auditing.keeping import sequencing
from workflow.auditing.report import Flaw, Report, Window
from workflow.auditing.verifying import verify

__all__ = [
    "Flaw",
    "Given",
    "Report",
    "Window",
    "drain",
    "keys_of",
    "make_checkpoint",
    "prove",
    "read_given",
    "sequencing",
    "signers_of",
    "verify",
    "write_tiles",
]
