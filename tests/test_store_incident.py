"""Incident questions and message templates put to a store: the answers are those of the same rows in memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import logkit
from logkit.snapshot import Snapshot
from logkit.stats.packed import packed, unpacked

LOGS = Path(__file__).parent.parent / "sample_logs"
Pair = tuple[Snapshot, Snapshot]


@pytest.fixture(scope="module", params=[False, True], ids=["mined when asked", "mined while reading"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """The sample incident in memory, and in a store that was closed and opened again."""
    store = tmp_path_factory.mktemp("store") / "incident.duckdb"
    kept = logkit.read(LOGS, patterns=request.param)
    logkit.read(LOGS, patterns=request.param, store=store)
    return kept, logkit.open(store)


ASKED: dict[str, Callable[[Snapshot], pd.DataFrame]] = {
    "patterns": lambda snap: snap.patterns,
    "patterns of a service": lambda snap: snap.where(service="payments").patterns,
    "one pattern": lambda snap: snap.pattern(snap.patterns["pattern"].iloc[0]).parameters,
    "rows of a pattern": lambda snap: snap.pattern(snap.patterns["pattern"].iloc[3]).snapshot.events,
    "named rows": lambda snap: snap.with_patterns().events,
    "bursts": lambda snap: snap.bursts(),
    "silences": lambda snap: snap.silences(),
    "what changed": lambda snap: snap.compare(worst(snap)),
    "first seen": lambda snap: snap.first_seen(snap.bursts()["start"].min()),
    "vanished": lambda snap: snap.vanished(snap.bursts()["start"].min()),
    "where it began": lambda snap: snap.propagation(worst(snap)).services,
    "skew": lambda snap: snap.skew(),
}


def worst(snap: Snapshot) -> tuple[pd.Timestamp, pd.Timestamp]:
    first = snap.bursts().iloc[0]
    return first["start"], first["end"]


def filled(frame: pd.DataFrame) -> pd.DataFrame:
    """Without columns that hold nothing, which a store leaves out, and the others by name."""
    return frame.dropna(axis="columns", how="all").sort_index(axis="columns")


@pytest.mark.parametrize("asked", ASKED)
def test_a_store_answers_as_rows_in_memory_do(pair: Pair, asked: str) -> None:
    kept, stored = (ASKED[asked](snap) for snap in pair)
    assert len(kept) or asked in ("vanished", "silences", "skew")
    pd.testing.assert_frame_equal(filled(stored), filled(kept))


def test_events_of_a_store_name_their_templates_where_that_was_asked_while_reading(pair: Pair) -> None:
    kept, stored = pair
    assert ("pattern" in kept.events) == ("pattern" in stored.events)
    assert "pattern_mask" not in stored.events
    assert "pattern_mask" not in stored.sql("select * from events limit 1")
    pd.testing.assert_frame_equal(filled(stored.events), filled(kept.events))


def test_a_report_of_a_store_is_written(pair: Pair, tmp_path: Path) -> None:
    pair[1].report(tmp_path / "postmortem.html")
    assert "payments" in (tmp_path / "postmortem.html").read_text()


def test_statistics_with_masked_messages_survive_as_bytes() -> None:
    stats = logkit.read(LOGS, patterns=True).stats
    assert stats.tables.patterns is not None
    again = unpacked(packed(stats))
    assert again == stats
    assert packed(again) == packed(stats)


@pytest.mark.parametrize("patterns", [False, True])
def test_held_records_and_differences_name_the_templates_of_the_whole(tmp_path: Path, patterns: bool) -> None:
    log, line = tmp_path / "app.log", "2026-03-02 09:00:0{0} INFO app connection from 10.0.0.{0} closed\n"
    log.write_text("".join(line.format(at) for at in range(5)) + "2026-03-02 09:00:09 ERROR app boom 77\n")
    settings = {"patterns": patterns, "store": tmp_path / "s.duckdb", "idle_flush_seconds": 600.0}
    with logkit.watch(log, **settings) as monitor:
        monitor.wait_idle()
        before = monitor.snapshot()
        with log.open("a") as file:
            file.write(line.format(7) + line.format(8))
        monitor.wait_idle()
        after = monitor.snapshot()
    assert after.patterns["count"].tolist() == [7, 1]
    common, rare = after.patterns["pattern"]
    found = after.with_patterns()
    assert found.events["pattern"].tolist() == [common] * 5 + [rare] + [common] * 2
    assert found.where(pattern=rare).events["level"].tolist() == ["ERROR"]
    assert len(after.pattern(common).snapshot) == 7
    assert set((after - before).patterns["pattern"]) <= {common, rare}
    if patterns:
        assert after.events["pattern"].tolist() == found.events["pattern"].tolist()
        assert len(after.where(pattern=common)) == 7


def test_a_selection_has_templates_also_where_it_keeps_other_masks_apart_than_the_whole(tmp_path: Path) -> None:
    words = [f"{a}{b}{c}" for a in "abcdefgh" for b in "ijklmnop" for c in "qrstuvwx"]
    alike = [f"2026-03-02 09:00:00 INFO app same start {word} {word[::-1]} of it\n" for word in words]
    apart = [f"2026-03-02 10:00:00 WARN app {word} {word[::-1]} then {word}\n" for word in words]
    (tmp_path / "app.log").write_text("".join(alike + apart))
    for settings in ({"patterns": True}, {"store": tmp_path / "s.duckdb"}):
        part = logkit.read(tmp_path / "app.log", progress=False, **settings).with_patterns().where(level="WARN")
        counts = part.patterns.groupby("pattern")["count"].sum()
        pd.testing.assert_series_equal(counts, part.events.groupby("pattern")["message"].count(), check_names=False)
        assert counts.sum() == len(part) == len(words)


def test_a_process_ends_well_after_a_query_that_did_not_want_all_rows(tmp_path: Path) -> None:
    log, store = tmp_path / "app.log", tmp_path / "s.duckdb"
    log.write_text("2026-03-02 09:00:00 INFO app said this and that at some length\n" * 400_000)
    logkit.read(log, store=store, progress=False)
    query = f"import logkit; logkit.open({str(store)!r}).sql('select file, message from events limit 1')"
    subprocess.run([sys.executable, "-c", query], check=True, timeout=60)
