"""Texts that come often are given once, however many there are, and memory stays flat."""

from __future__ import annotations

import tracemalloc
from contextlib import closing

import pytest

from workflow.export.once import Once


@pytest.mark.parametrize("run", [1, 2, 3, 1000])
def test_every_text_comes_once_and_in_order(run):
    """Whether everything fits in memory or nothing, each text is given once, sorted, again and again."""
    with closing(Once(run)) as once:
        once.add("b", "a", "b")
        once.add("c", "a")
        once.add("é", "a b")
        assert ["a", "a b", "b", "c", "é"] == list(once) == list(once)


def test_memory_does_not_grow_with_the_number_of_texts():
    """Ten times as many different texts need no more memory than one time."""

    def peak(count: int) -> int:
        tracemalloc.start()
        with closing(Once(500)) as once:
            for number in range(count):
                once.add(f"actor:{number:030}")
            assert count == sum(1 for _ in once)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(100)
    assert peak(20_000) < 2 * peak(2_000) + 500_000
