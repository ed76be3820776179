"""The definition as an SVG of our own: a card for each state, a row for each event, a line from the row to the next state.

Promises: pure and deterministic; one self-contained file without style sheet or script, so that a strict content security
policy shows it. Text stands inside cards only, each line has a lane of its own: nothing can overlap by construction.
Figures are pixels. Every row stands on a grid of 20; columns with odd numbers are shifted by half of it, so that lines of
neighbours never run on the same height.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import ceil, sqrt
from textwrap import wrap
from xml.sax.saxutils import escape

from workflow.states.arrows import EVERYWHERE, START, Arrow, arrows, inner, leaving
from workflow.states.definition import ROOT, Definition, State, StatePath

_ROW = 20
_PAD = 16
_LANE = 10
_WRAP = 56  # characters of a line that names internal events
_CHARACTER = 6.7  # width of a monospaced character at 11 pixels, rounded up
_SPREAD = 1.3  # how much higher than wide the whole may become
_MOST_COLUMNS = 4
_COLOURS = ("#3b78c4", "#c0603a", "#2f8f6b", "#8a5cc2", "#a8842c", "#b84a7d", "#4d8a99", "#7a869a")
_CARD, _COMPOUND, _MARKED, _INK, _FAINT, _EDGE = "#f7f9fb", "#dfe5ec", "#ffe08a", "#1f2933", "#52606d", "#7a869a"
_START_PATH = StatePath("\0start")
_ROOT_PATH = StatePath("\0root")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A state's place: its box, a row for each arrow that leaves, lines that name its internal events, and the cards inside."""

    path: StatePath
    title: str
    rows: tuple[Arrow, ...]
    notes: tuple[str, ...] = ()
    inside: tuple[Card, ...] = ()
    is_outcome: bool = False
    x: float = 0
    y: float = 0
    width: float = 0
    column: int = 0

    @property
    def height(self) -> int:
        """The title, the lines, the cards inside with a row of space after each, and half a row above and below."""
        return _ROW * (2 + self.line_count) + sum(card.height + _ROW for card in self.inside)

    @property
    def line_count(self) -> int:
        """How many lines stand below the title."""
        return len(self.rows) + len(self.notes)

    @property
    def natural_width(self) -> float:
        """What the longest line needs."""
        longest = max(len(line) for line in (self.title, *(row.label for row in self.rows), *self.notes))
        own = (longest + 2) * _CHARACTER + 2 * _PAD
        return max(own, *(card.natural_width + 2 * _PAD for card in self.inside)) if self.inside else own

    def all(self) -> Iterator[Card]:
        """Give the card and all cards inside."""
        yield self
        yield from chain.from_iterable(card.all() for card in self.inside)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A vertical line in a gutter that leads every line to one target; `ends` are the heights it connects."""

    target: StatePath
    gutter: int
    ends: tuple[float, ...]
    lane: int = 0

    @property
    def span(self) -> tuple[float, float]:
        """The highest and the lowest point."""
        return min(self.ends), max(self.ends)


def draw(definition: Definition, current: StatePath | None = None) -> str:
    """Draw the definition; the card of `current` is filled and its ancestors have a strong border."""
    columns = _columns(_blocks(definition))
    links = _links(_raised(columns, 0))
    far = list(dict.fromkeys(target.path for source, target, _ in links if abs(source.column - target.column) > 1))
    top = _ROW * (1 + (len(far) + 1) // 2)
    trunks = _lanes(_trunks(_raised(columns, top), far))
    lanes = [max((trunk.lane + 1 for trunk in trunks if trunk.gutter == column), default=0) for column in range(len(columns))]
    columns, gutters, width = _placed(_raised(columns, top), lanes)
    height = max(card.y + card.height for column in columns for card in column) + 2 * _ROW
    marked = set(definition.lineage(current)) - {ROOT} if current else set()
    body = [
        *(_box(card, current, marked) for column in columns for card in column),
        *_lines(columns, trunks, far, gutters),
    ]
    title = escape(definition.title or definition.name)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
        f'font-family="ui-monospace, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="11" role="img">\n'
        f"<title>{title}</title>\n" + "\n".join(body) + "\n</svg>\n"
    )


# Cards ----------------------------------------------------------------------------------------------------------------


def _blocks(definition: Definition) -> tuple[Card, ...]:
    """Give the cards of the top level: the start, the states in declaration order, and what holds everywhere."""
    root = definition.states[ROOT]
    start = Card(path=_START_PATH, title=START, rows=arrows(definition)[:1])
    everywhere = replace(_card(definition, root), path=_ROOT_PATH, title=EVERYWHERE, inside=())
    return (start, *(_card(definition, child) for child in inner(definition, root)), *((everywhere,) if everywhere.line_count else ()))


def _card(definition: Definition, state: State) -> Card:
    inside = tuple(_card(definition, child) for child in inner(definition, state))
    title = f"{state.name} ({state.outcome})" if state.outcome else state.name
    own = leaving(definition, state)
    rows = tuple(arrow for arrow in own if arrow.target)
    stays = dict.fromkeys(arrow.event for arrow in own if not arrow.target)
    notes = tuple(wrap("stays: " + ", ".join(stays), _WRAP)) if stays else ()
    return Card(path=state.path, title=title, rows=rows, notes=notes, inside=inside, is_outcome=bool(state.outcome))


def _columns(blocks: Sequence[Card]) -> tuple[tuple[Card, ...], ...]:
    """Cut the blocks into columns of about the same height, in order."""
    total = sum(block.height + _ROW for block in blocks)
    count = min(_MOST_COLUMNS, ceil(sqrt(total / (_SPREAD * max(block.natural_width for block in blocks)))))
    columns: list[list[Card]] = [[]]
    for block in blocks:
        filled = sum(card.height + _ROW for card in columns[-1])
        if columns[-1] and len(columns) < count and filled + block.height / 2 > total / count:
            columns.append([])
        columns[-1].append(block)
    return tuple(tuple(column) for column in columns)


def _raised(columns: Sequence[Sequence[Card]], top: float) -> tuple[tuple[Card, ...], ...]:
    """Give every card its column and its height above the ground."""
    return tuple(tuple(_stacked(column, number, top + (number % 2) * _ROW / 2)) for number, column in enumerate(columns))


def _stacked(cards: Sequence[Card], column: int, top: float) -> Iterator[Card]:
    for card in cards:
        inside = tuple(_stacked(card.inside, column, top + _ROW * (2 + card.line_count)))
        yield replace(card, y=top, column=column, inside=inside)
        top += card.height + _ROW


def _placed(columns: Sequence[Sequence[Card]], lanes: Sequence[int]) -> tuple[tuple[tuple[Card, ...], ...], list[float], float]:
    """Give every card its place from the left; the second answer is where each gutter begins, the third the whole width."""
    placed, gutters, left = [], [], float(_PAD)
    for column, lane_count in zip(columns, lanes, strict=True):
        width = max(card.natural_width for card in column)
        placed.append(tuple(_widened(card, left, width) for card in column))
        gutters.append(left + width)
        left += width + _LANE * (lane_count + 1) + _PAD
    return tuple(placed), gutters, left


def _widened(card: Card, left: float, width: float) -> Card:
    inside = tuple(_widened(one, left + _PAD, width - 2 * _PAD) for one in card.inside)
    return replace(card, x=left, width=width, inside=inside)


def _box(card: Card, current: StatePath | None, marked: set[StatePath]) -> str:
    fill = _MARKED if card.path == current else _COMPOUND if card.inside else _CARD
    weight = 3 if card.path in marked else 1
    corner = f'rx="6" fill="{fill}" stroke="{_INK if weight > 1 else _EDGE}" stroke-width="{weight}"'
    parts = [f'<rect x="{card.x:g}" y="{card.y:g}" width="{card.width:g}" height="{card.height}" {corner}/>']
    if card.is_outcome:
        inset = f'x="{card.x + 3:g}" y="{card.y + 3:g}" width="{card.width - 6:g}" height="{card.height - 6}"'
        parts.append(f'<rect {inset} rx="4" fill="none" stroke="{_EDGE}"/>')
    parts.append(_line_of_text(card.x + _PAD, card.y + _ROW, card.title, f'fill="{_INK}" font-weight="bold"'))
    lines = [*((row.label, _INK) for row in card.rows), *((note, _FAINT) for note in card.notes)]
    for number, (text, colour) in enumerate(lines, start=2):
        parts.append(_line_of_text(card.x + _PAD, card.y + _ROW * number, text, f'fill="{colour}"'))
    return "\n".join(chain(parts, (_box(inside, current, marked) for inside in card.inside)))


def _line_of_text(x: float, middle: float, text: str, paint: str) -> str:
    return f'<text x="{x:g}" y="{middle + 4:g}" {paint}>{escape(text)}</text>'


# Lines ----------------------------------------------------------------------------------------------------------------


def _links(columns: Sequence[Sequence[Card]]) -> tuple[tuple[Card, Card, float], ...]:
    """Give (card, target card, height of the row) for every row that leads somewhere."""
    cards = {card.path: card for column in columns for block in column for card in block.all()}
    return tuple(
        (card, cards[row.target], card.y + _ROW * (2 + number))
        for card in cards.values()
        for number, row in enumerate(card.rows)
        if row.target in cards
    )


def _route(source: int, target: int) -> tuple[int, ...]:
    """Name the gutters a line uses: one, or two when it goes over the top. A gutter is to the right of its column."""
    match target - source:
        case 0 | 1:
            return (source,)
        case -1:
            return (target,)
        case difference:
            return (source, target - 1 if difference > 0 else target)


def _trunks(columns: Sequence[Sequence[Card]], far: Sequence[StatePath]) -> tuple[Trunk, ...]:
    ends: dict[tuple[StatePath, int], list[float]] = {}
    for source, target, height in _links(columns):
        route = _route(source.column, target.column)
        over = [_bus(far, target.path)] if len(route) > 1 else []
        ends.setdefault((target.path, route[0]), []).extend([height, *(over or [target.y + _ROW])])
        if over:
            ends.setdefault((target.path, route[1]), []).extend([*over, target.y + _ROW])
    return tuple(Trunk(target=path, gutter=gutter, ends=tuple(heights)) for (path, gutter), heights in ends.items())


def _bus(far: Sequence[StatePath], target: StatePath) -> float:
    """Give the height of the line over the top that leads to a target."""
    return _LANE * (far.index(target) + 1)


def _lanes(trunks: Sequence[Trunk]) -> tuple[Trunk, ...]:
    """Give each trunk the first lane of its gutter that is free along its whole span; short ones stay near the cards."""
    found: list[Trunk] = []
    for trunk in sorted(trunks, key=lambda one: (one.gutter, one.span[1] - one.span[0], one.span, one.target)):
        taken = {other.lane for other in found if other.gutter == trunk.gutter and _touch(other.span, trunk.span)}
        found.append(replace(trunk, lane=next(lane for lane in range(len(trunks)) if lane not in taken)))
    return tuple(found)


def _touch(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] - _ROW / 2 <= other[1] and other[0] <= one[1] + _ROW / 2


def _lines(columns: Sequence[Sequence[Card]], trunks: Sequence[Trunk], far: Sequence[StatePath], gutters: Sequence[float]) -> Iterator[str]:
    targets = list(dict.fromkeys(target.path for _, target, _ in _links(columns)))
    paint = {path: _COLOURS[number % len(_COLOURS)] for number, path in enumerate(targets)}
    at = {(trunk.target, trunk.gutter): gutters[trunk.gutter] + _LANE * (trunk.lane + 1) for trunk in trunks}
    for trunk in trunks:
        x = at[trunk.target, trunk.gutter]
        yield _path(((x, trunk.span[0]), (x, trunk.span[1])), paint[trunk.target])
    arrived: dict[tuple[StatePath, int], None] = {}
    for source, target, height in _links(columns):
        route = _route(source.column, target.column)
        first, last = at[target.path, route[0]], at[target.path, route[-1]]
        edge = source.x + source.width if route[0] == source.column else source.x
        yield _path(((edge, height), (first, height)), paint[target.path])
        yield f'<circle cx="{edge:g}" cy="{height:g}" r="2.5" fill="{paint[target.path]}"/>'
        if len(route) > 1:
            over = _bus(far, target.path)
            yield _path(((first, over), (last, over)), paint[target.path])
        arrived[target.path, route[-1]] = None
    cards = {target.path: target for _, target, _ in _links(columns)}
    yield from (_head(cards[path], gutter, at[path, gutter], paint[path]) for path, gutter in arrived)


def _head(target: Card, gutter: int, x: float, colour: str) -> str:
    """Draw the last piece into a card's title, with its point."""
    is_from_right = gutter == target.column
    edge, back = (target.x + target.width, 7) if is_from_right else (target.x, -7)
    y = target.y + _ROW
    points = " ".join(f"{px:g},{py:g}" for px, py in ((edge, y), (edge + back, y - 4), (edge + back, y + 4)))
    return _path(((x, y), (edge + back, y)), colour) + f'\n<polygon points="{points}" fill="{colour}"/>'


def _path(points: Sequence[tuple[float, float]], colour: str) -> str:
    way = " ".join(f"{'L' if number else 'M'}{x:g} {y:g}" for number, (x, y) in enumerate(points))
    return f'<path d="{way}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
