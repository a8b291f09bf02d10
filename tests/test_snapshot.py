"""A snapshot's tables, its rows and how it shows itself."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from datetime import UTC, datetime

import pandas as pd
import polars as pl
import pytest

from logkit import schema
from logkit.analysis.rows import COLUMNS
from logkit.errors import NeedsEvents, SettingError
from logkit.snapshot import Snapshot
from tests.captures import MINUTE, NOON, SECOND, part, rows, snapshot, source, thread

UTC_DTYPE = pd.DatetimeTZDtype("us", "UTC")
LEVEL_DTYPE = pd.CategoricalDtype(list(schema.LEVELS), ordered=True)


def text_addresses(frame: pl.DataFrame) -> set[int]:
    """Where in memory the long texts of `message` lie."""
    views = frame["message"].to_arrow(compat_level=pl.CompatLevel.newest())
    return {buffer.address for buffer in views.buffers()[2:]}


def busy() -> Snapshot:
    """Two services in two files, each with fields of its own; one record without level and time, one reject."""
    java = rows(
        {"service": "pay", "duration_ms": 12.0},
        {"service": "pay", "level": "ERROR", "timestamp": NOON + 90 * SECOND},
        {"service": "pay", "level": None, "timestamp": None},
        {"service": "pay", "rejected": True, "reason": "no time", "text": "?"},
    )
    access = rows({"service": "web", "status": 500, "level": "WARN", "client": "10.0.0.1"})
    return snapshot(part(java), part(access, source=2))


def test_services_counts_every_service_with_its_rates_times_and_latencies() -> None:
    services = busy().services
    assert services.index.name == "service"
    assert services.index.to_list() == ["pay", "web"]
    assert services.columns.to_list() == [
        *("events", "errors", "error_rate", "warnings", "per_second", "first_seen", "last_seen"),
        *("p50_ms", "p95_ms", "p99_ms", "rejects"),
    ]
    pay = services.loc["pay"]
    assert (pay.events, pay.errors, pay.error_rate, pay.warnings, pay.rejects) == (4, 1, 0.25, 0, 1)
    assert pay.last_seen == pd.Timestamp("2026-03-01 12:01:30", tz="UTC")
    assert pay.p95_ms == pytest.approx(12, rel=0.01)
    assert pd.isna(services.loc["web", "p95_ms"])
    assert services.dtypes[["first_seen", "last_seen"]].to_list() == [UTC_DTYPE, UTC_DTYPE]
    assert services.dtypes[["events", "errors", "rejects"]].to_list() == ["int64"] * 3


def test_levels_counts_each_service_and_level_and_what_has_none() -> None:
    levels = busy().levels
    assert levels.columns.to_list() == [*schema.LEVELS, "none"]
    assert levels.loc["pay"].to_list() == [0, 0, 2, 0, 1, 0, 1]
    assert levels.loc["web"].to_list() == [0, 0, 0, 1, 0, 0, 0]


def test_events_have_the_promised_columns_in_order_then_the_formats_own() -> None:
    events = busy().events
    assert events.columns.to_list()[: len(COLUMNS)] == list(COLUMNS)
    assert events.columns.to_list()[len(COLUMNS) :] == ["duration_ms", "status", "client"]
    assert list(COLUMNS[:6]) == ["timestamp", "level", "service", "message", "file", "offset"]


@pytest.mark.parametrize("snap", [busy(), snapshot()], ids=["some", "empty"])
def test_dtypes_of_events_do_not_depend_on_the_rows(snap: Snapshot) -> None:
    dtypes = snap.events.dtypes
    assert dtypes["timestamp"] == UTC_DTYPE
    assert dtypes["level"] == LEVEL_DTYPE
    for name in ("service", "message", "file", "reason", "text"):
        assert dtypes[name] == pd.StringDtype(na_value=float("nan"))
    for name in ("offset", "length_bytes", "source", "generation"):
        assert dtypes[name] == "int64"
    assert dtypes["rejected"] == "bool"
    assert dtypes["continues"] == pd.Int64Dtype()


def test_whole_numbers_of_a_format_stay_whole_where_other_files_lack_them() -> None:
    events = busy().events
    assert events["status"].dtype == pd.Int64Dtype()
    assert events["status"].to_list()[:4] == [pd.NA] * 4
    assert events["status"].iloc[4] == 500


def test_events_are_ordered_by_file_generation_and_offset_whatever_the_order_of_reading() -> None:
    snap = snapshot(
        part(rows({}, {}, offset=20), source=2),
        part(rows({}, offset=50), source=1, generation=1),
        part(rows({}, {}, offset=0), source=2),
        part(rows({}, offset=90), source=1),
    )
    found = snap.events[["file", "generation", "offset"]]
    assert found.equals(found.sort_values(["file", "generation", "offset"], ignore_index=True))
    assert len(found) == 6


def test_rows_of_a_frame_that_joins_blocks_read_out_of_order_are_put_in_order() -> None:
    joined = pl.concat([rows({}, {}, offset=50), rows({}, {}, offset=0)])
    snap = snapshot(part(joined), part(rows({}, {}, offset=20)), part(rows({}), source=2))
    assert snap.events["offset"].to_list() == [0, 10, 20, 30, 50, 60, 0]


def test_a_format_may_have_fields_called_file_and_source() -> None:
    frame = rows({"file": "Main.java", "source": "eth0", "source_": "kept"})
    events = snapshot(part(frame)).events
    assert events.loc[0, ["file", "file_", "source", "source__", "source_"]].to_list() == [
        *("/logs/app1.log", "Main.java", 1, "eth0", "kept")
    ]


def test_fields_of_one_name_and_two_types_share_a_column() -> None:
    numbers = rows({"code": 5}, code=pl.Int64())
    words = rows({"code": "E5"}, offset=10)
    assert snapshot(part(numbers), part(words)).events["code"].to_list() == ["5", "E5"]


def test_exactly_the_newest_rows_are_shown_and_the_others_counted_as_dropped() -> None:
    old, new = part(rows({}, {}, {})), part(rows({}, {}, offset=30))
    gone = rows({}, {}, {}, {}, offset=900)
    snap = snapshot(old, new, lost=[gone], keep_events=3)
    assert snap.events["offset"].to_list() == [20, 30, 40]
    assert snap.dropped_events == 4 + 2
    assert len(snap) == 9
    assert snap.services.loc["app", "events"] == 9


def test_with_keep_events_0_there_are_statistics_only() -> None:
    snap = snapshot(part(rows({}, {}), held=True), lost=[rows({}, {})], keep_events=0)
    assert snap.events.empty
    assert snap.dropped_events == len(snap) == 4
    assert "statistics only" in repr(snap)


def test_the_polars_frame_has_the_rows_of_events_and_shares_their_text() -> None:
    frame = rows({"message": "x" * 5000}, {"message": "y" * 5000})
    snap = snapshot(part(frame))
    assert snap.frame.height == len(snap.events) == 2
    assert text_addresses(snap.frame) == text_addresses(frame)


def test_timeline_has_a_row_for_every_bucket_and_a_column_for_every_level() -> None:
    timeline = busy().timeline("30s")
    assert timeline.index.equals(
        pd.date_range("2026-03-01 12:00", periods=4, freq="30s", tz="UTC", unit="us", name="timestamp")
    )
    assert timeline.columns.to_list() == list(schema.LEVELS)
    assert timeline["ERROR"].to_list() == [0, 0, 0, 1]
    assert timeline["INFO"].to_list() == [2, 0, 0, 0]
    assert (timeline.dtypes == "int64").all()


def test_timeline_has_a_column_for_no_level_where_that_occurs() -> None:
    timeline = snapshot(part(rows({"level": None}, {}))).timeline("1min")
    assert timeline.loc["2026-03-01 12:00", ["INFO", "none"]].to_list() == [1, 1]


def test_timeline_by_service_puts_the_busiest_first_and_by_none_counts_all() -> None:
    snap = busy()
    assert snap.timeline("1h", by="service").iloc[0].to_dict() == {"pay": 3, "web": 1}
    assert snap.timeline("1h", by=None).iloc[0].to_dict() == {"events": 4}


@pytest.mark.parametrize("width", ["1s", "30s", "1min", "1D", "7D", None, pd.Timedelta(minutes=5)])
def test_every_event_with_a_time_is_in_a_timeline_of_any_width(width: object) -> None:
    assert busy().timeline(width).to_numpy().sum() == 4


@pytest.mark.parametrize("seconds", [0, 30, 119, 121, 3600, 86_400, 40 * 86_400, 900 * 86_400, 30_000 * 86_400])
def test_the_width_chosen_reads_well_for_any_range(seconds: int) -> None:
    frame = rows({}, {"timestamp": NOON + seconds * SECOND})
    timeline = snapshot(part(frame)).timeline()
    assert timeline.to_numpy().sum() == 2
    assert len(timeline) <= 122
    assert len(timeline) >= min(seconds, 20)


def test_a_width_finer_than_the_statistics_is_counted_from_the_rows() -> None:
    frame = rows({}, {"timestamp": NOON + 250_000}, {"timestamp": NOON + 260_000})
    assert snapshot(part(frame)).timeline("250ms", by=None)["events"].to_list() == [1, 2]


def test_a_width_finer_than_the_statistics_needs_rows_and_the_error_names_one_that_does() -> None:
    snap = snapshot(part(rows({})), lost=[rows({})])
    with pytest.raises(NeedsEvents, match="try width='1s'") as caught:
        snap.timeline("250ms")
    assert "250ms" in caught.value.question
    assert snap.timeline("1s").to_numpy().sum() == 2


@pytest.mark.parametrize("width", ["soon", 0, "-1min", "1ns", float("nan"), None.__class__])
def test_a_width_that_is_none_is_refused_with_an_example(width: object) -> None:
    with pytest.raises(SettingError, match="try '1min'"):
        busy().timeline(width)


def test_one_wrong_date_cannot_fill_the_memory_with_zeros() -> None:
    snap = snapshot(part(rows({}, {"timestamp": 0})))
    with pytest.raises(SettingError, match="wider width"):
        snap.timeline("1s")


def test_times_before_1970_and_after_2200_are_no_times_in_any_timeline() -> None:
    frame = rows({}, {"timestamp": -MINUTE}, {"timestamp": 9_000_000_000_000_000})
    snap = snapshot(part(frame))
    assert snap.timeline("1s", by=None)["events"].sum() == snap.timeline("1ms", by=None)["events"].sum() == 1


def test_files_have_one_row_per_generation_with_what_is_left_to_read() -> None:
    sources = (
        source(1, "/logs/b.log", size_bytes=100, offset_bytes=60, state="reading"),
        source(2, "/logs/a.log.gz", compression="gzip", state="failed", error="torn", modified=None),
        source(1, "/logs/b.log", generation=1),
    )
    files = snapshot(sources=sources).files
    assert files["path"].to_list() == ["/logs/a.log.gz", "/logs/b.log", "/logs/b.log"]
    assert files["generation"].to_list() == [0, 0, 1]
    assert files["lag_bytes"].to_list() == [0, 40, 0]
    assert files["error"].to_list()[0] == "torn"
    assert files.dtypes["modified"] == UTC_DTYPE


def test_audit_says_which_ledger_does_not_balance() -> None:
    sources = (source(1, "/a"), source(2, "/b", seen_bytes=99), source(3, "/c", committed_bytes=70, skipped_bytes=20))
    pending = source(4, "/d", committed_bytes=70, skipped_bytes=20, pending_bytes=10, skipped_reason="binary")
    snap = snapshot(sources=(*sources, pending))
    audit = snap.audit().set_index("path")
    assert audit["balanced"].to_list() == [True, False, False, True]
    assert audit.loc["/d", "skipped_reason"] == "binary"
    assert "NOT balanced for 2 of 4 files" in repr(snap)
    assert "ledger balanced" in repr(snapshot())


def test_rejects_are_the_records_their_format_could_not_read() -> None:
    rejects = busy().rejects
    assert rejects.to_dict("records") == [
        {"file": "/logs/app1.log", "offset": 30, "length_bytes": 10, "reason": "no time", "text": "?"}
    ]


def test_threads_say_since_when_they_do_what_they_do() -> None:
    threads = snapshot(threads=(thread(), thread("logkit-watcher", alive=False, last_error="boom"))).threads
    assert threads.loc[0, "since"] == pd.Timestamp("2026-03-01 12:00:58", tz="UTC")
    assert threads.loc[0, "for_seconds"] == 2.0
    assert threads["alive"].to_list() == [True, False]
    assert threads.dtypes["since"] == UTC_DTYPE


def test_a_snapshot_cannot_be_changed_through_what_it_gives() -> None:
    snap = busy()
    for name in ("services", "events", "files", "levels"):
        taken = getattr(snap, name)
        taken.iloc[0, 0] = taken.iloc[-1, 0]
        taken["new"] = 1
        assert "new" not in getattr(snap, name).columns
    services = snap.services
    services.loc["pay", "events"] = 0
    assert snap.services.loc["pay", "events"] == 4
    with pytest.raises(AttributeError):
        snap.capture = None  # type: ignore[misc, assignment]


def test_each_part_is_made_once() -> None:
    snap = busy()
    assert snap.stats is snap.stats
    assert snap.frame is snap.frame
    assert snap.tables("services") is snap.tables("services")


def test_an_empty_snapshot_answers_everything() -> None:
    snap = snapshot(sources=(), threads=())
    assert len(snap) == 0
    assert not snap
    for frame in (snap.services, snap.levels, snap.events, snap.files, snap.rejects, snap.threads, snap.audit()):
        assert frame.empty
    assert snap.timeline().empty
    assert snap.timeline(by="service").shape == (0, 0)
    assert len(snap.where(service="app")) == len(snap.between("2026-01-01")) == len(snap - snap) == 0
    assert "0 events of 0 services in 0 files" in repr(snap)
    assert "<table" not in snap._repr_html_()


def test_repr_says_in_a_few_lines_what_is_there() -> None:
    lines = repr(busy()).splitlines()
    assert lines[0] == ("Snapshot: 5 events of 2 services in 2 files, 2026-03-01 12:00:00 to 12:01:30 UTC (1 min 30 s)")
    assert lines[1] == "  1 error (20 %), 1 warning, 1 reject; all rows kept"
    assert lines[2] == "  running, version 2, taken 2026-03-01 12:01:00 UTC; ledger balanced"
    assert len(lines) == 3


def test_repr_says_what_was_dropped_filtered_and_which_files_are_in_trouble() -> None:
    snap = snapshot(part(rows({}, {})), lost=[rows({})], sources=(source(), source(2, "/b", state="failed")))
    assert "2 newest rows kept, 1 dropped" in repr(snap)
    assert "1 failed" in repr(snap)
    assert "only service='app'" in repr(snap.where(service="app"))


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "a&b\"'", "\x1b[31m\u202e"]
)
def test_hostile_names_are_shown_in_html_not_run(name: str) -> None:
    html = snapshot(part(rows({"service": name})))._repr_html_()
    assert set(re.findall(r"</?(\w+)", html)) == {"div", "b", "table", "tr", "th", "td"}
    assert name not in html
    assert "onerror=alert(1)>" not in html
    html = snapshot(part(rows({"service": name}))).where(service=name)._repr_html_()
    assert set(re.findall(r"</?(\w+)", html)) == {"div", "b", "table", "tr", "th", "td"}


def test_html_shows_at_most_a_screenful_of_services_and_counts_the_rest() -> None:
    html = snapshot(part(rows(*({"service": f"s{at}"} for at in range(60)))))._repr_html_()
    assert html.count("<tr>") == 13
    assert "and 48 more services" in html


def test_what_it_is_can_be_read_off() -> None:
    snap = snapshot(part(rows({})), version=7, state="stopped")
    assert snap.taken_at == datetime(2026, 3, 1, 12, 1, tzinfo=UTC)
    assert (snap.version, snap.state) == (7, "stopped")
    assert {"services", "events", "plot", "sql", "where"} <= set(dir(snap))
    assert not [name for name in dir(snap) if name.startswith("_")]


def test_a_snapshot_travels_to_another_process() -> None:
    snap = busy()
    assert snap.services.equals(pickle.loads(pickle.dumps(snap)).services)


def test_importing_snapshot_loads_no_heavy_library() -> None:
    heavy = {"pandas", "duckdb", "pyarrow", "matplotlib"}
    code = f"import sys, logkit.snapshot; print(sorted({heavy!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"
