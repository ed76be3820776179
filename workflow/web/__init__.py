"""Pages and the HTTP API: the extra ``web``.

Promises: pages change nothing but by firing events at the engine, under the same rules as everybody else. Nothing here knows the store.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workflow.web.api import RateLimits, create_api
    from workflow.web.api.clients import Clients
    from workflow.web.office.routes import back_office
    from workflow.web.seeing import may_see
    from workflow.web.site import create_site

_HOMES = {
    "Clients": "workflow.web.api.clients",
    "RateLimits": "workflow.web.api",
    "back_office": "workflow.web.office.routes",
    "create_api": "workflow.web.api",
    "create_site": "workflow.web.site",
    "may_see": "workflow.web.seeing",
}

__all__ = ["Clients", "RateLimits", "back_office", "create_api", "create_site", "may_see"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # whatever the name stands for
    """Load a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'workflow.web' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
