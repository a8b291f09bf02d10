"""When: change points, bursts and silences."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from logkit.analysis.segments import binomial_cost, mean_cost, segments
from logkit.snapshot import Snapshot
from tests.captures import MINUTE, NOON, SECOND, part, rows, snapshot, source


def best_by_hand(columns: np.ndarray, penalty: float, cost) -> float:  # type: ignore[no-untyped-def]
    """The cheapest partition's cost, all partitions tried one by one."""
    bins = len(columns)
    costs = []
    for cuts in itertools.chain.from_iterable(itertools.combinations(range(1, bins), n) for n in range(bins)):
        edges = [0, *cuts, bins]
        sums = np.array([columns[a:b].sum(axis=0) for a, b in itertools.pairwise(edges)])
        costs.append(float(cost(sums).sum()) + penalty * (len(cuts)))
    return min(costs)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("cost", [binomial_cost, mean_cost])
def test_segments_are_the_cheapest_of_all_partitions(seed: int, cost) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    trials = rng.integers(0, 12, 9)
    columns = np.stack([rng.binomial(trials, rng.choice([0.1, 0.8], 9)), trials], axis=1).astype(float)
    (begins,) = segments(columns[None], cost, np.array([3.0]))
    sums = np.add.reduceat(columns, begins, axis=0)
    found = float(cost(sums).sum()) + 3.0 * (len(begins) - 1)
    assert found == pytest.approx(best_by_hand(columns, 3.0, cost), abs=1e-9)


def steady(minutes: int = 40, per_minute: int = 30, bad: range = range(0), service: str = "app") -> list[dict]:
    """Events at an even pace; in the minutes `bad` 60 % are errors, else 1 in 100; slow then, too."""
    rng = np.random.default_rng(1)
    made = []
    for at in range(minutes * per_minute):
        minute = at // per_minute
        failed = rng.random() < (0.6 if minute in bad else 0.01)
        made.append(
            {
                "timestamp": NOON + at * MINUTE // per_minute,
                "level": "ERROR" if failed else "INFO",
                "service": service,
                "duration_ms": float(rng.lognormal(3, 0.4) * (8 if minute in bad else 1)),
            }
        )
    return made


def test_a_burst_has_its_start_peak_and_end() -> None:
    found = snapshot(part(rows(*steady(bad=range(15, 22))))).bursts()
    assert set(found["measure"]) == {"error_rate", "latency"}
    for burst in found.itertuples():
        start = pd.Timestamp(NOON + 15 * MINUTE, unit="us", tz="UTC")
        assert abs(burst.start - start) <= pd.Timedelta("30s")
        assert abs(burst.end - (start + pd.Timedelta("7min"))) <= pd.Timedelta("30s")
        assert burst.start <= burst.peak < burst.end
        assert not burst.ongoing
        assert burst.value > 4 * burst.baseline


def test_a_burst_that_lasts_is_ongoing() -> None:
    found = snapshot(part(rows(*steady(bad=range(30, 40))))).bursts()
    assert found["ongoing"].all()


def test_steady_logs_have_no_burst_and_no_silence() -> None:
    quiet = snapshot(part(rows(*steady())))
    assert not len(quiet.bursts())
    assert not len(quiet.silences())


def test_a_stray_old_line_hides_no_burst() -> None:
    stray = {"timestamp": NOON - 900 * 1440 * MINUTE}
    found = snapshot(part(rows(stray, *steady(bad=range(15, 22))))).bursts()
    assert set(found["measure"]) == {"error_rate", "latency"}


def test_bursts_need_no_rows() -> None:
    events = rows(*steady(bad=range(15, 22)))
    assert len(snapshot(lost=[events]).bursts()) == len(snapshot(part(events)).bursts()) > 0


def silent(*, unread: int = 0, lasting: bool = False) -> Snapshot:
    """Two services, one of which says nothing from minute 20 on, for 10 minutes or for good."""
    other = [
        event
        for event in steady(service="quiet")
        if not 20 <= (event["timestamp"] - NOON) // MINUTE < (99 if lasting else 30)
    ]
    sources = (source(1, "/logs/a.log"), source(2, "/logs/b.log", size_bytes=1000, offset_bytes=1000 - unread))
    return snapshot(part(rows(*steady())), part(rows(*other), source=2), sources=sources)


def test_a_service_that_stopped_for_a_while_is_silent() -> None:
    (found,) = silent().silences().itertuples()
    assert (found.service, found.ongoing, found.cause) == ("quiet", False, "service is silent")
    assert found.seconds == pytest.approx(600, abs=5)
    assert found.missing_events == pytest.approx(300, rel=0.05)


@pytest.mark.parametrize(("unread", "cause"), [(0, "service is silent"), (400, "reader is behind")])
def test_a_reader_that_is_behind_is_no_silent_service(unread: int, cause: str) -> None:
    (found,) = silent(unread=unread, lasting=True).silences().itertuples()
    assert (found.ongoing, found.cause, found.lag_bytes) == (True, cause, unread)
    assert pd.isna(found.end)


def test_a_job_every_five_minutes_is_not_silent_between() -> None:
    job = [{"timestamp": NOON + at * 5 * MINUTE + at % 7 * SECOND, "service": "job"} for at in range(48)]
    assert not len(snapshot(part(rows(*steady(240), *job))).silences())
