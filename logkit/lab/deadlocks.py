"""Threads that wait for each other: `deadlock()`, and a lock taken `twice()`."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from logkit.errors import SettingError
from logkit.lab import asked
from logkit.lab.racing import guard_name
from logkit.lab.stage import AnyLock, Stage, Step, Wait

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True, repr=False)
class Deadlock:
    """Whether threads got stuck, and who waited for whom."""

    title: str
    circle: tuple[Wait, ...]
    """The threads that waited for each other; empty if they all came through."""
    waits: tuple[Wait, ...]
    """Who waited for whom at the worst moment."""
    holds: tuple[tuple[str, str], ...]
    """Lock and owner at that moment."""
    finished: tuple[str, ...]
    """Threads that did all their work."""
    steps: tuple[Step, ...]
    seconds: float
    """From the start to the end of all threads, detection included."""

    @property
    def detected(self) -> bool:
        """Whether there was a deadlock."""
        return bool(self.circle)

    def __repr__(self) -> str:
        if not self.circle:
            waited = f"; at the worst moment {self.waits[0]}" if self.waits else ""
            return (
                f"{self.title}: no deadlock, {len(self.finished)} of {len(self.finished)} threads came through{waited}"
            )
        freed = f"  found and its threads freed after {1000 * self.seconds:.0f} ms; came through: "
        circle = "\n  ".join(map(str, self.circle))
        return f"{self.title}: deadlock\n  {circle}\n{freed}{', '.join(self.finished) or 'none'}"

    def plot(self, ax: Axes | None = None) -> Axes:
        """The wait-for graph: threads are round, locks square; an arrow from a lock to who holds it, and one, dashed,
        from a thread to the lock it waits for."""
        from logkit.lab.pictures import draw_waits

        return draw_waits(self, ax)


def deadlock(order: Literal["opposite", "same"] = "opposite", threads: int = 2) -> Deadlock:
    """Let each of some threads take two locks, its own and its neighbour's, with the worst possible timing.

    order: "opposite" takes one's own first, so that all hold one and wait in a circle; "same" takes the locks in the
    order of their names, which is the cure. threads: 2 to 8, as many as there are locks. The deadlock is found in the
    moment it comes about, by a walk along the wait-for graph, and the threads in it are freed by an exception: they
    have all ended when this returns.
    """
    threads = asked.whole("threads", threads, 2, 8, 2)
    if order not in ("opposite", "same"):
        raise SettingError(
            f"expected order= 'opposite' or 'same', found {order!r}; try order='same'", setting="order", value=order
        )
    stage = Stage()
    locks = [stage.lock(threading.Lock(), f"lock {chr(ord('A') + at)}") for at in range(threads)]
    finished: list[str] = []

    def part(at: int) -> None:
        pair = [at, (at + 1) % threads]
        first, second = pair if order == "opposite" else sorted(pair)
        with locks[first]:
            stage.meet()
            with locks[second]:
                pass
        finished.append(threading.current_thread().name)  # append is atomic

    began = time.perf_counter()
    stage.run(*[lambda at=at: part(at) for at in range(threads)])
    return _result(f"{threads} threads, {order} order", stage, finished, began)


def twice(lock: AnyLock) -> Deadlock:
    """Let one thread take a lock and, while it holds it, take it again: as a method does that calls another one.

    A `threading.Lock()` waits for itself for ever, a `threading.RLock()` counts. The thread is freed and has ended when
    this returns.
    """
    asked.lock(lock)
    stage = Stage()
    staged = stage.lock(lock, "the lock")
    finished: list[str] = []

    def part() -> None:
        with staged, staged:
            stage.meet()
        finished.append(threading.current_thread().name)

    began = time.perf_counter()
    stage.run(part)
    return _result(f"{guard_name(lock)} taken twice by one thread", stage, finished, began)


def _result(title: str, stage: Stage, finished: list[str], began: float) -> Deadlock:
    return Deadlock(
        title=title,
        circle=stage.deadlock,
        waits=stage.waits,
        holds=stage.holds,
        finished=tuple(sorted(finished)),
        steps=tuple(stage.steps),
        seconds=time.perf_counter() - began,
    )
