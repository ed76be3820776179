"""Reads documents that people wrote: definitions, calendars, catalogues.

Promises: every fault of a document is named at once, with its line and column; nothing of a document is ever executed.
"""

from workflow.load.calendars import calendar_from_data, catalogue_from_data, read_calendar, read_catalogue
from workflow.load.documents import inspect, load, load_data, parsed
from workflow.load.yaml import MAX_BYTES, compose

__all__ = [
    "MAX_BYTES",
    "calendar_from_data",
    "catalogue_from_data",
    "compose",
    "inspect",
    "load",
    "load_data",
    "parsed",
    "read_calendar",
    "read_catalogue",
]
