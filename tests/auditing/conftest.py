"""Fixtures: stores with real histories, to be verified and tampered with."""

from tests.support.houses import mail_trap
from tests.support.sound import sound_postgres, sound_sqlite, store

__all__ = ["mail_trap", "sound_postgres", "sound_sqlite", "store"]
