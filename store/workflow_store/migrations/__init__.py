"""Alembic's script directory: every change of the tables since the first one."""
