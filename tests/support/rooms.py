"""Coverage room by room: ``python -m tests.support.rooms`` reads what ``make coverage`` measured, and fails below a goal."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import coverage
import orjson

GOAL = 95.0
GOALS = {"states": 100.0, "audit": 100.0}
"""Rooms of which more is wanted; every other one has `GOAL`, so that a room that comes later has it from its first day."""
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much of a room ran: lines and branches together, as `coverage report` counts them."""

    name: str
    wanted: int
    reached: int
    worst: tuple[tuple[str, int], ...]

    @property
    def percent(self) -> float:
        """Give what ran, in percent; a room without code is complete."""
        return 100.0 * self.reached / self.wanted if self.wanted else 100.0

    @property
    def goal(self) -> float:
        """Give what is wanted, in percent."""
        return GOALS.get(self.name, GOAL)

    @property
    def is_reached(self) -> bool:
        """Tell whether nothing is missing from the goal; it is not rounded up to."""
        return self.percent >= self.goal


def room_of(path: str) -> str:
    """Say to which room a file belongs: a package of `workflow`, a module beside the packages, or the store."""
    parts = Path(path).with_suffix("").parts
    if parts[0] == "store":
        return "store"
    return parts[1] if parts[1] != "__init__" else "workflow"


def rooms(files: Mapping[str, Mapping[str, int]]) -> list[Room]:
    """Sum up the files of each room.

    Args:
        files: the `summary` of each file of a JSON report, by path from the root of the repository.
    """
    by_room: dict[str, list[tuple[str, int, int]]] = {}
    for path, found in files.items():
        wanted = found["num_statements"] + found["num_branches"]
        reached = found["covered_lines"] + found["covered_branches"]
        by_room.setdefault(room_of(path), []).append((path, wanted, reached))
    return [
        Room(
            name=name,
            wanted=sum(wanted for _, wanted, _ in each),
            reached=sum(reached for _, _, reached in each),
            worst=tuple(sorted(((path, wanted - reached) for path, wanted, reached in each if wanted > reached), key=lambda one: -one[1])),
        )
        for name, each in sorted(by_room.items())
    ]


def table(found: list[Room]) -> str:
    """Show each room with its goal and its figure; below a goal also the files that lack the most."""
    lines = [f"{'room':<12} {'goal':>6} {'reached':>8} {'missing':>8}"]
    for room in found:
        mark = "" if room.is_reached else "  below its goal"
        # Cut and not rounded: 99.96 is not 100.
        lines.append(f"{room.name:<12} {room.goal:>5.0f}% {int(room.percent * 10) / 10:>7.1f}% {room.wanted - room.reached:>8}{mark}")
        if not room.is_reached:
            lines += [f"{'':<12} {missing:>24} in {path}" for path, missing in room.worst[:5]]
    return "\n".join(lines)


def main() -> int:
    """Print the table of the newest measurement; 1 when a room is below its goal."""
    measured = coverage.Coverage(config_file=str(ROOT / "pyproject.toml"))
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        measured.json_report(outfile=str(report))
        files = orjson.loads(report.read_bytes())["files"]
    found = rooms({path: each["summary"] for path, each in files.items()})
    sys.stdout.write(f"{table(found)}\n")
    return 0 if all(room.is_reached for room in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
