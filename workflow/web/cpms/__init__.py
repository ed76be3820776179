"""CPMS: login, the preferences of the first login, and what one sees afterwards."""
