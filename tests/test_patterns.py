"""Message templates as a snapshot shows them, found in its rows or counted while reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from logkit.errors import SettingError
from tests.captures import MINUTE, NOON, part, rows, snapshot, source
from tests.outside import read, until, watch

LINE = "2026-03-01 12:{:02}:{:02},000 {} [orders] [exec-1] c.e.Orders - {}\n"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two statements and a stack trace, over four minutes."""
    path = tmp_path_factory.mktemp("patterns") / "orders.log"
    lines = [LINE.format(n // 60, n % 60, "INFO", f"order {n} took {n * 3} ms user=u{n % 7}") for n in range(240)]
    lines += [LINE.format(4, n, "ERROR", f"lost {n}\njava.io.Oops: at {n}\n\tat x.y(Z.java:1)") for n in range(3)]
    path.write_text("".join(lines))
    return path


def test_a_row_per_service_level_and_template(log: Path) -> None:
    table = read(log).patterns
    assert table["template"].tolist() == ["order <*> took <*> user=<*>", "lost <*>\n<*>"]
    assert table["count"].tolist() == [240, 3]
    assert table["share"].tolist() == pytest.approx([240 / 243, 3 / 243])
    assert table["level"].tolist() == ["INFO", "ERROR"]
    assert table["example"][0] == "order 0 took 0 ms user=u0"
    assert table["first_seen"][1] == pd.Timestamp("2026-03-01 12:04:00", tz="UTC")
    assert table["last_seen"][1] == pd.Timestamp("2026-03-01 12:04:02", tz="UTC")
    assert table["trend"].str.len().tolist() == [16, 16]
    assert table["trend"][1].strip() == "█"
    assert str(table["first_seen"].dtype) == "datetime64[us, UTC]"


@pytest.mark.parametrize("span_bytes", [4096, 1 << 20])
@pytest.mark.parametrize("keep_events", [None, 0])
def test_counted_while_reading_or_found_later_is_the_same(log: Path, keep_events: int | None, span_bytes: int) -> None:
    streamed = read(log, patterns=True, keep_events=keep_events, span_bytes=span_bytes, block_bytes=2048)
    pd.testing.assert_frame_equal(streamed.patterns, read(log).patterns)
    assert streamed.stats.has_patterns


def test_events_name_their_template_where_it_was_asked_for(log: Path) -> None:
    plain, streamed = read(log), read(log, patterns=True)
    assert "pattern" not in plain.events.columns
    assert set(streamed.events["pattern"]) == set(streamed.patterns["pattern"])
    named = plain.with_patterns()
    assert named.with_patterns() is named
    assert named.events["pattern"].tolist() == streamed.events["pattern"].tolist()
    assert named.events.columns.tolist() == streamed.events.columns.tolist()
    found = streamed.sql("select pattern, count(*) as n from events group by 1 order by 2 desc")
    assert found["n"].tolist() == [240, 3]


def test_a_selection_keeps_the_templates_of_the_whole() -> None:
    users = ["alice", "bob", "carol", "dave", "erin"]
    frame = rows(*({"message": f"user {one} logged in", "service": one} for one in users))
    whole = snapshot(part(frame)).with_patterns()
    one = whole.where(service="bob")
    assert one.patterns["template"].tolist() == ["user <*> logged in"]
    assert one.patterns["pattern"].tolist() == whole.patterns["pattern"].tolist()[:1]
    assert len(whole.where(pattern=one.patterns["pattern"][0])) == 5


def test_parameters_are_rows_of_events_and_put_back_give_the_message(log: Path) -> None:
    snap = read(log)
    pattern = snap.pattern(snap.patterns["pattern"][0])
    found = pattern.parameters
    assert found.columns.tolist() == ["p1", "p2", "user"]
    assert found.loc[7].tolist() == ["7", "21 ms", "u0"]
    assert snap.events.loc[found.index, "message"].tolist() == [
        f"order {row.p1} took {row.p2} user={row.user}" for row in found.itertuples()
    ]
    assert pattern.count == 240
    assert pattern.services == ("orders",)
    assert pattern.timeline["count"].sum() == 240
    assert len(pattern.snapshot) == 240
    assert "order <*> took" in repr(pattern)


def test_an_unknown_id_is_an_error_that_names_those_near_it(log: Path) -> None:
    snap = read(log)
    with pytest.raises(SettingError, match=snap.patterns["pattern"][0]):
        snap.pattern(snap.patterns["pattern"][0] + "x")
    with pytest.raises(SettingError):
        snapshot().pattern("none")


def test_plots_refuse_what_is_no_axes_ids_or_number_in_words(log: Path) -> None:
    plot: Any = read(log).plot
    for ask in (
        lambda: plot.patterns(top="x"),
        lambda: plot.patterns(top=0),
        lambda: plot.patterns(ids="x"),
        lambda: plot.patterns(["x"]),
        lambda: plot.error_rates("x"),
        lambda: plot.latency("orders"),
    ):
        with pytest.raises(SettingError, match=r"expected .*found .*; try "):
            ask()


def test_a_snapshot_without_events_has_an_empty_table() -> None:
    table = snapshot().patterns
    assert len(table) == 0
    assert table.columns.tolist() == read_columns()
    assert "pattern" in snapshot().with_patterns().events.columns


def read_columns() -> list[str]:
    frame = rows({"message": "a b"})
    return snapshot(part(frame)).patterns.columns.tolist()


def test_a_field_called_pattern_is_kept_under_another_name() -> None:
    frame = rows({"message": "a 1", "pattern": "own"})
    events = snapshot(part(frame)).with_patterns().events
    assert events["pattern_"].tolist() == ["own"]
    assert events["pattern"].tolist() != ["own"]


def test_the_example_is_the_one_with_the_smallest_place() -> None:
    later, earlier = rows({"message": "n 1"}, offset=90), rows({"message": "n 2"}, {"message": "n 3"}, offset=10)
    both = snapshot(part(later, source=2), part(earlier), sources=(source(2, "/logs/a.log"), source(1, "/logs/b.log")))
    assert both.patterns["example"].tolist() == ["n 2"]


def test_what_happened_in_between_has_its_own_counts(tmp_path: Path) -> None:
    path = tmp_path / "orders.log"
    path.write_text("".join(LINE.format(0, n, "INFO", f"order {n} placed") for n in range(5)))
    with watch(path, patterns=True, keep_events=3) as monitor:
        first = until(monitor, lambda snap: len(snap) == 5)
        with path.open("a") as file:
            file.write("".join(LINE.format(1, n, "INFO", f"order {n} placed") for n in range(4)))
        second = until(monitor, lambda snap: len(snap) == 9)
    assert second.patterns["count"].tolist() == [9]
    between = second - first
    assert between.patterns["count"].tolist() == [4]
    assert between.patterns["pattern"].tolist() == second.patterns["pattern"].tolist()


def test_events_without_a_time_count_but_have_no_trend() -> None:
    frame = rows({"message": "x 1", "timestamp": None}, {"message": "y z", "timestamp": NOON + MINUTE})
    table = snapshot(part(frame)).patterns.set_index("template")
    assert pd.isna(table.loc["x <*>", "first_seen"])
    assert table.loc["x <*>", "trend"] == ""
    assert table.loc["x <*>", "count"] == 1


def test_a_reading_that_does_not_ask_masks_nothing(log: Path) -> None:
    snap = read(log)
    assert snap.stats.tables.patterns is None
    assert "pattern_mask" not in snap.frame.columns


def test_hostile_templates_are_only_text() -> None:
    texts = ("<script>alert(1)</script> 7", "'; drop table events; -- 8", "(?i)[ 9")
    snap = snapshot(part(rows(*({"message": text} for text in texts))))
    for pattern in snap.patterns["pattern"]:
        assert pattern.replace("-", "").isalnum()
        assert len(snap.pattern(pattern).parameters) == 1
