"""Mail servers for tests: a well-behaved one with STARTTLS and AUTH, and ones that misbehave on real sockets."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from workflow.testing.mailbox import Mailbox

USER, PASSWORD = "onboarding", "a mail server's password"


@dataclass(frozen=True)
class Certificate:
    """A self-made certificate and its key, as PEM files."""

    certificate: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        """Give what a server needs."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.certificate, self.key)
        return made


def make_certificate(folder: Path, *, name: str) -> Certificate:
    """Make a certificate that is valid for one host name (and, for localhost, its addresses)."""
    key = ec.generate_private_key(ec.SECP256R1())
    title = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(title)
        .issuer_name(title)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(certificate=folder / f"{name}.pem", key=folder / f"{name}.key")
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return made


def authenticate(_server: object, _session: object, _envelope: object, _mechanism: str, data: LoginPassword) -> AuthResult:
    """Let in who knows the password."""
    is_known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_known, handled=False)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for localhost and 127.0.0.1."""
    return make_certificate(tmp_path_factory.mktemp("tls"), name="localhost")


@pytest.fixture(scope="session")
def wrong_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for a host that is not this one."""
    return make_certificate(tmp_path_factory.mktemp("tls"), name="mail.elsewhere.example")


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A plain mail server on loopback."""
    with Mailbox() as box:
        yield box


@pytest.fixture
def secure_mailbox(certificate: Certificate) -> Iterator[Mailbox]:
    """A mail server that wants STARTTLS and AUTH."""
    tls = certificate.server()
    with Mailbox(tls_context=tls, require_starttls=True, auth_required=True, authenticator=authenticate) as box:
        yield box


class HostileServer:
    """A mail server of bad manners, one thread for each connection.

    `replies` maps a verb (``MAIL``, ``RCPT``, ``DATA``; ``GREETING`` and ``BODY`` for what is no verb) to a reply, or to
    ``drop`` (hang up without a word) or ``hang`` (say nothing more). A list is used up one by one, its last for ever.
    """

    def __init__(self, replies: Mapping[str, str | list[str]]) -> None:
        self.bodies: list[bytes] = []
        self.connections = 0
        self._replies = {verb: list(reply) if isinstance(reply, list) else [reply] for verb, reply in replies.items()}
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def stop(self) -> None:
        """Hang up on everybody."""
        self._stopped.set()
        # Closing alone does not wake a thread in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=5)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._talk, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            try:
                if self._say(connection, "GREETING", "220 hostile ESMTP"):
                    self._listen(connection, lines)
            except OSError:
                return

    def _listen(self, connection: socket.socket, lines: object) -> None:
        for line in lines:  # type: ignore[attr-defined]  # a buffered reader
            verb = line.split()[0].decode().upper()
            default = {"EHLO": "250-hostile\r\n250 SIZE 1000000", "DATA": "354 go on", "QUIT": "221 bye"}.get(verb, "250 2.0.0 OK")
            said = self._say(connection, verb, default)
            if not said:
                return
            if said.startswith("354"):
                body = b"".join(iter(lambda: next(lines), b".\r\n"))  # type: ignore[call-overload]  # as above
                self.bodies.append(body)
                if not self._say(connection, "BODY", "250 2.0.0 OK"):
                    return

    def _say(self, connection: socket.socket, verb: str, default: str) -> str:
        replies = self._replies.get(verb, [default])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if reply == "drop":
            return ""
        if reply == "hang":
            self._stopped.wait(30)
            return ""
        connection.sendall(reply.encode() + b"\r\n")
        return reply


@pytest.fixture
def hostile() -> Iterator[type[HostileServer]]:
    """Makes hostile servers and stops them afterwards."""
    made: list[HostileServer] = []

    def make(**replies: str | list[str]) -> HostileServer:
        made.append(HostileServer(replies))
        return made[-1]

    yield make  # type: ignore[misc]  # called like the class
    for server in made:
        server.stop()
