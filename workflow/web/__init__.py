"""Pages and the HTTP API: the extra ``web``.

Promises: pages change nothing but by firing events at the engine, under the same rules as everybody else. Nothing here knows the store.
"""
