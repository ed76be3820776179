"""Histories for other tools: tables, process mining, a printable page, a report of exceptions.

Promises: reads only; flat memory, one history at a time; personal values are never exported, only their commitments.
"""

from __future__ import annotations
