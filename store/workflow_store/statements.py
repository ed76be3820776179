"""SQL that is written by hand: rendered once per database, driver and table names, then reused as a string.

Promises: templates name tables as `{entries}` and values as `:name`; nothing that comes from data is ever part of a statement.
Templates are PostgreSQL's with two words of our own: `micros(column)` gives an instant as microseconds since the epoch,
`hexed(column)` bytes as hex. For SQLite casts (`::text`) are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal, Protocol

from workflow_store.tables import Tables

Database = Literal["postgresql", "sqlite"]
Style = Literal["numeric_dollar", "pyformat", "qmark"]
Row = Sequence[Any]

VALUE = re.compile(r"(?<!:):([a-z_][a-z0-9_]*)")
MICROS = re.compile(r"micros\(([^()]+)\)")
HEXED = re.compile(r"hexed\(([^()]+)\)")
CAST = re.compile(r"::[a-z]+")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as its driver wants it; `bind` puts values in the driver's order or shape."""

    text: str
    bind: Callable[[Mapping[str, Any]], Any]


class Reader(Protocol):
    """Runs statements that give rows."""

    def rows(self, statement: Statement, values: Mapping[str, Any], /) -> Sequence[Row]:
        """Run a statement that gives rows."""
        ...


class Runner(Reader, Protocol):
    """Runs any statement on one connection."""

    def change(self, statement: Statement, values: Sequence[Any], /) -> int:
        """Run a statement with values in its own order; says how many rows it touched."""
        ...


class Book(dict[str, Statement]):
    """All statements of one store by their templates: renders a template the first time and remembers it."""

    def __init__(self, database: Database, style: Style, tables: Tables) -> None:
        """Look the table names up once."""
        super().__init__()
        self.database, self.style, self.tables = database, style, tables
        self._names = tables.names()

    def __missing__(self, template: str) -> Statement:
        """Give the statement of a template that is asked for the first time."""
        found = self[template] = self._render(template)
        return found

    def _render(self, template: str) -> Statement:
        text = template.format_map(self._names)
        if self.database == "postgresql":
            text = MICROS.sub(r"(extract(epoch from \1) * 1000000)::bigint", text)
            text = HEXED.sub(r"encode(\1, 'hex')", text)
        else:
            text = CAST.sub("", HEXED.sub(r"hex(\1)", MICROS.sub(r"\1", text)))
        order = [match[1] for match in VALUE.finditer(text)]
        if self.style == "qmark":
            return Statement(VALUE.sub("?", text), _tuple_of(order))
        names = list(dict.fromkeys(order))
        if self.style == "numeric_dollar":
            return Statement(VALUE.sub(lambda match: f"${names.index(match[1]) + 1}", text), _tuple_of(names))
        return Statement(VALUE.sub(r"%(\1)s", text), _dict_of(names))


def _tuple_of(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Any]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)


def _dict_of(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Any]:
    return lambda values: {name: values[name] for name in names}
