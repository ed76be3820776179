"""Values that are made quickly are the same values."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from workflow.states.quick import copier, maker, quick


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    number: int
    names: dict[str, int] = field(default_factory=dict)
    text: str = "none"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Quick:
    number: int
    names: dict[str, int] = field(default_factory=dict)
    text: str = "none"


MAKE, COPY = maker(Quick), copier(Quick, "text")


@pytest.mark.parametrize("make", [Quick, MAKE])
def test_a_quick_value_is_what_the_ordinary_way_makes(make):
    """Fields, defaults, equality and text are those of the dataclass; no two values share a default that can change."""
    one = make(number=1)
    assert one == Quick(number=1, names={}, text="none") != make(number=2)
    assert repr(one) == repr(Plain(number=1)).replace("Plain", "Quick")
    assert one.names is not make(number=1).names
    assert type(make(number=1, names={"a": 1}, text="b")) is Quick


@pytest.mark.parametrize("made", [Quick(number=1), MAKE(number=1), COPY(Quick(number=1), text="x"), replace(Quick(number=1), text="x")])
def test_a_quick_value_is_frozen(made):
    """No field of it can be set or deleted, and none added."""
    with pytest.raises(FrozenInstanceError):
        made.number = 2
    with pytest.raises(FrozenInstanceError):
        del made.number
    with pytest.raises((AttributeError, TypeError)):
        made.other = 2


def test_a_quick_class_takes_what_the_ordinary_one_takes():
    """The arguments have the same names and are given by name; one that is missing or unknown is a TypeError."""
    assert list(inspect.signature(Quick).parameters) == list(inspect.signature(Plain).parameters)
    for arguments in ({}, {"number": 1, "else": 2}):
        with pytest.raises(TypeError):
            Quick(**arguments)
    with pytest.raises(TypeError):
        Quick(1)


def test_a_copy_changes_what_it_is_told_to():
    """Copying, by any of the ways there are, leaves the first value as it is."""
    one = Quick(number=1, names={"a": 1})
    other = COPY(one, text="new")
    assert other == replace(one, text="new") == Quick(number=1, names={"a": 1}, text="new")
    assert one.text == "none"
    assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one  # of our own
    for arguments in ({}, {"text": "new", "number": 2}):
        with pytest.raises(TypeError):
            COPY(one, **arguments)
    with pytest.raises(TypeError, match="Quick has no field 'nothing'"):
        copier(Quick, "text", "nothing")


def test_a_default_that_is_made_is_shown_as_such():
    """Where the arguments are shown, a default that is made for each value reads as in any dataclass."""
    assert "names: 'dict[str, int]' = <factory>" in str(inspect.signature(Quick))
