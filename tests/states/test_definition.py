"""The words that rules about a definition use: one name or many, and what a field is."""

from __future__ import annotations

import pytest

from workflow.states.definition import EventName, Field, FieldName, FieldType, has_mark, listed


@pytest.mark.parametrize(
    ("value", "names"), [("approve", ("approve",)), (["approve", "reject"], ("approve", "reject")), ((), ()), (None, ()), (3, ())]
)
def test_one_name_or_many(value: object, names: tuple[str, ...]):
    """Where a rule takes one name or a list of them, one name is a list of one."""
    assert names == listed(value)


def test_a_field_is_personal_secret_or_unique():
    """What is secret is personal too; a unique field is one whose repetition has a consequence."""
    plain = Field(name=FieldName("floor"), type=FieldType.INTEGER)
    personal = Field(name=FieldName("email"), type=FieldType.EMAIL, is_personal=True, unique_on_conflict=EventName("again"))
    secret = Field(name=FieldName("code"), type=FieldType.SECRET)
    marks = {
        field.name: [mark for mark in ("personal", "secret", "unique") if has_mark(field, mark)] for field in (plain, personal, secret)
    }
    assert marks == {"floor": [], "email": ["personal", "unique"], "code": ["personal", "secret"]}
