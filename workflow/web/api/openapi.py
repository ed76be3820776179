"""The OpenAPI document: what FastAPI knows, and what only we know (problems, headers, examples, the payload).

Promises: every code that an endpoint can answer is in it, and nothing that it cannot.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workflow.web.api.bodies import Problem
from workflow.web.api.problems import KINDS, MEDIA_TYPE, TYPE

VERSION = "1.0.0"
TAGS = [
    {"name": "definitions", "description": "What may happen at all."},
    {"name": "instances", "description": "Onboardings: start, fire, may, read, list, history."},
    {"name": "work", "description": "What waits for the caller."},
]
DESCRIPTION = """Onboardings as state machines: start one, fire events, ask what may be done and why not, read the history.

Every problem is an `application/problem+json` document with every reason. What one may not see does not exist (404). Lists are read page
by page with `limit` and `after`; a page may be shorter than `limit` although there is a `next`. Changes are repeated safely with an
`Idempotency-Key`, and refused with 412 when `If-Match` names a version that is not the present one."""

ALWAYS = ("unauthenticated", "forbidden", "invalid", "too-many-requests", "failed", "unavailable")
EXAMPLES = {
    "forbidden": (
        "role_missing",
        "'approve' needs the role network_team for ERKNet; the actor holds no role.",
        "the role network_team for ERKNet",
        "",
    ),
    "wrong-state": (
        "wrong_state",
        "'approve' is not possible in the state 'approved'.",
        "one of the states requested.awaiting_approval",
        "",
    ),
    "refused": ("fresh_sign_in", "Sign in with two factors first.", "", ""),
    "invalid": ("value_missing", "rationale is required.", "a value for rationale", "rationale"),
}
HEADERS_OF: dict[str, dict[str, tuple[str, str]]] = {
    "401": {"WWW-Authenticate": ("How to say who one is (RFC 9110).", 'Bearer realm="workflow"')},
    "409": {"Retry-After": ("Seconds, where trying again may help.", "1")},
    "412": {"ETag": ("The present version.", '"8"')},
    "429": {"Retry-After": ("Seconds until another request is answered.", "12")},
    "503": {"Retry-After": ("Seconds.", "5")},
}
ETAG = ("The version.", '"7"')
LINK = ("The next page (RFC 8288); absent on the last one.", '</instances?limit=50&after=…>; rel="next"')
OPERATIONS: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, str]]]] = {
    # operation: further kinds of problems, headers of its good answer
    "listDefinitions": (("malformed",), {"Link": LINK}),
    "readDefinition": (("not-found",), {"ETag": ETAG}),
    "listInstances": (("malformed",), {"Link": LINK}),
    "readInstance": (("not-found",), {"ETag": ETAG}),
    "mayInstance": (("not-found",), {"ETag": ETAG}),
    "readHistory": (("malformed", "not-found"), {"Link": LINK}),
    "listWork": (("malformed",), {"Link": LINK}),
    "startInstance": (
        ("malformed", "not-found", "conflict", "refused", "too-large", "media-type", "key-reused"),
        {"ETag": ETAG, "Location": ("Where it is read.", "/instances/Jd0Lxw3mQp5sT8vY1bC4eF")},
    ),
    "fireEvent": (
        ("malformed", "not-found", "wrong-state", "refused", "conflict", "outdated", "too-large", "media-type", "key-reused"),
        {"ETag": ETAG, "Idempotent-Replayed": ("Present when the first answer is given again.", "true")},
    ),
}
PAYLOAD = {
    "startInstance": {"full_name": "Jane Doe", "building": "north", "has_escort": True},
    "fireEvent": {"rationale": "A member of the network."},
}
LINKS = {
    operation: {"operationId": operation, "parameters": {"instance_id": "$response.body#/id"}}
    for operation in ("readInstance", "mayInstance", "readHistory", "fireEvent")
}
UNCHANGED = frozenset({"readDefinition"})


def complete(document: dict[str, Any], *, allow_anonymous: bool = False) -> dict[str, Any]:
    """Complete what FastAPI made; where unknown callers are let in, changes say that they want no name."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which we never answer
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= schemas["Problem"].pop("$defs", {})
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "Or whatever the host signs people in by."}
    }
    document["security"] = [{"bearer": []}]
    shared: dict[str, Any] = {}
    for operation in _operations(document):
        _complete(operation, shared)
        if allow_anonymous and operation["operationId"] in PAYLOAD:
            operation["security"] = [{"bearer": []}, {}]
    components["responses"] = dict(sorted(shared.items()))
    return document


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in document["paths"].values():
        yield from (operation for method, operation in item.items() if method in {"get", "post"})


def _complete(operation: dict[str, Any], shared: dict[str, Any]) -> None:
    kinds, headers = OPERATIONS[operation["operationId"]]
    responses = operation["responses"]
    for code in ("200", "201"):
        if code in responses:
            responses[code]["headers"] = {name: _header(*said) for name, said in headers.items()}
            responses[code] |= {"links": LINKS} if code == "201" else {}
    responses.pop("422", None)
    if operation["operationId"] in UNCHANGED:
        responses["304"] = {"description": "The caller has this version already (If-None-Match).", "headers": {"ETag": _header(*ETAG)}}
    by_code: dict[str, list[str]] = {}
    for kind in (*ALWAYS, *kinds):
        by_code.setdefault(str(KINDS[kind].code), []).append(kind)
    for code, kinds_of_code in by_code.items():
        name = ".".join(kinds_of_code)
        shared[name] = _problem(code, kinds_of_code)
        responses[code] = {"$ref": f"#/components/responses/{name}"}
    operation["responses"] = dict(sorted(responses.items()))
    if operation["operationId"] in PAYLOAD:
        operation["requestBody"] = {
            "description": "The event's payload; its JSON Schema is in the definition.",
            "content": {"application/json": {"schema": {"type": "object"}, "example": PAYLOAD[operation["operationId"]]}},
        }


def _problem(code: str, kinds: list[str]) -> dict[str, Any]:
    """Describe one code: which kinds of problems it stands for, each with an example."""
    return {
        "description": "; ".join(KINDS[kind].title for kind in kinds) + ".",
        "headers": {name: _header(*said) for name, said in HEADERS_OF.get(code, {}).items()},
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {kind: {"value": _example(kind)} for kind in kinds},
            }
        },
    }


def _example(kind: str) -> dict[str, Any]:
    reasons = [dict(zip(("code", "message", "needed", "field"), EXAMPLES[kind], strict=True))] if kind in EXAMPLES else []
    detail = reasons[0]["message"] if reasons else f"{KINDS[kind].title}."
    return {"type": TYPE + kind, "title": KINDS[kind].title, "status": KINDS[kind].code, "detail": detail, "reasons": reasons}


def _header(description: str, example: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}, "example": example}
