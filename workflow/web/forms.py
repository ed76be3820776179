"""What somebody typed into a form, and what was wrong with it.

Promises: values are kept as they were typed, so that a form comes back filled in; secrets never come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.datastructures import FormData

from workflow.errors import Reason

LONGEST_FORM_BYTES = 65_536
MOST_FIELDS = 200
TOKEN_FIELD = "form_token"  # noqa: S105  # the name of a field, no secret


@dataclass(frozen=True, slots=True)
class Form:
    """A submitted form; empty for a page that was only asked for."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)

    @staticmethod
    def read(data: FormData) -> Form:
        """Take the texts of a form; files are left out, because no page of ours takes any."""
        values: dict[str, list[str]] = {}
        for name, value in data.multi_items():
            if isinstance(value, str):
                values.setdefault(name, []).append(value.replace("\r\n", "\n"))
        return Form(values)

    def text(self, name: str) -> str:
        """Give a value without blanks around it; ``""`` when it is not there."""
        return self.raw(name).strip()

    def raw(self, name: str) -> str:
        """Give a value as it was typed: for passwords, whose blanks count."""
        found = self.values.get(name, ())
        return found[0] if found else ""

    def texts(self, name: str) -> tuple[str, ...]:
        """Give all values of a name: ticked boxes."""
        return tuple(value.strip() for value in self.values.get(name, ()))

    def is_ticked(self, name: str) -> bool:
        """Tell whether a box is ticked."""
        return self.text(name) not in {"", "0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Problems:
    """Why a form was not accepted: every reason, those of one field beside it, all of them on top of the page."""

    reasons: tuple[Reason, ...] = ()

    @staticmethod
    def of(reasons: Iterable[Reason]) -> Problems:
        """Keep each public reason once, in order."""
        seen: dict[tuple[str, str, str], Reason] = {}
        for reason in reasons:
            seen.setdefault((reason.field, reason.message, reason.needed), reason)
        return Problems(tuple(seen.values()))

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.reasons)

    def at(self, name: str) -> tuple[Reason, ...]:
        """Give the reasons of one field."""
        return tuple(reason for reason in self.reasons if reason.field == name)


NO_PROBLEMS = Problems()
EMPTY_FORM = Form()
