"""Figures against a floor: the same SQL written by hand, on the same database, in the same run, pair by pair."""
