"""Coverage is judged room by room, and nothing is rounded up to its goal."""

from __future__ import annotations

import pytest

from tests.support.rooms import Room, room_of, rooms, table


def summary(statements: int, covered: int, branches: int = 0, reached: int = 0) -> dict[str, int]:
    return {"num_statements": statements, "covered_lines": covered, "num_branches": branches, "covered_branches": reached}


@pytest.mark.parametrize(
    ("path", "room"),
    [
        ("workflow/states/step.py", "states"),
        ("workflow/web/api/asking.py", "web"),
        ("workflow/worker.py", "worker"),
        ("workflow/__init__.py", "workflow"),
        ("store/workflow_store/migrations/env.py", "store"),
    ],
)
def test_every_file_belongs_to_a_room(path: str, room: str) -> None:
    """A package of `workflow`, a module beside the packages, or the store: no file is left out."""
    assert room == room_of(path)


def test_lines_and_branches_count_together() -> None:
    """A room is the sum of its files, lines and branches alike; the files that lack the most are named first."""
    found = rooms(
        {
            "workflow/engine/core.py": summary(90, 90, 10, 9),
            "workflow/engine/turn.py": summary(80, 70, 20, 20),
            "workflow/audit/chain.py": summary(10, 10),
        }
    )
    assert [(room.name, room.wanted, room.reached) for room in found] == [("audit", 10, 10), ("engine", 200, 189)]
    assert found[1].worst == (("workflow/engine/turn.py", 10), ("workflow/engine/core.py", 1))
    assert [room.is_reached for room in found] == [True, False]
    assert "engine          95%    94.5%       11  below its goal" in table(found)


@pytest.mark.parametrize(
    ("name", "reached", "is_reached"), [("states", 9_999, False), ("states", 10_000, True), ("cli", 9_499, False), ("cli", 9_500, True)]
)
def test_a_goal_is_not_rounded_up_to(name: str, reached: int, is_reached: bool) -> None:
    """One branch of ten thousand that is missing is missing; the table does not say otherwise."""
    room = Room(name=name, wanted=10_000, reached=reached, worst=())
    assert is_reached is room.is_reached
    assert ("below its goal" in table([room])) is not is_reached
    assert "100.0%" not in table([Room(name=name, wanted=10_000, reached=9_999, worst=())])
