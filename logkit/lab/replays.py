"""One interleaving, run for real: `replay()`."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logkit.errors import LabError, SettingError
from logkit.lab.schedules import Schedule, blocking
from logkit.lab.stage import DEADLINE_SECONDS, Step, Wait, run_all

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True, repr=False)
class Replayed:
    """What threads came to that took their steps in the order of a schedule."""

    schedule: Schedule
    final: int
    steps: tuple[Step, ...]
    stuck: tuple[Wait, ...]
    thread_ids: tuple[int, ...]
    """The operating system's numbers of the threads."""

    @property
    def agrees(self) -> bool:
        """Whether the threads came to what the schedule foretold."""
        return self.final == self.schedule.final and self.stuck == self.schedule.stuck

    def __repr__(self) -> str:
        end = "stuck" if self.stuck else f"{self.final}"
        agrees = "as foretold" if self.agrees else f"NOT as foretold: {self.schedule!r}"
        threads = len(self.thread_ids)
        return f"{threads} real threads came to {end}, {agrees}\n  " + "\n  ".join(map(str, self.steps + self.stuck))

    def plot(self, ax: Axes | None = None) -> Axes:
        """The steps, a lane per thread and one for the number."""
        from logkit.lab.pictures import draw_steps

        end = "stuck" if self.stuck else f"{self.final} of {self.schedule.expected} updates"
        return draw_steps((*self.steps, *blocking(self.stuck)), ax, f"{len(self.thread_ids)} real threads: {end}")


class _Play:
    """Threads that take turns in a given order, on a number and locks that are real."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        # guards: turn, steps, waits, error; notified at every turn
        self.moved = threading.Condition()
        self.turn = 0
        self.steps: list[Step] = []
        self.waits: dict[int, Wait] = {}
        self.number = 0
        self.locks = {name: threading.Lock() for one in schedule.programs for op, name in one if op == "lock"}
        self.owners: dict[str, str] = {}
        self.ids = [0] * len(schedule.programs)

    def stop(self) -> None:
        """No more turns: who waits for one goes home."""
        with self.moved:
            self.turn = len(self.schedule.order)
            self.moved.notify_all()

    def perform(self, thread: int) -> None:
        """The program of one thread, each step at its turn; what it still holds at the end it gives back."""
        self.ids[thread] = threading.get_native_id()
        register, held, order = 0, list[str](), self.schedule.order
        for op, name in self.schedule.programs[thread]:
            with self.moved:
                mine = self.moved.wait_for(
                    lambda: self.turn >= len(order) or order[self.turn] == thread, DEADLINE_SECONDS
                )
                if not mine or self.turn >= len(order):
                    self.waits[thread] = Wait(f"lab-{thread + 1}", name, self.owners.get(name))
                    break
            value: int | None = None
            if op == "read":
                value = register = self.number
            elif op == "add":
                register += 1
            elif op == "write":
                value = self.number = register
            elif op == "lock":
                if not self.locks[name].acquire(blocking=False):
                    raise LabError(f"expected {name} to be free at step {self.turn}, found it held", threads=())
                held.append(name)
                self.owners[name] = f"lab-{thread + 1}"
            else:
                self.locks[name].release()
                held.remove(name)
                del self.owners[name]
            with self.moved:
                said = {"lock": "take", "unlock": "give"}.get(op, op)
                self.steps.append(Step(f"lab-{thread + 1}", said, name, value))
                self.turn += 1
                self.moved.notify_all()
        for name in held:
            self.locks[name].release()


def replay(schedule: Schedule) -> Replayed:
    """Run one interleaving for real: a thread for each program, which takes its next step when the schedule says so.

    The number is shared, the locks are `threading.Lock`. Returns what it came to, within 5 s; raises LabError if a
    thread does not end. Any thread may call.
    """
    if not isinstance(schedule, Schedule):
        raise SettingError(
            f"expected one schedule, found {type(schedule).__name__}; try lab.interleavings().losing[0]",
            setting="schedule",
            value=schedule,
        )
    play = _Play(schedule)
    threads = [
        threading.Thread(target=play.perform, args=(at,), name=f"lab-{at + 1}", daemon=True)
        for at in range(len(schedule.programs))
    ]
    run_all(threads, 2 * DEADLINE_SECONDS, play.stop)
    if len(play.steps) < len(schedule.order):
        raise LabError(
            f"expected {len(schedule.order)} steps within {DEADLINE_SECONDS:g} s, found {len(play.steps)}; "
            "try it again on a machine that is less busy",
            threads=(),
        )
    waits = tuple(play.waits[at] for at in sorted(play.waits))
    return Replayed(schedule, play.number, tuple(play.steps), waits, tuple(play.ids))
