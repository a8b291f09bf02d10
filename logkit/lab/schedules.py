"""Every order in which the steps of threads can happen: `interleavings()`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, overload

from logkit.errors import SettingError
from logkit.lab import asked
from logkit.lab.stage import Step, Wait

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST = 50_000
"""More interleavings than this are not enumerated."""

Program = tuple[tuple[str, str], ...]
"""Steps of one thread: what it does (read, add, write, lock, unlock), and the name of the lock."""


@dataclass(frozen=True, slots=True, repr=False)
class Schedule:
    """One interleaving: which thread takes the next step, and what comes of it."""

    programs: tuple[Program, ...]
    order: tuple[int, ...]
    """Threads, from 0, one for each step."""
    final: int
    """The shared number at the end."""
    expected: int
    """What it would be if the threads had run one after the other."""
    stuck: tuple[Wait, ...] = ()
    """Who waits for whom at the end, if nobody can go on."""

    @property
    def lost(self) -> int:
        """Updates lost; 0 for a schedule that gets stuck, whose updates were never made."""
        return 0 if self.stuck else self.expected - self.final

    @property
    def steps(self) -> tuple[Step, ...]:
        """What each thread does at its turn."""
        return _simulate(self.programs, self.order)[0]

    def __repr__(self) -> str:
        end = "stuck" if self.stuck else f"ends with {self.final}"
        said = end + (f", {self.lost} lost" if self.lost else "")
        return f"{said}: " + "; ".join([*map(str, self.steps), *map(str, self.stuck)])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Its steps, a lane per thread and one for the number."""
        from logkit.lab.pictures import draw_steps

        title = "stuck" if self.stuck else f"{self.final} of {self.expected} updates"
        return draw_steps((*self.steps, *blocking(self.stuck)), ax, title)


