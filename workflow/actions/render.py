"""Messages from templates.

Promises: templates come only from files of the installation (the package's own, and one directory that the host names),
run in Jinja's sandbox with autoescape for HTML, and fail on a value that does not exist. What people wrote is data.

Layout: ``<language>/<name>.subject.txt``, ``<language>/<name>.txt``, ``<language>/<name>.html``; text messages are
``sms/<language>/<name>.txt``. A language that lacks a template falls back to its main language, then to English.

Values in a template:

========== =======================================================================================================
recipient  ``name`` (``""`` when unknown or unfit for a greeting), ``language``
site       ``title``, ``home_url``, ``login_url``, ``queue_url``, ``help`` (of this installation)
values     the instance's fields by name, personal ones included; a missing one is an error
params     what the definition says under ``with``; a missing one reads as ``""``
link       the full URL, ``None`` when the effect carries none
lifetime   how long the link or code works, as words; ``""`` when the definition does not limit it
due_at     the running deadline, as words with its zone; ``""`` when none runs
reason, question, network, username  from `values` and `params`, ``""`` when there is none (see `Renderer.wording`)
instance   the request's id, for people to quote
process    the definition's title
language   of the template that was found
subject    only in HTML: the subject line
code       only in text messages
========== =======================================================================================================
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound, select_autoescape
from jinja2.sandbox import ImmutableSandboxedEnvironment

from workflow.actions.faults import fault, has_control
from workflow.actions.registry import PACKAGE_TEMPLATES
from workflow.actions.wording import FALLBACK, write_duration, write_instant
from workflow.errors import ActionError
from workflow.ports import Briefing, Recipient
from workflow.states.definition import Definition
from workflow.states.effects import Effect

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ADDRESS_LIKE = re.compile(r"[/:@<>\\]|www\.|\.[a-z]{2,}\b", re.IGNORECASE)
_MAX_GREETING = 60
_MAX_SUBJECT = 200

# A word of the templates -> fields and params it may come from, the first that has a text wins.
SOURCES: Mapping[str, tuple[str, ...]] = {
    "reason": ("reason", "rejection_reason", "rationale", "failure"),
    "question": ("question", "information_question", "wanted", "information_wanted"),
    "network": ("network",),
    "username": ("username",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """This installation, as its readers know it. URLs are full and come from configuration, never from a request.

    `help` says in one line where help is to be had: an address, a telephone number, a page.
    """

    title: str
    home_url: str
    login_url: str
    queue_url: str
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedMail:
    """A mail in words. The subject is one line; holds personal values and links: never to be logged or kept."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    language: str


def quoted(text: str) -> str:
    """Set what somebody wrote apart, as plain-text mails do: each line behind ``> ``."""
    return "\n".join(f"> {line}" for line in text.splitlines())


def greeting_name(name: str) -> str:
    """Give a name that is fit for a greeting, else ``""``.

    Who registers a stranger's address chooses the name in the mail that the stranger gets, so a name that reads like an
    address or an advertisement is left out.
    """
    line = " ".join(name.split())
    is_fit = line.isprintable() and len(line) <= _MAX_GREETING and not _ADDRESS_LIKE.search(line)
    return line if is_fit else ""


def lifetime_seconds(definition: Definition, effect: Effect) -> int | None:
    """Tell how long what the effect carries works: the shortest elapsed timer that starts with the effect's report.

    A text message says it itself, as ``with: {lifetime_seconds: 300}``. None when nothing limits it.
    """
    said = effect.params.get("lifetime_seconds")
    if isinstance(said, int):
        return said
    timers = (timer for state in definition.states.values() for timer in state.timers)
    found = [t.after.amount for t in timers if effect.done and t.since == effect.done and t.after.kind == "elapsed"]
    return min(found, default=None)


