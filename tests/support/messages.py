"""The texts of the pages, for translators: taken out of templates, code and the reference documents, and merged into the catalogues.

python -m tests.support.messages          writes workflow/web/locale/<language>.po, keeping what is translated

A sentence that the engine makes with values in it is a pattern here: ``At least {0} characters.``
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment
from jinja2.nodes import Call, Const, Name

from workflow.bootstrap import find_definition, known
from workflow.load import load, read_calendar, read_catalogue
from workflow.states.definition import Definition
from workflow.web.language import FOLDER, LANGUAGES
from workflow.web.templates import FOLDER as TEMPLATES
from workflow.web.words import BY_NAME

WEB = TEMPLATES.parent
ROOM = WEB.parent
TABLES = ("LABELS", "METHODS", "FACTORS", "PAGES", "WAYS", "TURNS", "FAULTS", "SENT", "WORDS", "_OWN")
"""Module-level tables whose English texts are looked up where they are shown."""
ENGINE = (
    *("states/payload.py", "states/catalogue.py", "states/who.py", "states/step.py", "states/machine.py", "states/axis.py"),
    *("engine/system.py", "engine/revealing.py", "testing/phone.py"),
)
"""Modules beside the checks that refuse in words."""
WORDED = {"Reason": ("message", "needed"), "page": ("title", "what")}
"""Calls that take words, and the arguments that are words."""
SENTENCES = {"message", "hint", "needed", "held", "_ASK"}
"""Names that hold words until a reason is made of them."""


@cache
def wanted() -> dict[str, set[str]]:
    """Every text that the pages look up, with the places it is used at."""
    found: dict[str, set[str]] = {}
    for text, place in (*of_templates(), *of_code(), *of_engine(), *of_documents()):
        if text.strip():
            found.setdefault(text, set()).add(place)
    return found


def of_templates() -> Iterator[tuple[str, str]]:
    """Texts of templates: whatever constant `_()` is called with."""
    for path in sorted(TEMPLATES.rglob("*.html")):
        tree = Environment().parse(path.read_text(encoding="utf-8"))  # parsed, never rendered
        for call in tree.find_all(Call):
            if isinstance(call.node, Name) and call.node.name == "_" and call.args and isinstance(call.args[0], Const):
                yield str(call.args[0].value), f"templates/{path.relative_to(TEMPLATES).as_posix()}"


def of_code() -> Iterator[tuple[str, str]]:
    """Texts of code: arguments of `say`, messages of reasons and refusals, titles of faults, and the tables."""
    for path in (*sorted(WEB.rglob("*.py")), ROOM / "export" / "lines.py", ROOM / "export" / "reasons.py"):
        if "api" not in path.relative_to(ROOM).parts:
            yield from _in_file(path, _of_page_node)


def of_engine() -> Iterator[tuple[str, str]]:
    """What the engine and its checks say to people when they refuse."""
    for path in (*(ROOM / name for name in ENGINE), *sorted((ROOM / "checks").glob("*.py"))):
        yield from _in_file(path, _of_engine_node)
    for path in (*sorted((ROOM / "engine").glob("*.py")), ROOM / "states" / "step.py"):
        yield from _in_file(path, _of_act)


def _of_act(node: ast.AST) -> Iterator[str]:
    """Names of what stands in a history without being an event of the definition."""
    match node:
        case ast.keyword(arg="event", value=ast.Constant(value=str(name))):
            yield _named(name)
        case ast.Call(func=ast.Name(id="EventName"), args=[ast.Constant(value=str(name))]):
            yield _named(name)


def _in_file(path: Path, texts_of: Callable[[ast.AST], Iterator[str]]) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for text in texts_of(node):
            yield text, path.relative_to(WEB if path.is_relative_to(WEB) else ROOM).as_posix()


def _of_page_node(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(func=ast.Attribute(attr="say"), args=[ast.Constant(value=str(text)), *_]):
            yield text
        case ast.Call(func=ast.Attribute(attr="get", value=ast.Name(id=name)), args=[_, default]) if name in TABLES:
            yield from _in_table(default)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), keywords=keywords) if name in WORDED:
            yield from (text for k in keywords if k.arg in WORDED[name] for text in patterns(k.value))
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in TABLES or name.startswith(("_STALE", "_NOT_FOUND", "_OURS")):
            yield from _in_table(value)
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if name in TABLES:
            yield from _in_table(value)


def _of_engine_node(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(func=ast.Name(id="Reason"), keywords=keywords):
            yield from (text for k in keywords if k.arg in WORDED["Reason"] for text in patterns(k.value))
        case ast.Call(func=ast.Name(id="_reason"), args=[_, *words]):
            yield from (text for word in words for text in patterns(word))
        case ast.Call(func=ast.Name(id="_Fault"), args=[words]):
            # Pages show it without the name of the value before it, so it begins the sentence there.
            yield from (text[:1].upper() + text[1:] for text in patterns(words))
        case ast.Call(func=ast.Attribute(attr="unknown") | ast.Name(id="DeadlineError"), args=[words, *_]):
            yield from patterns(words)
        case ast.Assign(targets=[ast.Name(id=name)], value=words) | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as words) if (
            name in SENTENCES
        ):
            yield from patterns(words)


def _in_table(value: ast.expr) -> Iterator[str]:
    """Texts in a table: its values, not its keys."""
    match value:
        case ast.Dict(values=values) | ast.Tuple(elts=values) | ast.List(elts=values):
            for one in values:
                yield from _in_table(one)
        case ast.Constant(value=str(text)):
            yield text


def patterns(value: ast.expr) -> Iterator[str]:
    """Give the sentences that an expression can be, with ``{0}``, ``{1}`` for its values."""
    for pieces in product(*_pieces(value)):
        count = iter(range(100))
        text = "".join(f"{{{next(count)}}}" if piece is None else piece for piece in pieces).strip()
        text = text.removeprefix("{0}: ")  # the name of the value: pages leave it out
        first = next(iter(re.findall(r"\{(\d)\}", text)), "0")
        text = re.sub(r"\{(\d)\}", lambda found, less=int(first): f"{{{int(found[1]) - less}}}", text)  # type: ignore[misc]  # a default binds it
        if re.search(r"[a-z]{2}", re.sub(r"\{\d\}", "", text)):
            yield text


def _pieces(value: ast.expr) -> list[list[str | None]]:
    """Give what an expression is made of, one list of possibilities for each piece; None is a value that nobody knows now."""
    match value:
        case ast.Constant(value=str(text)):
            return [[text]]
        case ast.JoinedStr(values=values):
            return [pieces for one in values for pieces in _pieces(one)]
        case ast.FormattedValue(value=inner):
            found = _pieces(inner)
            return found if len(found) == 1 else [[None]]
        case ast.IfExp(body=body, orelse=other):
            return [[text for one in (body, other) for text in _whole(one)]]
        case ast.BoolOp(values=values):
            return [[text for one in values for text in _whole(one)]]
        case _:
            return [[None]]


def _whole(value: ast.expr) -> list[str | None]:
    """Give what one way of an expression can be as a whole."""
    numbered = [*patterns(value)]
    return list(numbered) if numbered else [None if not isinstance(value, ast.Constant) else str(value.value)]


def of_documents() -> Iterator[tuple[str, str]]:
    """Texts of the reference definition, its catalogue and its calendar."""
    path = find_definition("cpms-access")
    yield from ((text, path.name) for text in _of_definition(load(path, known=known())))
    catalogue = path.parent / "catalogues" / "ern.yaml"
    for name, items in read_catalogue(catalogue).sets.items():
        if name not in BY_NAME:
            yield from ((str(item["title"]), catalogue.name) for item in items.values())
    calendar = path.parent / "calendars" / "ern-office.yaml"
    yield from ((name, calendar.name) for name in read_calendar(calendar).days_off.values())
    yield from ((reason, "states/axis.py") for reason in _reasons_of_time())


def _reasons_of_time() -> Iterator[str]:
    for name in ("axis", "deadlines"):
        for node in ast.walk(ast.parse((ROOM / "states" / f"{name}.py").read_text(encoding="utf-8"))):
            match node:
                case ast.Assign(
                    targets=[ast.Name(id="WEEKEND" | "OUTSIDE_HOURS" | "REPEATED" | "SKIPPED")], value=ast.Constant(value=text)
                ):
                    yield str(text)
                case ast.keyword(arg="reason", value=ast.Constant(value=str(text))):
                    yield text
                case ast.Assign(targets=[ast.Name(id="works")], value=value):
                    yield from patterns(value)


def _of_definition(definition: Definition) -> Iterator[str]:
    yield from (definition.title, definition.description)
    for state in definition.states.values():
        yield state.title or str(state.path).rpartition(".")[2].replace("_", " ").capitalize()
        yield from (text for transition in state.transitions for rule in transition.guards for text in (rule.message, rule.needed))
        # What became of an effect is an entry of the history, called after the effect where no event is.
        queued = (*state.entry, *state.exit, *(use for transition in state.transitions for use in transition.actions))
        yield from (_named(f"{use.kind}_{use.name}") for use in queued)
    for name, event in definition.events.items():
        yield event.title or _named(name)
        for value, field in event.payload.items():
            yield field.description.rstrip(".") or _named(value)
            yield from (choice for choice in field.values if len(choice) > len("en"))
    yield from (_named(name) for name in definition.fields)
    for name, role in definition.roles.items():
        yield from (_named(name), role.description)


def _named(name: str) -> str:
    return str(name).replace("_", " ").capitalize()


def merged(language: str) -> Catalog:
    """The catalogue of a language with every text wanted; what is not wanted any more is left out."""
    path = FOLDER / f"{language}.po"
    before = {}
    if path.is_file():
        with path.open("rb") as file:
            before = {str(one.id): str(one.string) for one in read_po(file, locale=language) if one.id}
    catalogue = Catalog(locale=language, project="onboarding-workflow", charset="utf-8", fuzzy=False)
    for text, places in sorted(wanted().items()):
        catalogue.add(text, before.get(text, ""), locations=[(place, 0) for place in sorted(places)[:3]])
    return catalogue


def file_text(catalogue: Catalog) -> str:
    """Give a catalogue as its file has it: without dates, so that it changes only with its texts."""
    out = io.BytesIO()
    write_po(out, catalogue, omit_header=True, width=120, include_lineno=False, sort_output=True)
    return out.getvalue().decode()


def generated() -> dict[Path, str]:
    """Give every catalogue's file with the text that it must have."""
    return {FOLDER / f"{code}.po": file_text(merged(code)) for code in LANGUAGES if code != "en"}


if __name__ == "__main__":
    for file_, content in generated().items():
        file_.write_text(content, encoding="utf-8")
