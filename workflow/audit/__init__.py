"""Witnesses. Pure: turns what was decided into entries that prove themselves; never decides, never stores."""
