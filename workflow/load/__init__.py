"""Reads documents that people wrote: definitions, calendars, catalogues.

Promises: every fault of a document is named at once, with its line and column; nothing of a document is ever executed.
"""

from workflow.load.documents import inspect, load, load_data
from workflow.load.yaml import compose

__all__ = ["compose", "inspect", "load", "load_data"]