def blocking(waits: tuple[Wait, ...]) -> tuple[Step, ...]:
    """Waits as the steps they begin with."""
    return tuple(Step(wait.thread, "block", wait.lock) for wait in waits)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Interleavings(Sequence[Schedule]):
    """All interleavings of some programs: a sequence of `Schedule`."""

    programs: tuple[Program, ...]
    schedules: tuple[Schedule, ...]

    @overload
    def __getitem__(self, at: int) -> Schedule: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Schedule, ...]: ...
    def __getitem__(self, at: int | slice) -> Schedule | tuple[Schedule, ...]:
        return self.schedules[at]

    def __len__(self) -> int:
        return len(self.schedules)

    @property
    def losing(self) -> tuple[Schedule, ...]:
        """Those that lose an update."""
        return tuple(one for one in self.schedules if one.lost)

    @property
    def keeping(self) -> tuple[Schedule, ...]:
        """Those that come to their end without losing one."""
        return tuple(one for one in self.schedules if not one.lost and not one.stuck)

    @property
    def stuck(self) -> tuple[Schedule, ...]:
        """Those that end in a deadlock."""
        return tuple(one for one in self.schedules if one.stuck)

    @property
    def multinomial(self) -> int:
        """How many orders there are of so many steps, locks left aside: (a + b + …)! / (a! b! …)."""
        return _multinomial([len(program) for program in self.programs])

    @property
    def frame(self) -> pd.DataFrame:
        """One row per interleaving: order (`1 1 2 …`), final, lost (int64), stuck (bool)."""
        import pandas as pd

        return pd.DataFrame(
            {
                "order": [" ".join(str(thread + 1) for thread in one.order) for one in self.schedules],
                "final": [one.final for one in self.schedules],
                "lost": [one.lost for one in self.schedules],
                "stuck": [bool(one.stuck) for one in self.schedules],
            }
        )

    def __repr__(self) -> str:
        programs = " | ".join(_text(one) for one in dict.fromkeys(self.programs))
        finals = Counter(one.final for one in self.schedules if not one.stuck)
        ends = ", ".join(f"{count} end with {final}" for final, count in sorted(finals.items()))
        counts = f"{len(self.losing)} lose an update, {len(self.keeping)} do not"
        stuck = f", {len(self.stuck)} get stuck" if self.stuck else ""
        return (
            f"{len(self):,} interleavings of {len(self.programs)} threads ({programs}): {counts}{stuck}"
            + (f"\n  {ends}" if ends else "")
            + ("" if len(self) == self.multinomial else f"\n  without the locks there would be {self.multinomial:,}")
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """A row per interleaving, a cell per step in the colour of its thread; what it ends with beside it."""
        from logkit.lab.pictures import draw_interleavings

        return draw_interleavings(self, ax)


def interleavings(program: str | Sequence[str] = "read; add; write", threads: int = 2) -> Interleavings:
    """Every interleaving of a small program run by several threads, exhaustively.

    program: steps separated by `;`: `read` copies the shared number into the thread's register, `add` adds one to the
    register, `write` copies it back; `lock NAME` and `unlock NAME`. A list gives each thread a program of its own.
    threads: how many run the one program, if it is one.

    Without locks there are as many as `multinomial` says; with locks those in which nobody passes a held lock. Raises
    SettingError for a step it does not know, and where there would be more than 50,000. Simulated, by one thread.
    """
    if isinstance(program, str):
        texts = [program] * asked.whole("threads", threads, 1, 16, 2)
    else:
        texts = list(program) if isinstance(program, Sequence) else [program]
    programs = tuple(_parsed(text) for text in texts)
    locked = any(op == "lock" for one in programs for op, _ in one)  # then there are fewer; how many, one finds out
    many = 0 if locked else _multinomial([len(one) for one in programs])
    found = tuple(islice(_enumerated(programs, _one_after_the_other(programs)), MOST + 1)) if many <= MOST else ()
    if not programs or many > MOST or len(found) > MOST:
        raise SettingError(
            f"expected at least one thread and at most {MOST:,} interleavings, found {len(programs)} threads and "
            f"{many or len(found):,} or more; try fewer threads or steps",
            setting="program",
            value=program,
        )
    return Interleavings(programs, found)


def _multinomial(lengths: Sequence[int]) -> int:
    return math.factorial(sum(lengths)) // math.prod(map(math.factorial, lengths))


def _parsed(text: Any) -> Program:
    steps: list[tuple[str, str]] = []
    if not isinstance(text, str):
        raise SettingError(
            f"expected steps in a str, found {text!r}; try 'read; add; write'", setting="program", value=text
        )
    for step in filter(None, (part.strip() for part in text.split(";"))):
        op, _, name = step.partition(" ")
        if (op in ("read", "add", "write") and not name) or (op in ("lock", "unlock") and name.strip()):
            steps.append((op, name.strip()))
            continue
        raise SettingError(
            f"expected read, add, write, lock NAME or unlock NAME, found {step!r}; try 'read; add; write'",
            setting="program",
            value=text,
        )
    return tuple(steps)


def _text(program: Program) -> str:
    return "; ".join(f"{op} {name}".strip() for op, name in program)


class _World:
    """The shared number, the threads' registers and the locks, while one schedule is gone through."""

    def __init__(self, programs: tuple[Program, ...]) -> None:
        self.programs = programs
        self.at = [0] * len(programs)
        self.number = 0
        self.registers = [0] * len(programs)
        self.owners: dict[str, int] = {}

    def next_step(self, thread: int) -> tuple[str, str] | None:
        program = self.programs[thread]
        return program[self.at[thread]] if self.at[thread] < len(program) else None

    def can_go(self, thread: int) -> bool:
        step = self.next_step(thread)
        return step is not None and not (step[0] == "lock" and step[1] in self.owners)

    def go(self, thread: int) -> Step:
        """Take the thread's next step."""
        op, name = self.programs[thread][self.at[thread]]
        self.at[thread] += 1
        value: int | None = None
        if op == "read":
            value = self.registers[thread] = self.number
        elif op == "add":
            self.registers[thread] += 1
        elif op == "write":
            value = self.number = self.registers[thread]
        elif op == "lock":
            self.owners[name] = thread
        elif self.owners.get(name) == thread:
            del self.owners[name]
        else:
            raise SettingError(
                f"expected thread {thread + 1} to hold {name} before `unlock {name}`, found it does not; "
                f"try `lock {name}` before it",
                setting="program",
                value=_text(self.programs[thread]),
            )
        return Step(f"lab-{thread + 1}", {"lock": "take", "unlock": "give"}.get(op, op), name, value)

    def waits(self) -> tuple[Wait, ...]:
        """Who waits for whom, when nobody can go."""
        found = []
        for thread in range(len(self.programs)):
            step = self.next_step(thread)
            if step is not None:
                owner = self.owners.get(step[1])
                found.append(Wait(f"lab-{thread + 1}", step[1], None if owner is None else f"lab-{owner + 1}"))
        return tuple(found)

    def copy(self) -> _World:
        other = _World(self.programs)
        other.at, other.number = self.at.copy(), self.number
        other.registers, other.owners = self.registers.copy(), self.owners.copy()
        return other


def _enumerated(programs: tuple[Program, ...], expected: int) -> Iterator[Schedule]:
    """Depth first, thread 1 before thread 2: each choice of who goes next, to its end."""
    open_ends: list[tuple[_World, tuple[int, ...]]] = [(_World(programs), ())]
    while open_ends:
        world, order = open_ends.pop()
        able = [thread for thread in range(len(programs)) if world.can_go(thread)]
        if not able:
            yield Schedule(programs, order, world.number, expected, world.waits())
        for thread in reversed(able):
            then = world.copy()
            then.go(thread)
            open_ends.append((then, (*order, thread)))


def _one_after_the_other(programs: tuple[Program, ...]) -> int:
    """The number at the end if each thread runs to its end, or to where it is stuck, before the next one begins."""
    world = _World(programs)
    for thread in range(len(programs)):
        while world.can_go(thread):
            world.go(thread)
    return world.number


def _simulate(programs: tuple[Program, ...], order: Sequence[int]) -> tuple[tuple[Step, ...], int]:
    world = _World(programs)
    return tuple(world.go(thread) for thread in order), world.number
