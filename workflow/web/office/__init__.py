"""The back office: for those who decide, those who look after it, and those who audit.

Promises: it works for every definition and is mountable alone, under any prefix, with the host's own authentication. It shows what the
asking person may see and nothing else.
"""
