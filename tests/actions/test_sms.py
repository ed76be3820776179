"""Text messages: the code, and gateways told apart by their answers; the HTTP gateway talks to a real server."""

from __future__ import annotations

import io
import json
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.briefings import JANE, NOW, SetClock, briefing
from workflow.actions.faults import GatewayError
from workflow.actions.render import Renderer, Site
from workflow.actions.sms import Challenge, ConsoleGateway, FileGateway, HttpGateway, SmsPerformer
from workflow.checks.phone import OpenChallenge
from workflow.errors import ActionError, SettingsError
from workflow.ports import Briefing

SITE = Site(title="CPMS", home_url="https://a.example/", login_url="https://a.example/l", queue_url="https://a.example/q")
NUMBER, CODE = "+32470000000", "AB3-9KX-27P"
CHALLENGE = OpenChallenge(number=NUMBER, code=CODE, expires_at=NOW + timedelta(minutes=10))


class Memory:
    """A gateway that keeps, or refuses."""

    def __init__(self, refusal: GatewayError | None = None) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self._refusal = refusal

    def send(self, number: str, text: str, *, reference: str) -> None:
        if self._refusal:
            raise self._refusal
        self.sent.append((number, text, reference))


def performer(gateway: object, challenge: Challenge | None = CHALLENGE, clock: SetClock | None = None) -> SmsPerformer:
    def read(_: Briefing) -> Challenge | None:
        return challenge

    return SmsPerformer(gateway, Renderer(SITE), read_challenge=read, clock=clock or SetClock())  # type: ignore[arg-type]  # gateways of tests


class Provider(ThreadingHTTPServer):
    """A text message provider that answers as it is told and remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], dict[str, str]]] = []
        self.answer = 202
        self.released = threading.Event()
        provider = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the name is the library's
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                provider.requests.append((dict(self.headers), body))
                if provider.answer == 0:
                    provider.released.wait(10)
                    return
                self.send_response(provider.answer)
                self.send_header("Content-Length", "0")
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/messages"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def http() -> Iterator[Callable[..., HttpGateway]]:
    made: list[HttpGateway] = []

    def make(url: str, timeout_seconds: float = 5) -> HttpGateway:
        made.append(HttpGateway(url, token="t0ken", timeout_seconds=timeout_seconds))
        return made[-1]

    yield make
    for gateway in made:
        gateway.close()


def test_the_code_goes_to_the_number_in_the_readers_language() -> None:
    """Number and code come from the opened challenge; the reference is the message's id."""
    gateway = Memory()
    done = performer(gateway)(briefing("sms", "challenge", recipients=[JANE.__class__(actor=JANE.actor, language="de")]))
    assert done.performed_at == NOW
    assert gateway.sent == [
        (
            NUMBER,
            f"{CODE} ist der Code, um dieses Telefon für CPMS zu bestätigen. Er gilt 10 Minuten. Geben Sie ihn nicht weiter.",
            "msg-01HV9",
        )
    ]


def test_a_code_that_ran_out_is_not_sent() -> None:
    """At its end a code is dead: sending it would only confuse."""
    gateway = Memory()
    for clock in (SetClock(NOW + timedelta(minutes=10)), SetClock(NOW + timedelta(minutes=11))):
        with pytest.raises(ActionError, match="ran out") as caught:
            performer(gateway, clock=clock)(briefing("sms", "challenge"))
        assert not caught.value.will_retry
    performer(gateway, clock=SetClock(NOW + timedelta(minutes=10, seconds=-1)))(briefing("sms", "challenge"))
    assert len(gateway.sent) == 1


def test_without_a_challenge_nothing_is_sent() -> None:
    """A challenge that was used or replaced meanwhile makes the message moot."""
    with pytest.raises(ActionError, match="no code") as caught:
        performer(Memory(), None)(briefing("sms", "challenge"))
    assert not caught.value.will_retry


