"""Fixtures: stores with real histories, to be verified and tampered with."""

from tests.support.houses import box, database, house, mail_trap, published_template
from tests.support.sound import sound_postgres, sound_sqlite, store

__all__ = ["box", "database", "house", "mail_trap", "published_template", "sound_postgres", "sound_sqlite", "store"]
