"""SAAS: the access request on four pages, and what becomes of it."""
