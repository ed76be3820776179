"""Documents that are what they say: digests are computed again before anything is published under them.

Promises: nothing enters the store, or the history, under a digest that its bytes do not have; a definition's text means what its
content says, so that whoever is given the text can rely on the digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import orjson

from workflow.errors import DefinitionError, Finding
from workflow.ports import Document
from workflow.states.definition import Digest
from workflow.states.node import node_of
from workflow.states.semantics import semantic_digest

MeaningOf = Callable[[Document], Digest]
"""Gives the semantic digest of a definition's text."""


def digest_of_content(document: Document) -> str:
    """Give the digest that a document's content has (a definition's is that of its meaning)."""
    if document.kind != "definition":
        return hashlib.sha256(document.content).hexdigest()
    try:
        return str(semantic_digest(node_of(orjson.loads(document.content))))
    except ValueError:
        return "unreadable"


def digest_of_text(document: Document) -> str:
    """Give the digest that a document's text has."""
    return hashlib.sha256(document.text).hexdigest()


def refuse_others(documents: Sequence[Document], meaning_of: MeaningOf | None) -> None:
    """Refuse documents whose digests are not those of their bytes.

    Args:
        documents: what is to be published.
        meaning_of: reads a definition's text; texts are not compared with contents when None.

    Raises:
        DefinitionError: with every difference.
    """
    findings = [finding for document in documents for finding in _differences(document, meaning_of)]
    if findings:
        raise DefinitionError(findings)


def _differences(document: Document, meaning_of: MeaningOf | None) -> Iterator[Finding]:
    text, content = digest_of_text(document), digest_of_content(document)
    if text != document.text_digest:
        yield _finding(document, "wrong-text-digest", f"The text has the digest {text}, not {document.text_digest}.")
    if content != document.digest:
        yield _finding(document, "wrong-digest", f"The content has the digest {content}, not {document.digest}.")
    elif meaning_of is not None and document.kind == "definition" and document.text != document.content:
        meant = meaning_of(document)
        if meant != document.digest:
            yield _finding(document, "other-text", f"The text means {meant}, the content beside it {document.digest}.")


def _finding(document: Document, code: str, message: str) -> Finding:
    return Finding(file=f"{document.kind} {document.name}", line=1, column=1, code=code, message=f"{message} Nothing was published.")
