"""What docs/http-api.md shows is what happens."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.web import serving
from workflow.web.api.problems import KINDS

PAGE = Path(__file__).parents[3] / "docs" / "http-api.md"
ANYTHING = "…"


def examples() -> list[tuple[str, str]]:
    """Every command of the page with what it prints, in order."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return [(command, "\n".join(printed)) for command, printed in found]


def curl(command: str, variables: dict[str, str]) -> httpx2.Response:
    """Do what curl does with the options that the page uses; a command with another one is an error."""
    words = shlex.split(re.sub(r"\$([A-Z]+)", lambda match: variables[match[1]], command))
    options = argparse.ArgumentParser()
    options.add_argument("url")
    options.add_argument("-s", action="store_true")
    options.add_argument("-i", action="store_true")
    options.add_argument("-X")
    options.add_argument("-H", action="append", default=[])
    options.add_argument("-d")
    assert words[0] == "curl"
    given = options.parse_args(words[1:])
    method = given.X or ("GET" if given.d is None else "POST")
    headers = dict(header.split(": ", 1) for header in given.H)
    return httpx2.request(method, given.url, headers=headers, content=given.d, timeout=30)


def fits(expected: Any, found: Any) -> bool:
    """Tell whether everything that is shown is there; `…` stands for anything, and keys may be left out."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(name in found and fits(value, found[name]) for name, value in expected.items())
    if isinstance(expected, list):
        return isinstance(found, list) and len(expected) == len(found) and all(map(fits, expected, found))
    if isinstance(expected, str) and ANYTHING in expected:
        return re.fullmatch(".+".join(map(re.escape, expected.split(ANYTHING))), str(found)) is not None
    return bool(expected == found)


def test_every_command_prints_what_the_page_shows(badges):
    """Run one after the other, on one store: codes, headers and bodies."""
    commands = examples()
    assert len(commands) >= 9
    variables = {"JANE": "p-jane", "RICK": "rick", "JOHN": "p-john"}
    with serving(badges.app) as url:
        for command, printed in commands:
            answer = curl(command, {**variables, "API": url})
            lines = printed.splitlines()
            assert (" -i " in command) == lines[0].startswith("HTTP/1.1 ")
            if " -i " in command:
                assert f"HTTP/1.1 {answer.status_code} {HTTPStatus(answer.status_code).phrase}" == lines.pop(0)
            for header in lines[:-1]:
                name, _, value = header.partition(": ")
                assert fits(value, answer.headers.get(name)), (command, header, answer.headers)
            assert fits(json.loads(lines[-1]), answer.json()), (command, answer.text)
            variables.setdefault("ID", answer.json().get("id", ""))


def test_a_page_that_shows_something_else_is_noticed():
    """The comparison above does not look away."""
    assert not fits({"a": 1}, {"a": 2})
    assert not fits({"a": "…"}, {"b": "x"})
    assert not fits([{"a": 1}], [])
    assert not fits("/instances/…", "/other/x")
    assert fits({"a": ["/x/…"]}, {"a": ["/x/1"], "b": 2})
    with pytest.raises(SystemExit):
        curl("curl --insecure http://127.0.0.1", {})


def test_every_kind_of_problem_is_explained():
    """The table has each kind with its code, and no other."""
    table = PAGE.read_text(encoding="utf-8").partition("## Which code for what")[2].partition("##")[0]
    rows = re.findall(r"^\| ([0-9, ]+) \| ([^|]+) \|", table, re.MULTILINE)
    said = {
        (kind, int(code)) for codes, kinds in rows for kind, code in zip(re.findall(r"`([a-z-]+)`", kinds), _all(codes, kinds), strict=True)
    }
    assert {(name, kind.code) for name, kind in KINDS.items()} == said


def _all(codes: str, kinds: str) -> list[str]:
    return codes.split(", ") if ", " in codes else [codes] * kinds.count(",") + [codes]
