"""A question that a thread of its own asks, while its owner does something else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Final, TypeVar

T = TypeVar("T")

_END_SECONDS: Final = 5.0


@contextmanager
def aside(ask: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """What gives the answer of `ask`, or raises what it raised, and waits for it if need be.

    The thread ends with its question; who leaves the `with` before, for an error of his own, waits 5 s for it at most.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # also what Polars raises when it panics: the owner raises it
            answer.set_exception(error)

    thread = threading.Thread(target=run, name="logkit-report", daemon=True)
    thread.start()
    try:
        yield answer.result
    finally:
        thread.join(_END_SECONDS)
