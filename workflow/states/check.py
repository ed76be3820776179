"""Judges a parsed definition as a whole.

Promises: pure; everything that can be known before the first instance is noted at its place.
"""

from __future__ import annotations

from workflow.states.findings import Findings
from workflow.states.known import Known
from workflow.states.parse import Parsed


def check(parsed: Parsed, *, known: Known, findings: Findings) -> None:
    """Note every fault of meaning."""
