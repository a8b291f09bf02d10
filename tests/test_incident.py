"""The demo incident solved without being told when, and the questions of a post-mortem one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import logkit
from logkit.analysis.coupling import coupling
from logkit.analysis.dimensions import path_templates
from logkit.demo import Incident, write_incident
from logkit.errors import EvidenceLost, NeedsEvents, SettingError, SnapshotError
from logkit.snapshot import Snapshot
from tests.captures import MINUTE, NOON, SECOND, part, rows, snapshot

SEEDS = (1, 2, 4, 5, 9)
"""Of five of the six stories; the sixth is the one the other tests share."""


def solved(folder: Path, seed: int) -> tuple[Incident, Snapshot]:
    incident = write_incident(folder, seed)
    return incident, logkit.read(folder, progress=False)


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> tuple[Incident, Snapshot]:
    return solved(tmp_path_factory.mktemp("incident") / "logs", 6)


def first_rows_name_the_cause(snap: Snapshot, truth: Incident) -> bool:
    top = snap.compare().head(3)
    keys = top[top["dimension"] == "pattern"]["key"]
    table = snap.patterns
    told = table[table["pattern"].isin(keys) & (table["service"] == truth.service)]
    return any(truth.cause in example for example in told["example"])


@pytest.mark.parametrize("seed", SEEDS)
def test_cause_and_origin_are_found_without_being_told_the_window(seed: int, tmp_path: Path) -> None:
    truth, snap = solved(tmp_path / "logs", seed)
    assert first_rows_name_the_cause(snap, truth)
    assert snap.propagation().origin == truth.service


def test_a_cause_that_names_no_trace_is_found_by_its_time(incident: tuple[Incident, Snapshot]) -> None:
    truth, snap = incident
    found = snap.propagation(snap.bursts().iloc[0])
    assert (found.origin, found.basis) == (truth.service, "time") == ("database", "time")
    assert found.chain()[0] == "database"
    assert set(found.edges["basis"]) == {"trace", "time"}
    assert "database erred first" in repr(found)
    assert first_rows_name_the_cause(snap, truth)


def test_a_window_may_be_given_in_many_ways(incident: tuple[Incident, Snapshot]) -> None:
    _, snap = incident
    burst = snap.bursts().iloc[0]
    ways = [burst, snap.bursts(), (burst["start"], burst["end"]), pd.Interval(burst["start"], burst["end"]), None]
    tables = [snap.compare(way) for way in ways]
    tables.append(snap.compare({"start": str(burst["start"]), "end": str(burst["end"])}))
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0])


def test_a_mask_is_compared_with_the_rest(incident: tuple[Incident, Snapshot]) -> None:
    _, snap = incident
    found = snap.compare(snap.events["status"] >= 500)
    slow = found[(found["dimension"] == "duration_ms") & (found["value"] == "gateway")]
    assert slow["odds_ratio"].iloc[0] > 1
    assert (found["value"] == "ERROR").any()


@pytest.mark.parametrize("given", ["yesterday", 3, (1, 2, 3), ("2026-03-02 10:00", "2026-03-02 09:00")])
def test_what_is_no_window_is_refused(incident: tuple[Incident, Snapshot], given: object) -> None:
    with pytest.raises(SettingError, match="expected window"):
        incident[1].compare(given)


def test_arguments_of_another_kind_are_refused_in_words(incident: tuple[Incident, Snapshot]) -> None:
    snap: Any = incident[1]
    for ask in (lambda: snap.compare(fdr="x"), lambda: snap.locate(0, context="x"), lambda: snap.pattern(3)):
        with pytest.raises(SettingError, match=r"expected .*found "):
            ask()
    nothing = snap.propagation(("2001-01-01", "2001-01-02"))
    assert repr(nothing) == "Propagation: no error in the window"


def test_a_mask_of_another_length_is_refused(incident: tuple[Incident, Snapshot]) -> None:
    with pytest.raises(SettingError, match="one for each row"):
        incident[1].compare(np.ones(3, bool))


def test_a_list_of_truths_is_a_mask(incident: tuple[Incident, Snapshot]) -> None:
    _, snap = incident
    mask = (snap.events["status"] >= 500).fillna(False)
    pd.testing.assert_frame_equal(snap.compare(mask.tolist()), snap.compare(mask))
    with pytest.raises(SettingError, match="one for each row"):
        snap.compare([True, False])


def test_without_a_burst_a_window_must_be_given() -> None:
    calm = snapshot(part(rows({}, {})))
    with pytest.raises(SnapshotError, match="found no burst"):
        calm.compare()


def test_without_rows_the_error_says_so() -> None:
    with pytest.raises(NeedsEvents):
        snapshot(lost=[rows({}, {})]).compare(("2026-03-01", "2026-03-02"))


def test_compare_finds_a_planted_value_and_a_planted_delay() -> None:
    rng = np.random.default_rng(3)
    events = []
    for at in range(3000):
        inside = 1000 <= at < 1400
        zone = "b" if inside and rng.random() < 0.5 else "a" if rng.random() < 0.9 else "c"
        slow = 3.0 if inside else 1.0
        events.append({"timestamp": NOON + at * SECOND, "zone": zone, "duration_ms": slow * rng.lognormal(2, 0.5)})
    found = snapshot(part(rows(*events))).compare((pd.Timestamp(NOON + 1000 * SECOND, unit="us"),
                                                   pd.Timestamp(NOON + 1400 * SECOND, unit="us")))  # fmt: skip
    assert found.iloc[0][["dimension", "value"]].tolist() == ["zone", "b"]
    delay = found[found["dimension"] == "duration_ms"].iloc[0]
    assert delay["low"] > 1
    assert delay["inside"] / delay["outside"] == pytest.approx(3, rel=0.2)
    assert not found["value"].eq("c").any() or found.set_index("value").loc["c", "odds_ratio"] < 1


@pytest.mark.parametrize("seed", range(12))
def test_compare_says_nothing_of_logs_without_a_change(seed: int) -> None:
    """Events come in traces of three with much in common, and in waves: a quick version of the bench's 100 logs."""
    rng = np.random.default_rng(seed)
    events, at = [], NOON
    for _ in range(700):
        at += int(rng.exponential(3) * SECOND)
        zone, kind = rng.choice(["a", "b", "c"]), f"kind {rng.integers(12)}"
        for step in range(3):
            events.append({"timestamp": at + step, "zone": zone, "kind": kind, "duration_ms": rng.lognormal(2)})
    start = NOON + int(rng.uniform(0, 0.7) * (at - NOON))
    window = [pd.Timestamp(us, unit="us") for us in (start, start + (at - NOON) // 5)]
    assert not len(snapshot(part(rows(*events))).compare(window))


def test_paths_lose_what_names_one_thing() -> None:
    import polars as pl

    paths = pl.Series(["/a/12/34?x=1", "/v2/users/7", "/f/3b1c4dd2-9f2e-4b6a-8a52-0c1e2d3f4a5b/x", "/plain"])
    assert path_templates(paths).to_list() == ["/a/{}/{}", "/v2/users/{}", "/f/{}/x", "/plain"]


def test_coupling_tells_closeness_from_a_common_wave() -> None:
    rng = np.random.default_rng(5)
    causes = np.sort(rng.integers(0, 600 * SECOND, 300))
    close = np.sort(causes[::2] + rng.integers(0, 5_000, 150))
    assert coupling(causes, close, 1000) is not None
    assert coupling(causes, np.sort(rng.integers(0, 600 * SECOND, 150)), 1000) is None


def traced(skew_us: int = 0, coarse: bool = False) -> Snapshot:
    """30 traces: `front` takes 100 ms and ends last, `back` errs in the middle by a clock of its own."""
    front, back = [], []
    for at in range(30):
        start = NOON + at * MINUTE + 333_000
        trace = f"{at:032x}"
        end = start + 100_000
        stamp = end // SECOND * SECOND if coarse else end
        front.append(
            {"timestamp": stamp, "service": "front", "level": "ERROR", "trace_id": trace, "duration_ms": 100.0}
        )
        back.append({"timestamp": start + 50_000 + skew_us, "service": "back", "level": "ERROR", "trace_id": trace,
                     "message": "boom"})  # fmt: skip
    alone = [{"timestamp": NOON + at * MINUTE, "service": "front", "trace_id": f"f{at:031x}"} for at in range(10)]
    return snapshot(part(rows(*front, *alone)), part(rows(*back), source=2))


EVERYTHING = ("2026-03-01", "2026-03-02")


def test_who_erred_first_is_the_origin() -> None:
    found = traced().propagation(EVERYTHING)
    assert (found.origin, found.basis, found.traces) == ("back", "trace", 30)
    (edge,) = found.edges.itertuples()
    assert (edge.source, edge.target, edge.traces, edge.lag_ms) == ("back", "front", 30, 50)


def test_whole_seconds_do_not_make_a_caller_the_origin() -> None:
    """By its written time the caller is first; it is in traces without the called, so it calls."""
    found = traced(coarse=True).propagation(EVERYTHING)
    assert found.origin == "back"
    assert np.isnan(found.edges["lag_ms"].iloc[0])


@pytest.mark.parametrize("skew_ms", [-900, 700])
def test_a_skewed_clock_is_found_and_taken_off(skew_ms: int) -> None:
    snap = traced(skew_us=skew_ms * 1000)
    found = snap.skew().loc["back"]
    assert found["certain"]
    assert found["low_ms"] <= skew_ms <= found["high_ms"]
    assert found["skew_ms"] == pytest.approx(skew_ms, abs=51)
    assert snap.propagation(EVERYTHING, deskew=True).origin == "back"
    events = snap.trace(f"{3:032x}", deskew=True)
    assert events["service"].tolist() == ["back", "front"]


def test_clocks_that_agree_are_not_certain_to_differ() -> None:
    assert not traced().skew()["certain"].any()


def test_a_trace_is_in_order_and_its_rows_lead_back() -> None:
    snap = traced()
    found = snap.trace(f"{3:032x}")
    assert found["service"].tolist() == ["back", "front"]
    assert found["since_ms"].tolist() == [0, 50]
    assert snap.events.iloc[found.index[0]]["service"] == "back"
    with pytest.raises(SettingError, match="occurs"):
        snap.trace("no-such-trace")


def test_templates_come_up_and_vanish() -> None:
    events = [
        {"timestamp": NOON + at * SECOND, "message": "old tale" if at < 50 else "fresh words"} for at in range(100)
    ]
    snap = snapshot(part(rows(*events)))
    since = pd.Timestamp(NOON + 50 * SECOND, unit="us", tz="UTC")
    assert snap.first_seen(since)["template"].tolist() == ["fresh words"]
    gone = snap.vanished(since)
    assert gone["template"].tolist() == ["old tale"]
    assert gone["expected"].iloc[0] == pytest.approx(49)


@pytest.mark.parametrize("packed", [False, True])
def test_a_row_leads_back_to_its_bytes(incident: tuple[Incident, Snapshot], packed: bool) -> None:
    _, snap = incident
    events = snap.events
    row = events[events["file"].str.endswith(".gz") == packed].iloc[40]
    found = snap.locate(row, context=2)
    assert (found.start, found.stop) == (row["offset"], row["offset"] + row["length_bytes"])
    assert row["message"].split("\n")[0][-20:] in found.text
    assert len(found.before) == len(found.after) == 2
    assert found.compression == ("gzip" if packed else None)
    import subprocess

    shown = subprocess.run(found.command, shell=True, capture_output=True, text=True, check=True).stdout
    assert shown.rstrip("\n") == found.text


def test_evidence_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("2026-03-01 12:00:00,000 ERROR boom happened here\n" * 3)
    snap = logkit.read(log, progress=False)
    log.write_text("something else altogether, and long enough to reach\n" * 9)
    with pytest.raises(EvidenceLost, match="other text"):
        snap.locate(1)
    log.unlink()
    with pytest.raises(EvidenceLost):
        snap.locate(1)


def test_marks_make_another_snapshot_and_stay_in_selections() -> None:
    plain = snapshot(part(rows({}, {"timestamp": NOON + SECOND})))
    marked = plain.mark("2026-03-01 12:00", "deploy").mark("2026-03-01 11:00", "earlier")
    assert not len(plain.marks)
    assert marked.where(level="INFO").marks["text"].tolist() == ["earlier", "deploy"]
    assert replace(marked.capture, marks=()) == plain.capture
