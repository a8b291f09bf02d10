"""The answers to the lessons' exercises, tried: each check says whether an answer is right, and if not, why.

An answer is run by threads, at its worst moment where there is one. A check takes at most a few seconds, also if the
answer hangs, and lets go what it can of the threads an answer leaves behind.
"""

from logkit.lab.check.lessons_1_to_4 import task_done, threads, transfer, workers
from logkit.lab.check.lessons_5_to_7 import increment, retry, stopping
from logkit.lab.check.lessons_8_to_10 import WORKLOADS, choice, limited, parsing_share
from logkit.lab.check.trial import Verdict

__all__ = [
    "WORKLOADS",
    "Verdict",
    "choice",
    "increment",
    "limited",
    "parsing_share",
    "retry",
    "stopping",
    "task_done",
    "threads",
    "transfer",
    "workers",
]
