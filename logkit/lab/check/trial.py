"""What all checks have in common: a verdict, and a trial of an answer that may hang, raise or leave threads behind."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SECONDS = 2.0
"""What takes longer than this hangs."""


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """Whether an answer is right, and why, or why not."""

    right: bool
    why: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return f"{'✓ right' if self.right else '✗ not yet'}: {self.why}"


def no(why: str) -> Verdict:
    """Not yet, and why."""
    return Verdict(False, why)


class Trial:
    """One call of an answer, on a thread of its own, with a deadline."""

    def __init__(self, call: Callable[[], Any], seconds: float | None = None) -> None:
        self.before = set(threading.enumerate())
        self.result: Any = None
        self.error: BaseException | None = None
        self._call = call
        self.thread = threading.Thread(target=self._run, name="lab-answer", daemon=True)
        self.thread.start()
        self.thread.join(SECONDS if seconds is None else seconds)
        self.hangs = self.thread.is_alive()

    def _run(self) -> None:
        try:
            self.result = self._call()
        except BaseException as error:
            self.error = error

    def left(self, seconds: float = 0.2) -> list[str]:
        """Threads the answer has started and not waited for."""
        deadline = time.monotonic() + seconds
        others = set(threading.enumerate()) - self.before - {self.thread}
        for one in others:
            one.join(max(0.0, deadline - time.monotonic()))
        return [one.name for one in others if one.is_alive()]

    def release(self, waiting: queue.Queue[Any], seconds: float = 1.0) -> None:
        """Let go who still waits for an item of this queue, or for room in it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and (self.thread.is_alive() or self.left(0)):
            try:
                waiting.get_nowait()
            except queue.Empty:
                waiting.put_nowait(None)
            time.sleep(0.001)

    def failed(self) -> Verdict | None:
        """What can be said of any answer that raised."""
        if self.error is None:
            return None
        return no(f"it raised {type(self.error).__name__}: {self.error}")
