"""Pages from templates; besides mails the only place that uses Jinja.

Promises: templates are files of this package, rendered in the sandbox with autoescape; what people wrote is data. A value that does
not exist is an error and not an empty place.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from workflow.web.language import LANGUAGES, Reader

FOLDER = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"


def render(name: str, *, reader: Reader, now: datetime, values: dict[str, Any]) -> str:
    """Render a template for a reader."""
    page = _environment().get_template(name)
    said = {"_": reader.say, "reader": reader, "now": now, "languages": LANGUAGES, "static": static_url}
    return page.render({**said, **values})


@cache
def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        loader=FileSystemLoader(FOLDER), undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["markup"] = Markup  # only for pictures that we drew: QR codes and diagrams
    return environment


@cache
def static_url(name: str) -> str:
    """Give the path of a file of ours below the site; it carries a digest, so that browsers may keep the file for ever."""
    digest = sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"
