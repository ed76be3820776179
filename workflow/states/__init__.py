"""Decides. Pure: values in, values out; never reads a clock, a file, a random source or a log."""
