"""HTTP as a sink: requests with keys, sent by a few threads, tried again with patience, set aside where it is hopeless.

Its threads are called `logkit-sink-NAME-1`, `-2` …, begin and end within one `write`, and a `Semaphore` limits how many
requests are under way at once: one more thread than that, so that a body is made while the others wait for answers.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, get_args
from urllib.parse import urlsplit

import polars as pl

from logkit.errors import SettingError, SinkError
from logkit.sinks import bodies
from logkit.sinks.answers import PASSING, Failed, bulk_answer, items_of, read, retry_after
from logkit.sinks.bodies import Body
from logkit.sinks.journal import Journal
from logkit.sinks.letters import Letter, Letters
from logkit.sinks.protocol import Parcel, Path, Sink
from logkit.sinks.secrets import checked_headers, credentials, hidden, public_url, url_secrets

if TYPE_CHECKING:
    import httpx

HttpFormat = Literal["ndjson", "otlp", "loki", "elasticsearch"]

_MAX_REASON: Final = 300
_LONGEST_PAUSE: Final = 300.0


class _Stopped(Exception):
    """The engine stops."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """What the server will never take: its status, its words, and the part of the body that it is about."""

    status: int
    reason: str
    body: Body
    events: int


class Http(Sink):
    """Posts rows to an HTTP API. Needs `pip install logkit[http]`.

    url: where to; format: `ndjson` (one JSON object per line), `otlp` (OpenTelemetry's JSON, usually …/v1/logs), `loki`
    (…/loki/api/v1/push) or `elasticsearch` (…/_bulk, into `index`). headers: such as Authorization; neither they nor
    user, password and query of the URL are ever shown, logged or written down. gzip: bodies are compressed.
    concurrency: requests under way at once. timeout_seconds: for one request, from its start to the end of the answer.

    At least once: `Idempotency-Key` is made of source, generation and byte range, and the same for the same rows, also
    after a restart, as the journal knows how they were cut. Bulk rows have an id each, so that Elasticsearch has them
    once. Connections that fail, time-outs, broken answers, 408, 425, 429 and 5xx are tried again with growing, jittered
    pauses, or when `Retry-After` says, `attempts` times in a row before the failure shows in `snap.sinks`; then on and
    on. What gets another status above 299 is set aside in `dead_letters` (`redeliver` sends it again), also single rows
    of a bulk request. What OTLP answers as a partial success is not sent again, as it says not to.

    journal: a file, by default beside the store; dead_letters: by default beside the journal. limits: `Sink.limits`.
    """

    name = "http"
    needs_journal = True
    parcel_events = 10_000
    parcel_bytes = 2 << 20
    parcel_seconds = 0.5

    def __init__(
        self,
        url: str,
        format: HttpFormat = "ndjson",
        *,
        headers: Mapping[str, str] | None = None,
        index: str = "logs",
        gzip: bool = True,
        concurrency: int = 4,
        attempts: int = 5,
        retry_seconds: float = 0.2,
        timeout_seconds: float = 10.0,
        journal: Path | None = None,
        dead_letters: Path | None = None,
        name: str | None = None,
        **limits: Any,
    ) -> None:
        _check(url, format, concurrency=concurrency, attempts=attempts, timeout_seconds=timeout_seconds)
        self._url, self._format = url, format
        self._headers = checked_headers(headers or {})
        self._index, self._gzip = index, gzip
        self._concurrency, self._attempts = concurrency, attempts
        self._retry_seconds, self._timeout_seconds = retry_seconds, timeout_seconds
        self._secrets = [*url_secrets(url), *self._headers.values(), *credentials(self._headers)]
        self.limits(name=name, **limits)
        self.journal = None if journal is None else Journal(journal, self.name)
        self._letters = None if dead_letters is None else Letters(dead_letters)
        # how many requests are under way; each of the sink's threads takes one for the time from request to answer
        self._slots = threading.Semaphore(concurrency)
        self._transport: httpx.HTTPTransport | None = None
        self._arrived: set[str] = set()  # keys since the last commit; adding and looking are atomic
        self._left: dict[str, pl.Series] = {}  # of a bulk request that was taken in part, by its key

    @property
    def dead_letters(self) -> int:
        return self._letters.count if self._letters else 0

    def begin(self) -> dict[str, str]:
        self.close()
        self._connect()
        return dict(super().begin())

    def settle(self, store: str | None) -> None:
        super().settle(store)
        if self._letters is None and self.journal is not None:
            self._letters = Letters(f"{self.journal.path}.dead-letters")

    def outputs(self) -> Sequence[str]:
        path = self._letters.path if self._letters else None
        return (*super().outputs(), *((path, f"{path}.redelivering") if path else ()))

    def write(self, parcels: Sequence[Parcel]) -> None:
        """Send all of them; returns when each has arrived or is set aside."""
        waiting = deque(parcel for parcel in parcels if parcel.key not in self._arrived)
        failures: list[BaseException] = []  # appending is atomic

        def send() -> None:
            while not failures:
                try:
                    parcel = waiting.popleft()
                except IndexError:
                    return
                try:
                    self._deliver(parcel)
                except BaseException as error:
                    failures.append(error)

        count = min(len(waiting), self._concurrency + 1)
        threads = [
            threading.Thread(target=send, name=f"logkit-sink-{self.name}-{at + 1}", daemon=True) for at in range(count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()  # each ends in time: every request has a deadline, and so have its tries
        if failures:
            raise self._failure(failures[0])

    def commit(self, memory: Mapping[str, str]) -> None:
        super().commit(memory)
        self._arrived.clear()

    def close(self) -> None:
        super().close()
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def send_letter(self, letter: Letter) -> Letter | None:
        """Send a dead letter again; the letter with the new reason where it is refused again. Raises SinkError."""
        if self._transport is None:
            self._connect()
        data = letter.body.encode()
        items = pl.Series(items_of(letter.body), dtype=pl.String) if letter.format == "elasticsearch" else None
        try:
            refused = self._send(letter.key, Body(letter.content_type, data, items), letter.events, letter.format)
        except BaseException as error:
            raise self._failure(error) from None
        if refused is None:
            return None
        text = refused.body.data.decode()
        return replace(letter, status=refused.status, reason=refused.reason, body=text, events=refused.events)

    def __repr__(self) -> str:
        return f"<Http sink {self.name!r}: {self._format} to {public_url(self._url)}>"

    # -- one parcel

    def _deliver(self, parcel: Parcel) -> None:
        body = self._body(parcel)
        refused = self._send(parcel.key, body, parcel.frame.height, self._format)
        if refused is not None:
            self._set_aside(parcel.key, refused)
        self._left.pop(parcel.key, None)
        self._arrived.add(parcel.key)

    def _body(self, parcel: Parcel) -> Body:
        if self._format == "elasticsearch":
            left = self._left.get(parcel.key)
            return bodies.elasticsearch(parcel, self._index) if left is None else bodies.bulk(left)
        return {"ndjson": bodies.ndjson, "otlp": bodies.otlp, "loki": bodies.loki}[self._format](parcel)

    def _set_aside(self, key: str, refused: _Refused) -> None:
        if self._letters is None:
            message = f"expected dead_letters= to put what {self.name!r} is refused, found none; try it, or journal="
            raise SinkError(message, sink=self.name, temporary=False)
        url, text = public_url(self._url), refused.body.data.decode()
        letter = Letter(
            key, url, self._format, refused.body.content_type, refused.status, refused.reason, refused.events, text
        )
        self._letters.append([letter])

    # -- one request, as often as it takes

    def _send(self, key: str, body: Body, events: int, format: str) -> _Refused | None:
        """Send until it has arrived, or is refused for good. Raises `Failed` after so many attempts."""
        import tenacity

        refusals: list[tuple[int, str, pl.Series]] = []
        left = body

        def attempt() -> _Refused | None:
            nonlocal left
            status, answer = self._post(key, left)
            if 200 <= status < 300:
                if format == "elasticsearch":
                    again, refused = bulk_answer(answer, left, self._shown)
                    refusals.extend(refused)
                    if again is not None:
                        self._left[key] = again
                        left = bodies.bulk(again)
                        raise Failed(f"{len(again):,} rows of a bulk request could not be taken now")
                return None
            return _Refused(status, self._shown(answer), left, events)

        for trying in tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Failed),
            wait=self._pause,
            stop=tenacity.stop_after_attempt(self._attempts),
            sleep=self._sleep,
            reraise=True,
        ):
            with trying:
                refused = attempt()
        if refused is None and refusals:
            items = pl.concat([item for _, _, item in refusals])
            return _Refused(refusals[0][0], refusals[0][1], bodies.bulk(items), len(items))
        return refused

    def _post(self, key: str, body: Body) -> tuple[int, bytes]:
        """One request and its whole answer. Raises `Failed` for what may pass."""
        import httpx

        data, headers = body.data, {"Content-Type": body.content_type, "Idempotency-Key": key}
        if self._gzip:
            data = zlib.compress(data, 1, 31)
            headers["Content-Encoding"] = "gzip"
        transport = self._transport
        if transport is None:
            raise _Stopped
        timeout = httpx.Timeout(self._timeout_seconds).as_dict()
        user = urlsplit(self._url)
        if user.username and not any(name.lower() == "authorization" for name in self._headers):
            headers["Authorization"] = _basic(user.username, user.password or "")
        request = httpx.Request(
            "POST", self._url, content=data, headers=headers | self._headers, extensions={"timeout": timeout}
        )
        deadline = time.monotonic() + self._timeout_seconds
        with self._slots:
            try:
                # straight to the transport: a client would log the whole URL, and follow a server elsewhere
                response = transport.handle_request(request)
                try:
                    answer = read(response, deadline)
                finally:
                    response.close()
            except (httpx.TransportError, httpx.DecodingError, OSError) as error:
                raise Failed(self._shown(f"{type(error).__name__}: {error}")) from None
        status = response.status_code
        if status in PASSING or status >= 500:
            seconds = retry_after(response.headers.get("Retry-After"), response.headers.get("Date"))
            raise Failed(f"{status} {self._shown(answer)}".strip(), seconds)
        return status, answer

    def _pause(self, state: Any) -> float:
        """What the server asked for, else a random part of a time that doubles."""
        import tenacity

        error = state.outcome.exception()
        if isinstance(error, Failed) and error.seconds is not None:
            return min(error.seconds, _LONGEST_PAUSE)
        longest = float(tenacity.wait_random_exponential(multiplier=self._retry_seconds, max=10.0)(state))
        return max(longest, self._retry_seconds / 10)

    def _sleep(self, seconds: float) -> None:
        if self.pause(seconds):
            raise _Stopped

    def _failure(self, error: BaseException) -> BaseException:
        where = f"{self.name!r} at {public_url(self._url)}"
        if isinstance(error, _Stopped):
            return SinkError(f"expected {where} to be sent everything, found no more time", sink=self.name)
        if isinstance(error, Failed):
            message = f"expected {where} to take what it is sent, found: {error}; it is tried again"
            return SinkError(message, sink=self.name)
        return error

    def _shown(self, answer: bytes | str) -> str:
        """What a server says, short and without what it may have repeated of our secrets."""
        text = answer if isinstance(answer, str) else answer[: 8 * _MAX_REASON].decode("utf-8", "replace")
        return " ".join(hidden(text, self._secrets).split())[:_MAX_REASON]

    def _connect(self) -> None:
        try:
            import httpx
            import tenacity  # noqa: F401
        except ImportError as error:
            message = 'expected httpx and tenacity to be installed, found they are not; try pip install "logkit[http]"'
            raise SinkError(message, sink=self.name, temporary=False) from error
        self._transport = httpx.HTTPTransport()


def _check(url: object, format: object, **numbers: object) -> None:
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        shown = public_url(url) if isinstance(url, str) else type(url).__name__
        message = f"expected url= to begin with http:// or https:// and name a host, found {shown!r}"
        raise SettingError(message, setting="url", value=shown)
    if format not in get_args(HttpFormat):
        message = f"expected format= to be one of {', '.join(get_args(HttpFormat))}, found {format!r}"
        raise SettingError(message, setting="format", value=format)
    for setting, value in numbers.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
            message = f"expected {setting}= to be a number above 0, found {value!r}"
            raise SettingError(message, setting=setting, value=value)


def _basic(user: str, password: str) -> str:
    from base64 import b64encode
    from urllib.parse import unquote

    return f"Basic {b64encode(f'{unquote(user)}:{unquote(password)}'.encode()).decode()}"
