"""Guards of two versions, compared: what is asked for more, what less, and what otherwise.

Promises: pure; a guard is called looser or tighter only where that is certain: a whole condition more or less, or one limit
moved in an expression in which more of it can only allow more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from workflow.policy.changes import Way
from workflow.states.definition import Rule

_LIMIT = re.compile(r"(<=|>=|<|>)\s*(?:duration\('(\d+)([hms])'\)|(\d+)(?![\w.]))")
_SECONDS = {"h": 3_600, "m": 60, "s": 1}
_TURNS = re.compile(r"!\s*\(|\?|\)\s*[=!]=|[=!]=\s*\(|\bexists\b|\ball\b|\bfilter\b")
"""Where these stand, a greater limit may allow less."""


def compare_guards(before: Sequence[Rule], after: Sequence[Rule]) -> Iterator[tuple[Way, str]]:
    """Give what is different, in sentences that begin with the event."""
    gone = [rule for rule in before if rule.source not in {one.source for one in after}]
    new = [rule for rule in after if rule.source not in {one.source for one in before}]
    for rule in list(gone):
        same = _counterpart(rule, gone, new)
        if same is not None:
            gone.remove(rule)
            new.remove(same)
            yield _way(rule.source, same.source), f"asks for `{same.source}`, it asked for `{rule.source}`."
    for rule in gone:
        yield Way.LOOSENED, f"no longer asks for `{rule.source}`."
    for rule in new:
        yield Way.TIGHTENED, f"asks for `{rule.source}` too."
    yield from _told(before, after)


def _told(before: Sequence[Rule], after: Sequence[Rule]) -> Iterator[tuple[Way, str]]:
    """Compare what is said when a guard does not hold, and which one speaks first."""
    words = {rule.source: (rule.code, rule.message, rule.needed) for rule in before}
    for rule in after:
        if rule.source in words and words[rule.source] != (rule.code, rule.message, rule.needed):
            was = words[rule.source]
            said = f"the code {rule.code}, it was {was[0]}" if was[0] != rule.code else f"“{rule.message or rule.needed}”"
            yield Way.OTHER, f"is refused with other words where `{rule.source}` does not hold: {said}."
    kept = [[rule.source for rule in side if rule.source in words and rule.source in {r.source for r in after}] for side in (before, after)]
    if kept[0] != kept[1]:
        yield Way.OTHER, "gives its reasons in another order."


def _counterpart(rule: Rule, gone: Sequence[Rule], new: Sequence[Rule]) -> Rule | None:
    """Find the guard that stands in the place of another: by its code, by its form, or as the only one left on both sides."""
    named = [one for one in new if one.code == rule.code != "guard_false"]
    formed = [one for one in new if _LIMIT.sub("", one.source) == _LIMIT.sub("", rule.source)]
    if len(named) == 1 or len(formed) == 1:
        return (named if len(named) == 1 else formed)[0]
    return new[0] if len(gone) == len(new) == 1 else None


def _way(old: str, new: str) -> Way:
    """Say what a changed guard does, where exactly one limit of it moved."""
    before, after = _LIMIT.findall(old), _LIMIT.findall(new)
    if _LIMIT.sub("#", old) != _LIMIT.sub("#", new) or _TURNS.search(new):
        return Way.OTHER
    moved = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
    if len(moved) != 1 or moved[0][0][0] != moved[0][1][0]:
        return Way.OTHER
    one, other = moved[0]
    more = _amount(other) - _amount(one)
    is_upper = other[0] in {"<", "<="}
    return Way.OTHER if not more else Way.LOOSENED if (more > 0) == is_upper else Way.TIGHTENED


def _amount(limit: tuple[str, str, str, str]) -> int:
    _, number, unit, plain = limit
    return int(number) * _SECONDS[unit] if unit else int(plain)
