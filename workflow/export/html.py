"""One history as a page: self-contained, printable, without a server, a script or anything remote.

Promises: every value is escaped; the page's own policy forbids scripts and requests, so that even a mistake here could run
nothing. Times are written in the zone of the process's calendar and, for machines, in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from workflow.export.markup import text

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light; --ink: #1c2733; --soft: #5b6770; --line: #d5dbe0; --bad: #a4161a; --good: #1b6e3c; --engine: #f3f6f8; }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; } h3 { font-size: 1rem; margin: 1.2rem 0 .2rem; }
p.of { color: var(--soft); margin: .2rem 0 1rem; overflow-wrap: anywhere; }
p.verified, p.broken { border-left: .3rem solid var(--good); padding: .4rem .8rem; background: #f0f7f2; overflow-wrap: anywhere; }
p.broken { border-color: var(--bad); background: #fbeeee; font-weight: 600; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0; }
th { font-size: .85rem; color: var(--soft); border-bottom: 2px solid var(--line); } tr { border-bottom: 1px solid var(--line); }
tr.engine { background: var(--engine); } tr.refused td.what { color: var(--bad); } td.number { text-align: right; white-space: nowrap; }
td.when { white-space: nowrap; }
dl { margin: .2rem 0 0; display: grid; grid-template-columns: max-content 1fr; gap: 0 .7rem; font-size: .88rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; } code { font-size: .8rem; overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; font-size: 10.5pt; } tr, h3 { break-inside: avoid; }
  thead { display: table-header-group; } }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the timeline.

    `tone` is ``""``, ``engine`` or ``refused``; `details` are (word, text) below it; `at_utc` the instant for machines.
    """

    number: int
    at: str
    at_utc: str
    what: str
    tone: str = ""
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A titled table: a deadline with its stretches."""

    title: str
    facts: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A whole history, ready to be written; `is_verified` tells whether its chain holds, `verification` says it."""

    title: str
    instance: str
    facts: tuple[tuple[str, str], ...]
    is_verified: bool
    verification: str
    rows: Sequence[Row]
    tables: Sequence[Table] = field(default=())


def page(content: Page) -> str:
    """Write the page."""
    return "".join(_parts(content))


def _parts(content: Page) -> Iterator[str]:
    heading = f"{text(content.title)}: {text(content.instance)}"
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{text(_POLICY)}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{heading}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{text(content.title)}</h1>\n"
    yield f'<p class="of">{text(content.instance)}</p>\n'
    yield f'<p class="{"verified" if content.is_verified else "broken"}">{text(content.verification)}</p>\n'
    yield _list(content.facts)
    yield f"<h2>What happened</h2>\n<table>\n{_head(('No.', 'When', 'What'))}<tbody>\n"
    for row in content.rows:
        yield f'<tr class="{text(row.tone)}"><td class="number">{row.number}</td>'
        yield f'<td class="when"><time datetime="{text(row.at_utc)}">{text(row.at)}</time></td>'
        yield f'<td class="what">{text(row.what)}{_list(row.details)}</td></tr>\n'
    yield "</tbody>\n</table>\n"
    if content.tables:
        yield "<h2>Deadlines</h2>\n"
    for table in content.tables:
        yield f"<h3>{text(table.title)}</h3>\n{_list(table.facts)}<table>\n{_head(table.columns)}<tbody>\n"
        for cells in table.rows:
            yield "<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in cells) + "</tr>\n"
        yield "</tbody>\n</table>\n"
    yield "</body>\n</html>\n"


def _head(names: Iterable[str]) -> str:
    cells = "".join(f'<th scope="col">{text(name)}</th>' for name in names)
    return f"<thead><tr>{cells}</tr></thead>\n"


def _list(pairs: Iterable[tuple[str, str]]) -> str:
    found = "".join(f"<dt>{text(word)}</dt><dd>{text(said)}</dd>" for word, said in pairs)
    return f"<dl>{found}</dl>" if found else ""
