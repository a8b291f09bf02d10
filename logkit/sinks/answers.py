"""What an HTTP server answers, and what is to be made of it: pure, but for reading the answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import polars as pl

from logkit.sinks.bodies import Body

if TYPE_CHECKING:
    import httpx

PASSING: Final = frozenset({408, 425, 429})
"""Statuses below 500 that may be another one the next time."""

_MAX_ANSWER: Final = 64 << 20


class Failed(Exception):
    """A request that may work if it is sent again, after `seconds` if the server said so."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds


def read(response: httpx.Response, deadline: float) -> bytes:
    """The whole answer, within the deadline: a server that sends a byte now and then has no endless patience."""
    import httpx

    pieces, size = [], 0
    for piece in response.iter_bytes():
        pieces.append(piece)
        size += len(piece)
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the answer did not end in time")
        if size > _MAX_ANSWER:
            raise httpx.ReadError("the answer did not end")
    return b"".join(pieces)


def retry_after(value: str | None, date: str | None) -> float | None:
    """Seconds, from a header that has them or an instant (by the server's own clock, if it tells)."""
    if value is None:
        return None
    try:
        return max(0.0, float(int(value)))
    except ValueError:
        pass
    try:
        now = parsedate_to_datetime(date).timestamp() if date else time.time()
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError):
        return None


def bulk_answer(
    answer: bytes, sent: Body, shown: Callable[[bytes | str], str]
) -> tuple[pl.Series | None, list[tuple[int, str, pl.Series]]]:
    """Of a bulk request, the items to send again (None: none) and those that were refused. Raises `Failed`."""
    assert sent.items is not None
    try:
        told = json.loads(answer)
        statuses = [next(iter(item.values())) for item in told["items"]] if told["errors"] else []
        codes = [int(one["status"]) for one in statuses]
    except (ValueError, TypeError, KeyError, AttributeError, StopIteration) as error:
        raise Failed(f"an answer that is none of _bulk's: {shown(answer)}") from error
    if statuses and len(statuses) != len(sent.items):
        raise Failed(f"expected an answer for each of {len(sent.items):,} rows, found {len(statuses):,}")
    # 409: a row of that id is there, so it has arrived before
    again = [at for at, code in enumerate(codes) if code in PASSING or code >= 500]
    refused = [at for at, code in enumerate(codes) if 300 <= code < 500 and code not in PASSING and code != 409]
    return (
        sent.items.gather(again) if again else None,
        [(codes[at], shown(json.dumps(statuses[at].get("error"))), sent.items.gather([at])) for at in refused],
    )


def items_of(body: str) -> list[str]:
    """The items of a bulk body: two lines each."""
    lines = body.split("\n")
    return ["\n".join(pair) for pair in zip(lines[::2], lines[1::2], strict=False)]
