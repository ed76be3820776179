"""Pictures are generated from the definition that runs."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from types import MappingProxyType
from xml.etree import ElementTree as ET

import pytest

from workflow.states.definition import (
    ROOT,
    Definition,
    Digest,
    EventName,
    RoleName,
    Rule,
    State,
    StatePath,
    TimerKey,
    TimerType,
    Transition,
    Unit,
)
from workflow.states.graph import dot, mermaid, svg
from workflow.states.picture import Card, Trunk

SVG = "{http://www.w3.org/2000/svg}"


def _moves(source: str, *moves: tuple[str, str | None] | tuple[str, str | None, str]) -> tuple[Transition, ...]:
    return tuple(
        Transition(
            event=EventName(event),
            source=StatePath(source),
            index=index,
            target=None if target is None else StatePath(target),
            guards=tuple(Rule(source="true", code=code) for code in codes),
        )
        for index, (event, target, *codes) in enumerate(moves)
    )


def _state(path: str, **given: object) -> State:
    parent = None if path == ROOT else StatePath(path.rpartition(".")[0])
    return State(path=StatePath(path), name=path.rpartition(".")[2], parent=parent, **given)


def _timer(state: str, name: str, event: str, after: str) -> TimerType:
    unit = Unit(kind="elapsed", amount=1, text=after)
    return TimerType(key=TimerKey(f"{state}.{name}"), name=name, state=StatePath(state), after=unit, event=EventName(event))


def _definition(*states: State) -> Definition:
    root = next(state for state in states if state.path == ROOT)
    return Definition(
        name="small",
        language=1,
        title="Small & simple",
        description="",
        calendar=None,
        catalogue=None,
        subject=RoleName("guest"),
        roles={},
        fields={},
        checks={},
        events={},
        start=Transition(event=EventName("begin"), source=ROOT, index=0, target=root.initial),
        states=MappingProxyType({state.path: state for state in states}),
        policy=(),
        digest=Digest("0" * 64),
        text_digest=Digest("0" * 64),
        data={},
    )


@pytest.fixture
def small() -> Definition:
    """Two compound states, an outcome, a timer, guards, an internal transition, and one that holds everywhere."""
    asked, decided = StatePath("asked"), StatePath("decided")
    return _definition(
        _state("", children=(asked, decided, StatePath("end")), initial=asked, transitions=_moves("", ("ping", None), ("erase", "end"))),
        _state(
            "asked",
            children=(StatePath("asked.form"), StatePath("asked.recap")),
            initial=StatePath("asked.form"),
            timers=(_timer("asked", "late", "forget", "P30D"),),
            transitions=_moves("asked", ("forget", "end")),
        ),
        _state("asked.form", transitions=_moves("asked.form", ("fill_in", "asked.recap", "complete", "guard_false"))),
        _state("asked.recap", transitions=_moves("asked.recap", ("send", "decided.yes"), ("go_back", "asked.form"))),
        _state("decided", children=(StatePath("decided.yes"), StatePath("decided.no")), initial=StatePath("decided.yes")),
        _state("decided.yes", transitions=_moves("decided.yes", ("revoke", "decided.no"))),
        _state("decided.no", transitions=_moves("decided.no", ("send", "end"))),
        _state("end", outcome="success"),
    )


def test_mermaid_nests_states_and_begins_with_the_initial_one(small: Definition) -> None:
    """A compound state contains its children, and its first arrow leads to the child that is entered first."""
    lines = mermaid(small).splitlines()
    assert lines[0] == "stateDiagram-v2"
    start = lines.index('    state "asked" as asked {')
    assert lines[start + 1 : start + 5] == [
        "        [*] --> form",
        '        state "form" as form',
        '        state "recap" as recap',
        "    }",
    ]
    assert "    [*] --> asked : begin" in lines


def test_mermaid_names_durations_and_guards(small: Definition) -> None:
    """An arrow says which timer takes it and by which codes its guards refuse."""
    text = mermaid(small)
    assert "form --> recap : fill_in [complete, if]" in text
    assert "asked --> end_ : forget after P30D" in text


def test_mermaid_lifts_arrows_between_the_insides_of_compound_states(small: Definition) -> None:
    """Mermaid cannot draw from inside one compound state into another, so the arrow joins the two and names its source."""
    text = mermaid(small)
    assert "asked --> decided : send (recap)" in text
    assert "recap --> yes" not in text


def test_mermaid_draws_arrows_of_a_compound_state_into_itself_from_inside() -> None:
    """Mermaid cannot draw from a compound state to its own child or back; the child entered first stands for it."""
    definition = _definition(
        _state("", children=(StatePath("box"),), initial=StatePath("box")),
        _state(
            "box",
            children=(StatePath("box.a"), StatePath("box.b")),
            initial=StatePath("box.a"),
            transitions=_moves("box", ("open", "box.b")),
        ),
        _state("box.a"),
        _state("box.b", transitions=_moves("box.b", ("shut", "box"))),
    )
    lines = mermaid(definition).splitlines()
    assert "    a --> b : open (box)" in lines
    assert "    b --> a : shut" in lines


def test_mermaid_keeps_reserved_words_apart(small: Definition) -> None:
    """A state called `end` would end the diagram; it gets another identifier and keeps its title."""
    text = mermaid(small)
    assert 'state "end" as end_' in text
    assert "end_ --> [*]" in text
    assert "everywhere --> end_ : erase" in text


def test_mermaid_marks_the_current_state(small: Definition) -> None:
    """The current state gets a class; without one, no class is defined."""
    assert mermaid(small, current=StatePath("asked.recap")).splitlines()[-1] == "    class recap current"
    assert "classDef" not in mermaid(small)


def test_dot_clips_arrows_at_compound_states(small: Definition) -> None:
    """Graphviz draws between leaves; an arrow of a compound state begins at its cluster."""
    lines = dot(small, StatePath("end")).splitlines()
    assert '  "asked.form" -> "end" [label="forget after P30D", ltail="cluster_asked"];' in lines
    assert '  start -> "asked.form" [label="begin", lhead="cluster_asked"];' in lines
    assert '  "end" [label="end", peripheries=2, fillcolor="#ffe08a", penwidth=2];' in lines
    assert dot(small).count("{") == dot(small).count("}")


def test_dot_draws_everywhere_only_when_something_holds_everywhere(small: Definition) -> None:
    """An arrow from anywhere begins at a box that says so; without such an arrow there is no such box."""
    root = small.states[ROOT]
    states = {**small.states, ROOT: replace(root, transitions=())}
    assert "everywhere" in dot(small)
    assert "everywhere" not in dot(replace(small, states=MappingProxyType(states)))


def test_svg_is_well_formed_and_self_contained(small: Definition) -> None:
    """The picture is one XML document without style, script, reference or event attribute, so that a strict policy shows it."""
    root = ET.fromstring(svg(small, StatePath("asked.form")))
    assert {element.tag for element in root.iter()} == {
        f"{SVG}{tag}" for tag in ("svg", "title", "rect", "text", "path", "polygon", "circle")
    }
    assert not {name for element in root.iter() for name in element.attrib if name.startswith(("on", "style")) or "href" in name}
    assert root.findtext(f"{SVG}title") == "Small & simple"


def test_svg_shows_every_state_and_every_event(small: Definition) -> None:
    """Nothing that the engine would do is left out."""
    shown = " ".join(element.text or "" for element in ET.fromstring(svg(small)).iter(f"{SVG}text"))
    for word in ("start", "everywhere", "form", "recap", "yes", "no", "end (success)", "begin", "forget after P30D", "send", "stays: ping"):
        assert word in shown


def test_svg_texts_do_not_overlap(small: Definition) -> None:
    """No two lines of text share a place: same column of the picture means different heights, by at least a line."""
    texts = [(float(e.attrib["x"]), float(e.attrib["y"]), len(e.text or "") * 6.7) for e in ET.fromstring(svg(small)).iter(f"{SVG}text")]
    for (x1, y1, w1), (x2, y2, w2) in combinations(texts, 2):
        assert abs(y1 - y2) >= 12 or x1 + w1 <= x2 or x2 + w2 <= x1


def test_svg_texts_stay_inside_the_picture(small: Definition) -> None:
    """The view box holds every text and every box."""
    root = ET.fromstring(svg(small))
    width, height = (float(root.attrib[name]) for name in ("width", "height"))
    for box in root.iter(f"{SVG}rect"):
        assert float(box.attrib["x"]) + float(box.attrib["width"]) <= width
        assert float(box.attrib["y"]) + float(box.attrib["height"]) <= height


def test_svg_marks_the_current_state_and_what_contains_it(small: Definition) -> None:
    """One card is filled; it and the compound states around it have a strong border."""
    text = svg(small, StatePath("asked.form"))
    assert text.count("#ffe08a") == 1
    assert len(re.findall(r'<rect [^>]*stroke-width="3"', text)) == 2
    assert "#ffe08a" not in svg(small)


def test_lines_of_many_columns_go_over_the_top() -> None:
    """An arrow over more than one column passes above all cards, and none of its ends is lost."""
    count = 24
    names = [f"step_{number}" for number in range(count)]
    states = [
        _state(name, transitions=_moves(name, *((f"move_{other}", names[other]) for other in (0, (index + 1) % count, count - 1))))
        for index, name in enumerate(names)
    ]
    definition = _definition(_state("", children=tuple(StatePath(name) for name in names), initial=StatePath(names[0])), *states)
    root = ET.fromstring(svg(definition))
    highest_card = min(float(box.attrib["y"]) for box in root.iter(f"{SVG}rect"))
    heights = [float(number) for path in root.iter(f"{SVG}path") for number in re.findall(r"[ML]\S+ (\S+)", path.attrib["d"])]
    assert min(heights) < highest_card
    assert min(heights) > 0


def test_pictures_are_deterministic(small: Definition) -> None:
    """The same definition gives the same bytes, whatever it was built from."""
    again = replace(small, data={"other": 1})
    assert svg(again) == svg(small)
    assert mermaid(again) == mermaid(small)
    assert dot(again) == dot(small)


def test_a_trunk_spans_all_its_ends() -> None:
    """The vertical line of a target reaches from the highest to the lowest line that joins it."""
    assert Trunk(target=StatePath("a"), gutter=0, ends=(40.0, 20.0, 90.0)).span == (20.0, 90.0)


def test_a_card_is_as_wide_as_its_longest_line() -> None:
    """A card holds the title, every row and the cards inside it."""
    inner = Card(path=StatePath("a.b"), title="b" * 40, rows=())
    assert Card(path=StatePath("a"), title="a", rows=(), inside=(inner,)).natural_width > inner.natural_width
