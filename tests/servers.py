"""Real servers for tests: a PostgreSQL cluster of their own, and an HTTP server that misbehaves on purpose."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

DEADLINE = 20.0
PASSWORD = "correct horse battery"


def postgres_programs() -> Path | None:
    """The folder of `initdb` and `postgres`, the newest there is; None where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    there = shutil.which("initdb")
    return Path(there).parent if there else None


class Cluster:
    """A PostgreSQL of its own, on a free port of the loopback, in a folder that goes with it. It can be killed."""

    def __init__(self, programs: Path, **options: object) -> None:
        self._programs = programs
        # PostgreSQL refuses to run as root
        self._user = _unprivileged() if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="lk-pg-", dir="/tmp"))
        self._own(self._folder)
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        password = self._folder / "password"
        password.write_text(PASSWORD)
        self._own(password)
        self._run(
            "initdb", "-D", str(self._folder / "data"), "-U", "logkit", "-A", "scram-sha-256",
            "--pwfile", str(password), "-E", "UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip
        lines = [f"{name} = '{value}'" for name, value in ({"fsync": "off"} | options).items()]
        with (self._folder / "data" / "postgresql.conf").open("a") as out:
            out.write("\n".join(["", *lines, ""]))
        self.start()

    @property
    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=logkit password='{PASSWORD}' dbname=postgres"

    def start(self) -> None:
        """Start it, and wait until it answers: what a kill left behind may take a moment to go."""
        deadline = time.monotonic() + DEADLINE
        while not self._started():
            if time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL did not start: {(self._folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def _started(self) -> bool:
        command = [
            str(self._programs / "postgres"), "-D", str(self._folder / "data"), "-p", str(self.port), "-h", "127.0.0.1",
            "-k", str(self._folder),
        ]  # fmt: skip
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, user=self._user, start_new_session=True, cwd=self._folder
            )
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while self._process.poll() is None:
            if subprocess.run(ready, check=False).returncode == 0:
                return True
            time.sleep(0.02)
        return False

    def kill(self) -> None:
        """Kill all of it with signal 9, as a crash of the machine would, but for what the disk holds."""
        process = self._process
        if process is None:
            return
        process.kill()  # the others end when they find it gone, in the middle of whatever they do
        process.wait(DEADLINE)
        self._process = None

    def stop(self) -> None:
        """End it at once, and remove its folder."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(DEADLINE)
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query, in a connection of its own that commits."""
        import psycopg

        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(query, values)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, user=self._user, cwd="/tmp", check=False)
        assert done.returncode == 0, done.stderr

    def _own(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user, -1)
        path.chmod(0o700 if path.is_dir() else 0o600)


def _unprivileged() -> int:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    raise AssertionError("nobody to run PostgreSQL as")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Request:
    """One request as it came: its path, headers in lower case, and its body, inflated."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.body.splitlines()]


Answer = Callable[["Handler", Request], None]


@dataclass
class Server:
    """An HTTP server on the loopback. `behave` decides what becomes of each request; `taken` are those it accepted."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    taken: list[Request] = field(default_factory=list)
    behave: Answer = field(default=lambda handler, request: handler.take(request))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def bodies(self) -> dict[str, bytes]:
        """What was taken, once per key; equal keys must have equal bodies."""
        found: dict[str, bytes] = {}
        for request in self.taken:
            assert found.setdefault(request.key, request.body) == request.body, request.key
        return found


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the server's `behave`, which answers by one of the methods below, or does not."""

    protocol_version = "HTTP/1.1"
    ours: Server

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            data = gzip.decompress(data)
        request = Request(self.path, {name.lower(): value for name, value in self.headers.items()}, data)
        with self.ours.lock:
            self.ours.requests.append(request)
        self.ours.behave(self, request)

    def accept(self, request: Request) -> None:
        """Note that it has arrived, whatever the answer."""
        with self.ours.lock:
            self.ours.taken.append(request)

    def take(self, request: Request, body: bytes = b"{}") -> None:
        """Accept it, and say so."""
        self.accept(request)
        self.answer(200, body)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reset(self) -> None:
        """Break the connection as hard as can be."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close_connection = True
        self.connection.close()

    def half(self, length: int = 100) -> None:
        """Half an answer: fewer bytes than it says, then nothing more."""
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(b'{"hal')
        self.wfile.flush()
        self.close_connection = True

    def longer(self) -> None:
        """More bytes than it says."""
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}and some more")
        self.wfile.flush()

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            super().handle_one_request()
            return
        self.close_connection = True

    def finish(self) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(behave: Answer | None = None, port: int = 0) -> Iterator[Server]:
    """A server for the length of a block."""
    ours = Server()
    if behave is not None:
        ours.behave = behave

    class Ours(Handler):
        pass

    Ours.ours = ours
    server = _Quiet(("127.0.0.1", port), Ours)
    ours.url = f"http://127.0.0.1:{server.server_address[1]}/in"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="server", daemon=True)
    thread.start()
    try:
        yield ours
    finally:
        server.shutdown()
        server.server_close()
        thread.join(DEADLINE)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that broke is what was asked for."""


class Misbehaving:
    """Answers by a seeded plan: some well, others slowly, with 429, 500, a reset, half an answer, or a wrong length.

    Half of those that answer badly have taken the rows nevertheless: that is what idempotency keys are for.
    """

    def __init__(self, seed: int, slow_seconds: float = 0.05) -> None:
        import random

        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._slow_seconds = slow_seconds
        self.counts: dict[str, int] = {}

    def __call__(self, handler: Handler, request: Request) -> None:
        with self._lock:
            kinds = ("well", "well", "well", "slow", "429", "500", "reset", "half", "longer")
            kind, taken = self._random.choice(kinds), self._random.random() < 0.5
            self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind == "slow":
            time.sleep(self._slow_seconds)
        if kind in ("well", "slow"):
            handler.take(request)
            return
        if taken or kind == "longer":
            handler.accept(request)
        match kind:
            case "429":
                handler.answer(429, b"not now", Retry_After="0")
            case "500":
                handler.answer(500, b"oh no")
            case "reset":
                handler.reset()
            case "half":
                handler.half()
            case "longer":
                handler.longer()
