"""The HTTP API: what the engine does, over HTTP, as problem documents and JSON, described by OpenAPI.

Promises: no decision of its own. Who may do what is judged by the engine, who may see what by `workflow.web.seeing`, as for the pages.
"""

from workflow.web.api.app import create_api
from workflow.web.api.clients import Clients
from workflow.web.api.parts import NotAuthenticatedError, RateLimits

__all__ = ["Clients", "NotAuthenticatedError", "RateLimits", "create_api"]
