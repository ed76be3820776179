"""Pictures of a definition, generated from the values that run: Mermaid, Graphviz source, and a picture of our own.

Promises: pure and deterministic; nothing is drawn that the engine would not do. Internal transitions appear in the SVG only.
"""

from __future__ import annotations

from collections.abc import Iterator

from workflow.states.arrows import EVERYWHERE, START, Arrow, arrows, inner
from workflow.states.definition import ROOT, Definition, State, StatePath
from workflow.states.picture import draw

# Words that Mermaid's state diagrams keep for themselves.
_RESERVED = frozenset(
    {"as", "choice", "class", "classdef", "default", "direction", "end", "fork", "join", "note", "start", "state", "style"}
)
_INDENT = "    "


def svg(definition: Definition, current: StatePath | None = None) -> str:
    """Draw a self-contained SVG, legible on light and on dark ground.

    Args:
        definition: what to draw.
        current: the state to mark, a leaf or a compound one.
    """
    return draw(definition, current)


def mermaid(definition: Definition, *, current: StatePath | None = None) -> str:
    """Write a Mermaid ``stateDiagram-v2`` with nested states; `current` gets the class ``current``.

    Mermaid cannot draw an arrow between the insides of two compound states, nor between a compound state and its own
    inside. The first is drawn between the compound states, the second from the inner state that is entered first; the
    label then names the state that declares it.
    """
    lines = ["stateDiagram-v2", *_nested(definition, definition.states[ROOT], 1)]
    if any(arrow.source == ROOT and arrow.target is not None for arrow in arrows(definition)):
        lines.append(f"{_INDENT}{EVERYWHERE}")
    lines += dict.fromkeys(_INDENT + line for line in _mermaid_arrows(definition))
    lines += [f"{_INDENT}{_identifier(state.path)} --> [*]" for state in definition.leaves() if state.outcome]
    if current:
        lines += [f"{_INDENT}classDef current fill:#ffe08a,stroke:#b7791f,color:#1f2933", f"{_INDENT}class {_identifier(current)} current"]
    return "\n".join(lines) + "\n"


def dot(definition: Definition, current: StatePath | None = None) -> str:
    """Write Graphviz source: compound states are clusters, outcomes have two borders, `current` is filled."""
    lines = [
        "digraph definition {",
        '  graph [compound=true, rankdir=TB, fontname="sans-serif", bgcolor="transparent"];',
        '  node [shape=box, style="rounded,filled", fillcolor="#f7f9fb", color="#7a869a", fontname="sans-serif"];',
        '  edge [color="#7a869a", fontcolor="#7a869a", fontname="sans-serif", fontsize=10];',
        f"  {START} [shape=point];",
        *_clusters(definition, definition.states[ROOT], current, 1),
    ]
    drawn = [arrow for arrow in arrows(definition) if arrow.target is not None]
    if any(arrow.source == ROOT for arrow in drawn):
        lines.append(f'  {EVERYWHERE} [style="rounded,dashed"];')
    return "\n".join([*lines, *(_dot_arrow(definition, arrow) for arrow in drawn), "}"]) + "\n"


def _identifier(path: StatePath | None) -> str:
    """Give a state's name, which is unique in a definition, made safe for Mermaid."""
    if path is None:
        return "[*]"
    name = path.rpartition(".")[2] if path != ROOT else EVERYWHERE
    return f"{name}_" if name in _RESERVED else name


def _nested(definition: Definition, state: State, depth: int) -> Iterator[str]:
    pad = _INDENT * depth
    for child in inner(definition, state):
        if child.is_leaf:
            yield f'{pad}state "{child.name}" as {_identifier(child.path)}'
            continue
        yield f'{pad}state "{child.name}" as {_identifier(child.path)} {{'
        yield f"{pad}{_INDENT}[*] --> {_identifier(child.initial)}"
        yield from _nested(definition, child, depth + 1)
        yield f"{pad}}}"


def _mermaid_arrows(definition: Definition) -> Iterator[str]:
    for arrow in arrows(definition):
        if arrow.target is None:
            continue
        source, target = _lifted(definition, arrow.source, arrow.target)
        inside = f" ({_identifier(arrow.source)})" if source != arrow.source else ""
        yield f"{_identifier(source)} --> {_identifier(target)} : {arrow.label}{inside}"


def _lifted(definition: Definition, source: StatePath | None, target: StatePath) -> tuple[StatePath | None, StatePath]:
    """Give ends between which Mermaid can draw."""
    if not source:
        return source, target
    if definition.is_within(target, source) or definition.is_within(source, target):
        return _first_child(definition, source, other=target), _first_child(definition, target, other=source)
    shared = next(path for path in definition.lineage(source) if definition.is_within(target, path))
    below = [_below(definition, end, shared) for end in (source, target)]
    return (source, target) if below[0] == source or below[1] == target else (below[0], below[1])


def _first_child(definition: Definition, path: StatePath, *, other: StatePath) -> StatePath:
    """Give the state entered first inside a compound one that contains the other end, and any other state as it is."""
    initial = definition.states[path].initial
    return path if initial is None or not definition.is_within(other, path) else initial


def _below(definition: Definition, path: StatePath, ancestor: StatePath) -> StatePath:
    """Give the child of `ancestor` in which a state lies, or the state itself when it is the ancestor."""
    return next((found for found in definition.lineage(path) if definition.states[found].parent == ancestor), path)


def _clusters(definition: Definition, state: State, current: StatePath | None, depth: int) -> Iterator[str]:
    pad = "  " * depth
    for child in inner(definition, state):
        marked = child.path == current
        if child.is_leaf:
            marks = ["peripheries=2"] if child.outcome else []
            marks += ['fillcolor="#ffe08a"', "penwidth=2"] if marked else []
            yield f'{pad}"{child.path}" [label="{child.name}"{"".join(f", {mark}" for mark in marks)}];'
            continue
        yield f'{pad}subgraph "cluster_{child.path}" {{'
        yield f'{pad}  label="{child.name}"; style=rounded; fontcolor="#7a869a"; color="{"#b7791f" if marked else "#7a869a"}";'
        yield from _clusters(definition, child, current, depth + 1)
        yield f"{pad}}}"


def _dot_arrow(definition: Definition, arrow: Arrow) -> str:
    """Write one arrow; Graphviz draws between leaves only, so a compound end is a leaf clipped at its cluster."""
    clips, ends = "", []
    for key, end, empty in (("ltail", arrow.source, START), ("lhead", arrow.target, "")):
        if not end:
            ends.append(EVERYWHERE if end == ROOT else empty)
            continue
        leaf = end
        while (initial := definition.states[leaf].initial) is not None:
            leaf = initial
        clips += f', {key}="cluster_{end}"' if leaf != end else ""
        ends.append(f'"{leaf}"')
    return f'  {ends[0]} -> {ends[1]} [label="{arrow.label}"{clips}];'
