"""Texts that may come often and are wanted once, however many there are.

Promises: memory stays flat; what does not fit lies sorted in temporary files, which are merged in the end (an external merge sort).
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterator
from itertools import groupby
from typing import IO

RUN = 10_000
"""So many different texts are kept in memory."""


class Once:
    """A set of texts without line breaks; gives each of them once, in order."""

    def __init__(self, run: int = RUN) -> None:
        """Begin empty, with room for `run` texts in memory."""
        self._run = run
        self._fresh: set[str] = set()
        self._files: list[IO[str]] = []

    def add(self, *texts: str) -> None:
        """Take texts."""
        self._fresh.update(texts)
        if len(self._fresh) >= self._run:
            self._put_aside()

    def __iter__(self) -> Iterator[str]:
        """Give every text once."""
        for file in self._files:
            file.seek(0)
        aside = [(line.rstrip("\n") for line in file) for file in self._files]
        return (text for text, _ in groupby(heapq.merge(sorted(self._fresh), *aside)))

    def close(self) -> None:
        """Remove what lies on disk."""
        for file in self._files:
            file.close()

    def _put_aside(self) -> None:
        file = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  # closed by `close`, with all the others
        self._files.append(file)
        file.writelines(f"{text}\n" for text in sorted(self._fresh))
        self._fresh.clear()