class Renderer:
    """Turns briefings into words; templates are compiled once, when they are first used."""

    def __init__(self, site: Site, *, directory: Path | None = None, zone: str = "UTC") -> None:
        """Take the installation's names and zone.

        Args:
            site: what the templates call ``site``.
            directory: the host's own templates; they win over the shipped ones of the same language and name.
            zone: IANA name of the zone in which deadlines are written.
        """
        self._site = site
        self._zone = zone
        roots = [PACKAGE_TEMPLATES] if directory is None else [directory, PACKAGE_TEMPLATES]
        self._loader: BaseLoader = ChoiceLoader([FileSystemLoader(root) for root in roots])
        self._environment = ImmutableSandboxedEnvironment(
            loader=self._loader,
            autoescape=select_autoescape(enabled_extensions=("html",), default=False, default_for_string=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
        )
        self._environment.filters["quoted"] = quoted

    def mail(self, briefing: Briefing, recipient: Recipient) -> RenderedMail:
        """Write a mail to one reader; a fault of the template is an `ActionError` that is not tried again."""
        name = briefing.message.effect.name
        language = self._find(briefing, recipient, folder="", suffix=".subject.txt")
        words = self.wording(briefing, recipient, language=language)
        subject = self._write(briefing, f"{language}/{name}.subject.txt", words).strip()
        if not subject or has_control(subject) or len(subject) > _MAX_SUBJECT:
            raise _fault(briefing, f"The subject of {language}/{name} must be one line of at most {_MAX_SUBJECT} characters.")
        text = self._write(briefing, f"{language}/{name}.txt", words)
        html = self._write(briefing, f"{language}/{name}.html", {**words, "subject": subject})
        return RenderedMail(subject=subject, text=_tidy(text), html=_tidy(html), language=language)

    def text_message(self, briefing: Briefing, recipient: Recipient, *, code: str, works_for: timedelta | None = None) -> str:
        """Write a text message, in one line; `works_for` (to the nearest minute) is its lifetime unless the definition says one."""
        language = self._find(briefing, recipient, folder="sms/", suffix=".txt")
        words = {**self.wording(briefing, recipient, language=language), "code": code}
        if works_for is not None and (minutes := round(works_for.total_seconds() / 60)):
            words["lifetime"] = words["lifetime"] or write_duration(minutes * 60, language=language)
        text = self._write(briefing, f"sms/{language}/{briefing.message.effect.name}.txt", words)
        return " ".join(text.split())

    def wording(self, briefing: Briefing, recipient: Recipient, *, language: str) -> dict[str, object]:
        """Gather the values of a template.

        ``reason``, ``question``, ``network`` and ``username`` are looked up in the params, then in the fields, under each
        name of `SOURCES`; a param ``reason_field: decision_note`` names another field.
        """
        effect = briefing.message.effect
        lifetime = lifetime_seconds(briefing.definition, effect)
        due_at = briefing.due_at
        return {
            "recipient": {"name": greeting_name(recipient.name), "language": recipient.language},
            "site": self._site,
            "values": dict(briefing.values),
            "params": defaultdict(str, effect.params),
            "link": self._checked_link(briefing),
            "lifetime": "" if lifetime is None else write_duration(lifetime, language=language),
            "due_at": "" if due_at is None else write_instant(due_at, language=language, zone=self._zone),
            "instance": str(briefing.instance.id),
            "process": briefing.definition.title,
            "language": language,
            **{word: _look_up(briefing, word) for word in SOURCES},
        }

    def _find(self, briefing: Briefing, recipient: Recipient, *, folder: str, suffix: str) -> str:
        name = briefing.message.effect.name
        if not _NAME.fullmatch(name):
            raise _fault(briefing, "A template's name is lower case letters, digits and underscores.")
        for language in _candidates(recipient.language):
            try:
                self._loader.get_source(self._environment, f"{folder}{language}/{name}{suffix}")
            except TemplateNotFound:
                continue
            return language
        raise _fault(briefing, f"There is no template {name!r} in {recipient.language!r} or in {FALLBACK!r}.")

    def _write(self, briefing: Briefing, path: str, words: Mapping[str, object]) -> str:
        try:
            return self._environment.get_template(path).render(words)
        except TemplateError as error:
            raise _fault(briefing, f"The template {path} is faulty ({type(error).__name__}: {error.message}).") from error

    def _checked_link(self, briefing: Briefing) -> str | None:
        link = briefing.link
        if link is not None and not (link.startswith(("https://", "http://")) and link.isprintable() and " " not in link):
            raise _fault(briefing, "The link is no full http(s) address; look at the configured base address of the site.")
        return link


def _candidates(language: str) -> list[str]:
    asked = language if _LANGUAGE.fullmatch(language) else FALLBACK
    return list(dict.fromkeys([asked.lower(), asked.lower().partition("-")[0], FALLBACK]))


def _look_up(briefing: Briefing, word: str) -> str:
    params = briefing.message.effect.params
    named = params.get(f"{word}_field")
    names = (str(named),) if named else SOURCES[word]
    for source in (params, briefing.values):
        for name in names:
            if found := source.get(name):
                return str(found)
    return ""


def _tidy(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"


def _fault(briefing: Briefing, message: str) -> ActionError:
    return fault(briefing, f"{message} Correct it, then retry the message.", will_retry=False)
