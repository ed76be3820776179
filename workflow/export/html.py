"""One history as a page: self-contained, printable, without a server, a script or anything remote.

Promises: every value is escaped; the page's own policy forbids scripts and requests, so that even a mistake here could run
nothing. Times are written in the zone of the process's calendar and, for machines, in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from workflow.export.markup import text

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_EMPHASIS = {"why": ' class="why"', "BUT": ' class="why"'}
_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2733; --soft: #5b6770; --line: #d8dee3; --bad: #a4161a; --bad-paper: #fbeeee;
  --good: #1b6e3c; --good-paper: #f0f7f2; --engine: #f4f7f9; --chip: #e6ecf1; }
@media (prefers-color-scheme: dark) { :root { --paper: #14191e; --ink: #e4e9ed; --soft: #9aa7b1; --line: #303a43; --bad: #ff8f8a;
  --bad-paper: #2d1b1d; --good: #7fd09b; --good-paper: #16261c; --engine: #1a2127; --chip: #2a343d; } }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto; max-width: 66rem;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; }
h3 { font-size: .95rem; margin: 1.6rem 0 .2rem; overflow-wrap: anywhere; }
p.of { color: var(--soft); margin: .2rem 0 1rem; overflow-wrap: anywhere; font-family: ui-monospace, monospace; font-size: .9rem; }
p.verified, p.broken { border-left: .3rem solid var(--good); padding: .5rem .8rem; background: var(--good-paper); overflow-wrap: anywhere; }
p.broken { border-color: var(--bad); background: var(--bad-paper); font-weight: 600; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .45rem .8rem .45rem 0; }
th { font-size: .8rem; color: var(--soft); border-bottom: 2px solid var(--line); font-weight: 600; }
tbody tr { border-bottom: 1px solid var(--line); } tr > :first-child { padding-left: .6rem; }
tr.engine { background: var(--engine); } tr.refused { box-shadow: inset .25rem 0 var(--bad); }
td.number { text-align: right; width: 3rem; color: var(--soft); } td.when { width: 10.5rem; }
td.number, td.when { white-space: nowrap; font-variant-numeric: tabular-nums; }
.event { font-weight: 600; margin-right: .6rem; } tr.engine .event { font-weight: 500; }
.place, .refusal { display: inline-block; border-radius: .3rem; padding: 0 .45rem; font-size: .85rem; background: var(--chip); }
.refusal { background: var(--bad-paper); color: var(--bad); font-weight: 600; margin-right: .4rem; }
dl { margin: .25rem 0 0; display: grid; grid-template-columns: 5.2rem 1fr; gap: .05rem .7rem; font-size: .88rem; }
dl.facts { grid-template-columns: max-content 1fr; margin: .8rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; } dd.why { color: var(--bad); }
table.deadline { font-size: .88rem; margin-top: .4rem; } table.deadline td { padding-top: .2rem; padding-bottom: .2rem; }
table.deadline td:nth-child(-n+2) { width: 14rem; } table.deadline td:nth-child(3) { width: 9rem; }
table.deadline td:not(:last-child) { white-space: nowrap; font-variant-numeric: tabular-nums; }
@page { margin: 1.6cm; }
@media print { :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --line: #bbb; --bad: #8c0f13; --bad-paper: #fff;
    --good: #14532d; --good-paper: #fff; --engine: #fff; --chip: #fff; }
  body { margin: 0; padding: 0; max-width: none; font-size: 9.5pt; } .place, .refusal { border: 1px solid var(--line); }
  tr, p { break-inside: avoid; } h2, h3, dl.facts { break-after: avoid; } thead { display: table-header-group; } }
@media (max-width: 40rem) { td.when { width: auto; white-space: normal; } dl { grid-template-columns: 1fr; } dt { margin-top: .2rem; } }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the timeline.

    `tone` is ``""``, ``engine`` or ``refused``; `place` the state it led to or stayed in; `details` are (word, text) below it;
    `at_utc` the instant for machines.
    """

    number: int
    at: str
    at_utc: str
    what: str
    tone: str = ""
    place: str = ""
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
    yield _list(content.facts, name="facts")
    yield f"<h2>What happened</h2>\n<table>\n{_head(('No.', 'When', 'What'))}<tbody>\n"
    for row in content.rows:
        yield from _row(row)
    yield "</tbody>\n</table>\n"
    if content.tables:
        yield "<h2>Deadlines</h2>\n"
    for table in content.tables:
        yield f"<h3>{text(table.title)}</h3>\n{_list(table.facts, name='facts')}"
        yield f'<table class="deadline">\n{_head(table.columns)}<tbody>\n'
        for cells in table.rows:
            yield "<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in cells) + "</tr>\n"
        yield "</tbody>\n</table>\n"
    yield "</body>\n</html>\n"


def _row(row: Row) -> Iterator[str]:
    refused = '<span class="refusal">refused</span>' if row.tone == "refused" else ""
    place = f'<span class="place">{text(row.place)}</span>' if row.place else ""
    yield f'<tr class="{text(row.tone)}"><td class="number">{row.number}</td>'
    yield f'<td class="when"><time datetime="{text(row.at_utc)}">{text(row.at)}</time></td>'
    yield f'<td class="what"><span class="event">{text(row.what)}</span>{refused}{place}{_list(row.details)}</td></tr>\n'


def _head(names: Iterable[str]) -> str:
    cells = "".join(f'<th scope="col">{text(name)}</th>' for name in names)
    return f"<thead><tr>{cells}</tr></thead>\n"


def _list(pairs: Iterable[tuple[str, str]], *, name: str = "") -> str:
    """Write (word, text) pairs; reasons stand out."""
    found = "".join(f"<dt>{text(word)}</dt><dd{_EMPHASIS.get(word, '')}>{text(said)}</dd>" for word, said in pairs)
    return f'<dl class="{text(name)}">{found}</dl>' if found else ""
