"""No more than so many at once: `semaphore()`."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logkit.lab import asked
from logkit.lab.recorder import Recorder
from logkit.lab.stage import run_all

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from logkit.analysis.activity import ActivityFrame


@dataclass(frozen=True, slots=True, repr=False)
class Limited:
    """How many threads were inside at once."""

    threads: int
    permits: int | None
    """None: no limit."""
    peak: int
    """The most that were inside at once."""
    seconds: float
    activity: ActivityFrame

    def __repr__(self) -> str:
        limit = "no limit" if self.permits is None else f"{self.permits} permits"
        return f"{self.threads} threads, {limit}: at most {self.peak} inside at once, {self.seconds:.2f} s in all"

    @property
    def inside(self) -> pd.DataFrame:
        """How many are inside over time: seconds (float64, from the first interval on), inside (int64)."""
        import pandas as pd

        held = self.activity[self.activity["state"] == "holding"]
        first = self.activity["start"].min()
        ends = pd.concat([held["start"], held["end"]])
        steps = pd.DataFrame({"at": ends, "change": [1] * len(held) + [-1] * len(held)}).sort_values(["at", "change"])
        return pd.DataFrame(
            {
                "seconds": (steps["at"] - first).dt.total_seconds().to_numpy(),
                "inside": steps["change"].cumsum().to_numpy(),
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """A lane per thread: waiting for a permit, or inside."""
        from logkit.views.gantt import draw

        ax = draw(self.activity, ax)
        ax.set_title(repr(self).partition(",")[0] + f", at most {self.peak} inside at once", fontsize=10, loc="left")
        return ax


def semaphore(permits: int | None = 2, *, threads: int = 6, inside_seconds: float = 0.03) -> Limited:
    """Let threads into a place that holds only so many, each for a while.

    permits: of the `threading.BoundedSemaphore` at the door; None opens it to all. threads: 1 to 32. inside_seconds:
    how long each stays. `peak` is exact in every run: a thread stays at least until as many are inside as ever can be.
    """
    threads, inside_seconds = (
        asked.whole("threads", threads, 1, 32, 6),
        asked.seconds("inside_seconds", inside_seconds, 0.03),
    )
    permits = None if permits is None else asked.whole("permits", permits, 1, None, 2)
    recorder = Recorder()
    door = recorder.semaphore("a permit", threads if permits is None else permits)
    most = threads if permits is None else min(permits, threads)
    # guards: inside, peak; notified whenever somebody comes in
    moved = threading.Condition()
    inside = peak = 0
    stop = threading.Event()

    def visit() -> None:
        nonlocal inside, peak
        with door:
            with moved:
                inside += 1
                peak = max(peak, inside)
                moved.notify_all()
                moved.wait_for(lambda: peak >= most or stop.is_set(), timeout=5)
            stop.wait(inside_seconds)
            with moved:
                inside -= 1

    def leave() -> None:
        stop.set()
        with moved:
            moved.notify_all()

    began = time.perf_counter()
    visitors = [recorder.thread(visit, name=f"lab-{number}") for number in range(1, threads + 1)]
    run_all(visitors, threads * inside_seconds + 10, leave)
    return Limited(threads, permits, peak, time.perf_counter() - began, recorder.activity())
