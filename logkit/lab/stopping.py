"""Four ways to stop a worker, and what each loses: `shutdown()`."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logkit.errors import LabError, SettingError
from logkit.lab import asked
from logkit.lab.stage import see_off

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Stopped:
    """What one way of stopping came to. Items are done, half done, or left in the queue."""

    way: str
    done: int
    half_done: int
    left: int
    cleaned_up: bool
    """Whether the worker's `finally` ran."""
    seconds: float
    """From the wish to stop to the end of the worker (of the process, for a daemon)."""


@dataclass(frozen=True, slots=True, repr=False)
class Shutdown:
    """The four ways side by side: `flag`, `event`, `sentinel`, `daemon`."""

    items: int
    stop_at: int
    """The item that was being worked on when the stop was asked for, from 1."""
    ways: tuple[Stopped, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row per way (index): done, half_done, left (int64), cleaned_up (bool), seconds."""
        import pandas as pd

        columns = ("way", "done", "half_done", "left", "cleaned_up", "seconds")
        return pd.DataFrame([[getattr(way, name) for name in columns] for way in self.ways], columns=columns).set_index(
            "way"
        )

    def __repr__(self) -> str:
        lines = [f"{self.items} items, stopped in the middle of item {self.stop_at}"]
        for way in self.ways:
            half = f", {way.half_done} half done" if way.half_done else ""
            clean = "" if way.cleaned_up else ", finally did NOT run"
            lines.append(f"{way.way:8} {way.done} done{half}, {way.left} left, ended after {way.seconds:.2f} s{clean}")
        return "\n  ".join(lines)

    def plot(self, ax: Axes | None = None) -> Axes:
        """A bar per way: items done, half done, and lost."""
        from logkit.lab.charts import draw_shutdown

        return draw_shutdown(self, ax)


def shutdown(items: int = 10, *, stop_at: int = 4, pause_seconds: float = 0.2, item_seconds: float = 0.01) -> Shutdown:
    """Stop a worker in the middle of an item, in four ways, and count what is lost.

    - flag: the worker looks at a variable after each pause of `pause_seconds`, slept;
    - event: the same, but the pause is `stop.wait(pause_seconds)`, and ends at once;
    - sentinel: a last item that says there are no more, behind all that wait: none is lost, and it takes its time;
    - daemon: the process just ends, in another interpreter: the item in hand is torn, and `finally` never runs.

    items: how many there are. stop_at: in which one, from 1, the stop is asked for; always there, whatever the machine:
    the counts are the same in every run. item_seconds: what one takes.
    """
    items, stop_at = asked.whole("items", items, 1, 10_000, 10), asked.whole("stop_at", stop_at, 1, None, 4)
    pause_seconds = asked.seconds("pause_seconds", pause_seconds, 0.2)
    item_seconds = asked.seconds("item_seconds", item_seconds, 0.01)
    if stop_at > items:
        raise SettingError(
            f"expected stop_at= from 1 to items={items}, found {stop_at!r}; try stop_at=1",
            setting="stop_at",
            value=stop_at,
        )
    runs = [_Run(way, items, stop_at, pause_seconds, item_seconds).come_to() for way in ("flag", "event", "sentinel")]
    return Shutdown(items, stop_at, (*runs, _daemon(items, stop_at, item_seconds)))


class _Run:
    """A worker on a queue of items, and one of the three orderly ways to stop it."""

    def __init__(self, way: str, items: int, stop_at: int, pause_seconds: float, item_seconds: float) -> None:
        self.way = way
        self.items = items
        self.stop_at = stop_at
        self.pause_seconds = pause_seconds
        self.item_seconds = item_seconds
        self.queue: queue.Queue[int | None] = queue.Queue(maxsize=items + 2)
        for number in range(1, items + 1):
            self.queue.put(number)
        self.flag = False
        self.stop = threading.Event()
        self.in_the_middle = threading.Event()
        self.go_on = threading.Event()
        self.abandoned = threading.Event()
        self.done = 0
        self.cleaned_up = False

    def come_to(self) -> Stopped:
        """Start the worker, stop it in the middle of an item, and see what is left."""
        wishes: dict[str, Callable[[], object]] = {
            "flag": lambda: setattr(self, "flag", True),
            "event": self.stop.set,
            "sentinel": lambda: self.queue.put(None),
        }
        worker = threading.Thread(target=self._work, name=f"lab-{self.way}", daemon=True)
        deadline = _SECONDS + self.items * self.item_seconds + self.pause_seconds
        try:
            worker.start()
            reached = self.in_the_middle.wait(deadline)
            wishes[self.way]()
            began = time.perf_counter()
            self.go_on.set()
            worker.join(deadline)
        except BaseException:  # an interrupt: nobody stays behind
            self.abandoned.set()
            self.go_on.set()
            self.queue.put_nowait(None)
            see_off([worker], time.monotonic() + _SECONDS)
            raise
        if worker.is_alive() or not reached:
            raise LabError("expected the worker to end, found it at work; try fewer items", threads=(worker.name,))
        left = sum(item is not None for item in self.queue.queue)
        return Stopped(self.way, self.done, 0, left, self.cleaned_up, time.perf_counter() - began)

    def _work(self) -> None:
        try:
            while not (self.flag or self.stop.is_set() or self.abandoned.is_set()):
                item = self.queue.get()
                if item is None:
                    return
                self._do(item)
                self._pause(item)
        finally:
            self.cleaned_up = True

    def _do(self, item: int) -> None:
        self.abandoned.wait(self.item_seconds / 2)
        if item == self.stop_at:
            self.in_the_middle.set()
            self.go_on.wait(_SECONDS)
        self.abandoned.wait(self.item_seconds / 2)
        self.done += 1

    def _pause(self, item: int) -> None:
        """Between two items; only the one that matters is waited out."""
        if item != self.stop_at or self.way == "sentinel":
            return
        if self.way == "flag":
            time.sleep(self.pause_seconds)
        else:
            self.stop.wait(self.pause_seconds)


_DAEMON = """
import json, queue, sys, threading, time
items, stop_at, item_seconds = json.loads(sys.argv[1])
waiting = queue.Queue(maxsize=items)
for number in range(1, items + 1):
    waiting.put(number)
middle = threading.Event()

def say(what):
    sys.stdout.write(what + "\\n")
    sys.stdout.flush()

def work():
    try:
        while True:
            item = waiting.get()
            say("begun")
            time.sleep(item_seconds / 2)
            if item == stop_at:
                middle.set()
                threading.Event().wait()
            time.sleep(item_seconds / 2)
            say("done")
    finally:
        say("cleaned up")

threading.Thread(target=work, name="lab-daemon", daemon=True).start()
middle.wait()
say(str(time.time()))
"""


def _daemon(items: int, stop_at: int, item_seconds: float) -> Stopped:
    """The same work in an interpreter that ends while its daemon thread is in the middle of an item."""
    command = [sys.executable, "-I", "-c", _DAEMON, json.dumps([items, stop_at, item_seconds])]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60 + stop_at * item_seconds, check=True)
    ended = time.time()
    said = ran.stdout.split("\n")[:-1]
    done, begun = said.count("done"), said.count("begun")
    asked = next(float(line) for line in said if line[0].isdigit())
    return Stopped("daemon", done, begun - done, items - begun, "cleaned up" in said, max(0.0, ended - asked))
