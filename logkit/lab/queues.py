"""A fast producer and a slow consumer, with a queue between them: `backpressure()`."""

from __future__ import annotations

import queue
import threading
import time
import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logkit.lab import asked
from logkit.lab.stage import run_all

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_SPARE_SECONDS = 10.0
_tracing = threading.Lock()  # guards: tracemalloc, of which a process has one


@dataclass(frozen=True, slots=True)
class QueueRun:
    """One run: what the queue held, and what the process held, each time an item went in or came out."""

    name: str
    """bounded or unbounded."""
    maxsize: int
    seconds: tuple[float, ...]
    depth: tuple[int, ...]
    """Items in the queue."""
    memory_bytes: tuple[int, ...]
    """Allocated by Python since the start of the run (tracemalloc)."""
    producer_seconds: float
    """When the producer had put its last item."""
    consumed: int

    @property
    def peak(self) -> int:
        """The most items that waited."""
        return max(self.depth)

    @property
    def peak_bytes(self) -> int:
        """The most memory."""
        return max(self.memory_bytes)


@dataclass(frozen=True, slots=True, repr=False)
class Backpressure:
    """The same work through a bounded and through an unbounded queue."""

    items: int
    item_bytes: int
    bounded: QueueRun
    unbounded: QueueRun

    @property
    def frame(self) -> pd.DataFrame:
        """One row per change of a queue: queue (bounded, unbounded), seconds, depth, memory_bytes."""
        import pandas as pd

        runs = (self.bounded, self.unbounded)
        columns = ("seconds", "depth", "memory_bytes")
        parts = [pd.DataFrame({"queue": run.name, **{name: getattr(run, name) for name in columns}}) for run in runs]
        return pd.concat(parts, ignore_index=True)

    def __repr__(self) -> str:
        lines = [f"{self.items} items of {self.item_bytes / 1e3:,.0f} kB, a producer faster than its consumer"]
        for run in (self.bounded, self.unbounded):
            size = f"maxsize={run.maxsize}" if run.maxsize else "no limit"
            lines.append(
                f"{run.name:9} ({size}): at most {run.peak} waiting, {run.peak_bytes / 1e6:.1f} MB; "
                f"producer done after {run.producer_seconds:.2f} s, consumer after {run.seconds[-1]:.2f} s; "
                f"{run.consumed} consumed"
            )
        return "\n  ".join(lines)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Items waiting over time in both queues, and the memory they take on the right."""
        from logkit.lab.charts import draw_backpressure

        return draw_backpressure(self, ax)


def backpressure(
    items: int = 150,
    *,
    queue_size: int = 8,
    item_bytes: int = 100_000,
    produce_seconds: float = 0.0005,
    consume_seconds: float = 0.003,
) -> Backpressure:
    """Send items from a producer to a slower consumer, once through a bounded and once through an unbounded queue.

    items: how many. queue_size: the bound. item_bytes: the size of each. produce_seconds, consume_seconds: what making
    and using one takes, slept. The bounded queue never holds more than `queue_size`: its producer is made to wait. Real
    threads on a real clock: depths and times differ from run to run, the bound does not. Memory is what Python
    allocates in the whole process meanwhile. Raises LabError if the threads do not end in time.
    """
    items, queue_size = asked.whole("items", items, 1, 100_000, 150), asked.whole("queue_size", queue_size, 1, None, 8)
    work = (
        items,
        asked.whole("item_bytes", item_bytes, 1, 100_000_000, 100_000),
        asked.seconds("produce_seconds", produce_seconds, 0.0005),
        asked.seconds("consume_seconds", consume_seconds, 0.003),
    )
    with _tracing:
        return Backpressure(items, item_bytes, _run("bounded", queue_size, *work), _run("unbounded", 0, *work))


def _run(
    name: str, maxsize: int, items: int, item_bytes: int, produce_seconds: float, consume_seconds: float
) -> QueueRun:
    waiting: queue.Queue[bytearray | None] = queue.Queue(maxsize=maxsize)
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start(1)
    seconds: list[float] = []
    depth: list[int] = []
    memory: list[int] = []
    # guards: seconds, depth, memory
    noting = threading.Lock()
    stop = threading.Event()
    began, at_first, producer_seconds = time.perf_counter(), tracemalloc.get_traced_memory()[0], 0.0

    def note() -> None:
        with noting:
            seconds.append(time.perf_counter() - began)
            depth.append(waiting.qsize())
            memory.append(max(0, tracemalloc.get_traced_memory()[0] - at_first))

    def produce() -> None:
        nonlocal producer_seconds
        for _ in range(items):
            if stop.wait(produce_seconds):
                break
            waiting.put(bytearray(item_bytes))
            note()
        producer_seconds = time.perf_counter() - began
        waiting.put(None)

    def consume() -> None:
        while (item := waiting.get()) is not None:
            stop.wait(consume_seconds)
            del item
            note()

    def leave() -> None:
        stop.set()
        waiting.put(None, timeout=1)  # the consumer now takes without a pause; it may be there alone

    parts = [threading.Thread(target=part, name=f"lab-{part.__name__}r", daemon=True) for part in (consume, produce)]
    try:
        run_all(parts, items * (produce_seconds + consume_seconds) * 4 + _SPARE_SECONDS, leave)
    finally:
        if not tracing:
            tracemalloc.stop()
    consumed = len(seconds) - items
    return QueueRun(name, maxsize, tuple(seconds), tuple(depth), tuple(memory), producer_seconds, consumed)
