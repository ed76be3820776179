"""For auditors: verifying the store, exporting a population, the printable trace and the case bundle of one request."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.responses import Response

from workflow.auditing import verify
from workflow.engine.archive import Archive
from workflow.errors import NotFoundError, Reason
from workflow.export.files import export
from workflow.export.population import Wanted
from workflow.states.instance import Actor
from workflow.web.forms import Problems
from workflow.web.seeing import look_for, sees_all
from workflow.web.visit import Visit

FORMS = {"csv": "text/csv", "jsonl": "application/jsonl", "xes": "application/xml", "ocel": "application/json"}


def audit(visit: Visit) -> Response:
    """Show what an auditor may do here, verify the whole store, or export a population."""
    actor = _auditor(visit)
    if not visit.is_post:
        return visit.page("office/audit.html", report=None, forms=FORMS, has_tree=visit.parts.tree is not None)
    match visit.form.text("do"):
        case "verify":
            if visit.parts.tree is None:
                raise NotFoundError("tree", "")
            report = verify(visit.parts.tree)
            return visit.page("office/audit.html", report=report, forms=FORMS, has_tree=True)
        case "export":
            return _export(visit, actor)
        case other:
            raise NotFoundError("button", other)


def _export(visit: Visit, actor: Actor) -> Response:
    form = visit.form.text("form")
    if form not in FORMS:
        reason = Reason(code="value_missing", message=visit.say("Choose a format."), field="form")
        return visit.page(
            "office/audit.html", problems=Problems((reason,)), report=None, forms=FORMS, has_tree=visit.parts.tree is not None
        )
    with TemporaryDirectory(prefix="workflow-export-") as folder:
        path = Path(folder) / f"export.{form}"
        wanted = Wanted(definition=visit.form.text("definition") or None, state=visit.form.text("state") or None)
        export(Archive(visit.engine), wanted, path, form=form, actor=actor)
        content = path.read_bytes()
    return Response(content, media_type=FORMS[form], headers={"Content-Disposition": f'attachment; filename="export.{form}"'})


def bundle(visit: Visit) -> Response:
    """Hand over the case bundle of a request."""
    actor = _auditor(visit)
    seen = look_for(visit.engine, str(visit.request.path_params["instance"]), actor)
    if visit.parts.bundle is None or not visit.is_post:
        raise NotFoundError("bundle", seen.instance.id)
    with TemporaryDirectory(prefix="workflow-bundle-") as folder:
        path = Path(folder) / "bundle.zip"
        visit.parts.bundle(seen.instance.id, actor, path)
        content = path.read_bytes()
    name = f'attachment; filename="case-{seen.instance.id}.zip"'
    return Response(content, media_type="application/zip", headers={"Content-Disposition": name})


def _auditor(visit: Visit) -> Actor:
    actor = visit.signed_in()
    if not sees_all(actor):
        raise NotFoundError("page", visit.path)
    return actor
