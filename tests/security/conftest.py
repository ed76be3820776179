"""Fixtures of the security tests: the house of the reference journey."""

from __future__ import annotations

import pytest

from tests.support.houses import box, database, house, house_on, mail_trap, published_template
from tests.support.onboarding import House, Onboarding

__all__ = ["box", "database", "house", "house_on", "jane", "mail_trap", "published_template"]


@pytest.fixture
def jane(house: House) -> Onboarding:
    """Jane, who has not registered yet."""
    return house.person()