@pytest.mark.parametrize("will_retry", [True, False])
def test_a_gateways_refusal_keeps_whether_it_may_pass(will_retry: bool) -> None:
    """What the gateway says about another attempt is what the worker does."""
    with pytest.raises(ActionError, match="no credit") as caught:
        performer(Memory(GatewayError("no credit", will_retry=will_retry)))(briefing("sms", "challenge", attempts=3))
    assert (caught.value.will_retry, caught.value.attempts, caught.value.effect) == (will_retry, 3, "sms:challenge")


def test_secrets_have_no_repr() -> None:
    """Number and code do not show in a repr."""
    assert NUMBER not in repr(CHALLENGE)
    assert CODE not in repr(CHALLENGE)


def test_the_console_shows_the_message() -> None:
    """For development a message is one line on a stream."""
    stream = io.StringIO()
    performer(ConsoleGateway(stream))(briefing("sms", "sign_in_code"))
    assert stream.getvalue().startswith(f"text message to {NUMBER} (msg-01HV9): {CODE}")


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """One JSON line for each message, and nobody else may read them, also when the file was there before."""
    path = tmp_path / "sms.jsonl"
    path.touch(mode=0o644)
    gateway = FileGateway(path)
    for code in ("one", "two"):
        gateway.send(NUMBER, code, reference=code)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [json.loads(line)["text"] for line in path.read_text().splitlines()] == ["one", "two"]


def test_a_file_that_cannot_be_written_may_pass(tmp_path: Path) -> None:
    """A missing folder is the operator's to make."""
    with pytest.raises(GatewayError) as caught:
        FileGateway(tmp_path / "missing" / "sms.jsonl").send(NUMBER, CODE, reference="r")
    assert caught.value.will_retry
    assert CODE not in str(caught.value)


def test_http_posts_json_with_token_and_idempotency_key(provider: Provider, http: Callable[..., HttpGateway]) -> None:
    """Every attempt carries the message's id, so that the provider can tell a repetition."""
    performer(http(provider.url))(briefing("sms", "challenge"))
    headers, body = provider.requests[0]
    assert headers["Authorization"] == "Bearer t0ken"
    assert headers["Idempotency-Key"] == "msg-01HV9"
    assert body["to"] == NUMBER
    assert CODE in body["text"]


@pytest.mark.parametrize(
    ("answer", "will_retry", "says"),
    [
        (400, False, "for good"),
        (422, False, "for good"),
        (401, True, "token"),
        (403, True, "token"),
        (404, True, "address"),
        (307, True, "address"),
        (408, True, "put it off"),
        (429, True, "put it off"),
        (500, True, "put it off"),
        (503, True, "put it off"),
    ],
)
def test_http_answers_are_told_apart(
    provider: Provider, http: Callable[..., HttpGateway], answer: int, will_retry: bool, says: str
) -> None:
    """About the message: final. About the moment or our settings: again. Redirects are not followed with a token."""
    provider.answer = answer
    with pytest.raises(GatewayError, match=says) as caught:
        http(provider.url).send(NUMBER, CODE, reference="r")
    assert caught.value.will_retry is will_retry
    assert str(answer) in str(caught.value)
    assert len(provider.requests) == 1
    assert NUMBER not in str(caught.value)


def test_http_gives_up_on_a_silent_server(provider: Provider, http: Callable[..., HttpGateway]) -> None:
    """A provider that does not answer is asked again later."""
    provider.answer = 0
    with pytest.raises(GatewayError, match="in time") as caught:
        http(provider.url, timeout_seconds=0.2).send(NUMBER, CODE, reference="r")
    assert caught.value.will_retry


def test_http_without_a_server_may_pass(http: Callable[..., HttpGateway]) -> None:
    """Connection refused: again later."""
    with Provider() as gone:
        url = gone.url
    with pytest.raises(GatewayError, match="no connection") as caught:
        http(url).send(NUMBER, CODE, reference="r")
    assert caught.value.will_retry


@pytest.mark.parametrize("url", ["http://sms.example.org/send", "ftp://x.example", "sms.example.org"])
def test_a_gateway_in_the_clear_is_refused(url: str) -> None:
    """Codes travel by https, except to this machine."""
    with pytest.raises(SettingsError, match="https"):
        HttpGateway(url, token="t")
