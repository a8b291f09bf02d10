"""A bench for learning threads: break them on purpose, every time, and see what happened.

    lab.race()                         lost updates, in every run; with a lock none, in every run
    lab.interleavings("read; write")   every order in which steps can happen; lab.replay() runs one for real
    lab.deadlock(), lab.twice()        threads that wait for each other, or for themselves: found, drawn, freed
    lab.backpressure()                 a bounded queue and an unbounded one under a slow consumer
    lab.semaphore()                    no more than so many at once
    lab.shutdown()                     four ways to stop a worker, and what each loses
    lab.gil()                          when threads make things faster, on this machine
    lab.Recorder()                     what threads of your own do, wait for and hold
    lab.gantt(monitor.activity())      what logkit's own threads do
    lab.check                          the answers to the lessons' exercises

Each returns a value whose repr tells what came of it, with `.plot()` (Matplotlib Axes), most with `.frame` (pandas).
Nothing here needs logs, and every thread it starts has ended when a call returns. The lessons are the notebooks in
`notebooks/learn`.
"""

from __future__ import annotations

from logkit.lab import check
from logkit.lab.deadlocks import Deadlock, deadlock, twice
from logkit.lab.limits import Limited, semaphore
from logkit.lab.queues import Backpressure, backpressure
from logkit.lab.racing import Race, race
from logkit.lab.recorder import Recorder, no_thread_left
from logkit.lab.replays import Replayed, replay
from logkit.lab.schedules import Interleavings, Schedule, interleavings
from logkit.lab.speed import Gil, gil
from logkit.lab.stopping import Shutdown, shutdown
from logkit.views.gantt import draw as gantt

__all__ = [
    "Backpressure",
    "Deadlock",
    "Gil",
    "Interleavings",
    "Limited",
    "Race",
    "Recorder",
    "Replayed",
    "Schedule",
    "Shutdown",
    "backpressure",
    "check",
    "deadlock",
    "gantt",
    "gil",
    "interleavings",
    "no_thread_left",
    "race",
    "replay",
    "semaphore",
    "shutdown",
    "twice",
]
