"""Limits, the GIL, the real engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from logkit.lab.check.trial import Trial, Verdict, no

if TYPE_CHECKING:
    import pandas as pd


def limited(answer: Callable[[Sequence[int], Callable[[int], int], int], list[int | None]]) -> Verdict:
    """`fetch_all(pages, fetch, limit)`: a thread each, at most `limit` in `fetch` at once; None for pages that fail."""
    inside, peak, alone = 0, 0, False
    # guards: inside, peak, alone; notified when somebody comes in
    moved = threading.Condition()

    def fetch(page: int) -> int:
        nonlocal inside, peak, alone
        with moved:
            inside += 1
            peak = max(peak, inside)
            moved.notify_all()
            if not alone:
                alone = not moved.wait_for(lambda: peak >= 2, 0.2)
                moved.wait_for(lambda: peak >= 3, 0.03)  # time for one too many to come in
        try:
            if page in (1, 2):
                raise ConnectionError(f"page {page} is not there")
            return page * 10
        finally:
            with moved:
                inside -= 1

    raised, hook = list[object](), threading.excepthook
    threading.excepthook = lambda failure: raised.append(failure.exc_value)
    try:
        trial = Trial(lambda: answer(list(range(8)), fetch, 2))
    finally:
        threading.excepthook = hook
    if trial.hangs:
        return no(
            "it hangs: two pages failed, and after that nobody came in any more. A permit that is not given back is "
            "gone; `with permits:` gives it back whatever happens"
        )
    if (verdict := trial.failed()) is not None:
        return verdict
    if peak > 2:
        return no(f"{peak} were in fetch() at once, with a limit of 2: take the permit before, and keep it until after")
    if peak < 2:
        return no(
            "only one at a time was in fetch(): all threads share one Semaphore(limit), and none waits for another"
        )
    if trial.result != [0, None, None, 30, 40, 50, 60, 70]:
        return no(f"expected the pages in order and None for 1 and 2, which fail, found {trial.result}")
    if raised:
        return no("the results are right, and the errors of pages 1 and 2 fell out of their threads: catch them inside")
    return Verdict(True, "never more than 2 at once, and pages that fail give their permit back")


_WORKLOADS = {
    "download 200 pages": ("threads", "it waits for the network, and who waits holds no GIL"),
    "json.loads on a million lines, one by one": (
        "processes",
        "each call builds Python objects and holds the GIL: threads take turns, processes do not",
    ),
    "zlib.compress on 20 large blocks": ("threads", "zlib releases the GIL while it compresses"),
    "one Polars group-by over 50 million rows": (
        "nothing",
        "Polars runs it on threads of its own already, without the GIL; more of ours would only queue up",
    ),
    "sum a list of ten numbers": ("nothing", "starting a thread takes longer than the sum"),
}
WORKLOADS = tuple(_WORKLOADS)
"""Of lesson 9: each wants "threads", "processes" or "nothing"."""


def choice(answers: Mapping[str, str]) -> Verdict:
    """For each of `WORKLOADS` what makes it faster on CPython with its GIL: "threads", "processes" or "nothing"."""
    for work, (right, why) in _WORKLOADS.items():
        given = answers.get(work)
        if given not in ("threads", "processes", "nothing"):
            return no(f"{work!r}: expected 'threads', 'processes' or 'nothing', found {given!r}")
        if given != right:
            return no(f"{work!r}: not {given}. Think of this: {why}")
    return Verdict(True, "all five: what waits or runs in native code shares a process; loops in Python do not")


def parsing_share(answer: Callable[[pd.DataFrame], Mapping[str, float]], activity: pd.DataFrame) -> Verdict:
    """`parsing_share(activity)` gives for each worker the share of its recorded time that it was parsing."""
    spent = activity[activity["thread"].str.startswith("logkit-worker")]
    total = spent.groupby("thread")["seconds"].sum()
    parsing = spent[spent["state"] == "parsing"].groupby("thread")["seconds"].sum()
    wanted = (parsing.reindex(total.index).fillna(0) / total).to_dict()
    rows = spent.assign(parsing=spent["state"] == "parsing").groupby("thread")["parsing"].mean().to_dict()
    trial = Trial(lambda: dict(answer(activity)))
    if trial.hangs:
        return no("it does not come to an end")
    if (verdict := trial.failed()) is not None:
        return verdict
    given: dict[Any, Any] = trial.result
    if extra := sorted(set(given) - set(wanted), key=str):
        return no(f"{extra[0]} is no worker: only workers parse, their names begin with logkit-worker")
    if missing := sorted(set(wanted) - set(given), key=str):
        return no(f"{missing[0]} is missing: also a worker that never parsed has a share, 0")
    if all(abs(given[name] - rows[name]) < 1e-9 for name in wanted) and rows != wanted:
        return no("that is the share of the rows, and a row may be a microsecond or a minute: sum up `seconds`")
    if any(abs(given[name] - parsing.get(name, 0.0)) < 1e-12 and given[name] > 0 for name in wanted):
        return no("those are seconds; the share is of all seconds recorded of that worker, whatever it did")
    if any(abs(given[name] - wanted[name]) > 1e-6 for name in wanted):
        name = next(name for name in wanted if abs(given[name] - wanted[name]) > 1e-6)
        return no(f"{name}: expected {wanted[name]:.3f}, found {given[name]:.3f}")
    return Verdict(
        True, ", ".join(f"{name} {share:.0%}" for name, share in wanted.items()) + " of its time in native code"
    )
