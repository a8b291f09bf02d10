"""The live panel without a browser: what is to be seen, as HTML, and moved by a thread."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

import logkit
from logkit.capture import AlertStatus, Capture, SinkStatus, StoreStatus
from logkit.errors import SettingError
from logkit.snapshot import Snapshot
from logkit.stats import Stats
from logkit.views.panel import frozen, markup, notebook
from logkit.views.panel.axis import ticks, top_of
from logkit.views.panel.counts import Counter, window_of
from logkit.views.panel.errors import Asked, Finder
from logkit.views.panel.lights import LANE_SECONDS, LANE_SLOTS, Lanes, thread_rows
from logkit.views.panel.look import Look, look
from logkit.views.panel.meter import Meter, Sample
from logkit.views.panel.moment import Moment, Wanted
from logkit.views.panel.refresher import Refresher
from logkit.views.panel.shown import Panels
from logkit.views.style import LEVEL_COLOURS
from tests.captures import MINUTE, NOON, SECOND, capture, part, rows, source, thread

DEADLINE = 20.0

# bqplot's own declarations, where it is first imported
pytestmark = pytest.mark.filterwarnings("ignore:metadata .* was set from the constructor:DeprecationWarning")
HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(1)">\\u2028$x_1$ class="lk-td" \x1b[31m'


def seen(made: Capture, wanted: Wanted | None = None, meter: Meter | None = None) -> Look:
    """What a panel shows of a capture."""
    wanted = wanted or Wanted()
    window = window_of(made.parts, wanted.window_us, round(made.taken_at * 1e6))
    moment = Moment(made, None, meter or Meter())
    errors = Finder().newest(made, Asked(None, wanted.min_level))
    return look(moment, Counter().count(made.parts, window), errors, "", wanted)


def everything(made: Look) -> str:
    parts = [markup.head, markup.selection, markup.services, markup.errors, markup.sinks, markup.threads]
    return "".join([*(one(made) for one in parts), markup.legend(made, "service")])


events = st.lists(
    st.fixed_dictionaries(
        {
            "timestamp": st.none() | st.integers(NOON, NOON + 20 * MINUTE),
            "level": st.none() | st.sampled_from(["DEBUG", "INFO", "WARN", "ERROR", "FATAL"]),
            "service": st.sampled_from(["a", "b", "c"]),
            "duration_ms": st.none() | st.floats(0, 1e6),
        }
    ),
    max_size=12,
)


@given(st.lists(events, max_size=10), st.sampled_from([None, 60 * SECOND, 15 * MINUTE]), st.data())
def test_counting_captures_that_follow_each_other_gives_what_counting_each_anew_gives(
    batches: list[list[dict[str, Any]]], length: int | None, data: st.DataObject
) -> None:
    counter, parts = Counter(), list[Stats]()
    for batch in batches:
        parts.append(Stats.of(rows(*batch)))
        if len(parts) > 2 and data.draw(st.booleans()):
            parts = [Stats.sum(parts[:2]), *parts[2:]]  # as the state merges what has piled up
        window = window_of(parts, length, NOON + 60 * MINUTE)
        once, anew = counter.count(parts, window), Counter().count([Stats.sum(parts)], window)
        assert once.names == anew.names
        assert once.rejects == anew.rejects
        assert np.array_equal(once.cells, anew.cells)
        assert np.array_equal(once.totals, anew.totals)
        assert np.array_equal(once.last_us, anew.last_us)
        every = np.ones(len(once.names), np.bool_), np.ones(7, np.bool_)
        assert np.array_equal(once.quantile_ms(0.95, *every), anew.quantile_ms(0.95, *every), equal_nan=True)


@given(st.lists(st.integers(0, 4_000_000_000), min_size=1), st.none() | st.integers(1, 10**7))
def test_a_window_ends_with_the_newest_event_and_has_few_whole_buckets(times: list[int], seconds: int | None) -> None:
    stats = Stats.of(rows(*({"timestamp": at * SECOND} for at in times)))
    window = window_of([stats], seconds and seconds * SECOND, 5_000_000_000 * SECOND)
    assert window is not None
    assert window.stop_us - window.width_us <= max(times) * SECOND < window.stop_us
    assert window.start_us % window.width_us == window.stop_us % window.width_us == 0
    assert window.width_us % stats.width_us == 0
    assert 1 <= window.buckets <= 102
    assert seconds is not None or window.start_us <= min(times) * SECOND


def test_one_event_with_a_wrong_year_does_not_empty_the_window() -> None:
    stats = Stats.of(rows({"timestamp": NOON}, {"timestamp": NOON + 4 * 365 * 24 * 60 * MINUTE}))
    window = window_of([stats], 15 * MINUTE, NOON + MINUTE)
    assert window is not None
    assert window.start_us <= NOON < window.stop_us


@given(st.integers(0, 4_000_000_000), st.integers(1, 400_000_000))
def test_ticks_are_few_round_and_inside(start: int, length: int) -> None:
    found = ticks(start, start + length)
    assert len(found) <= 9
    assert all(start <= at < start + length for at in found)
    assert len(set(np.diff(list(found)))) <= 1


@given(st.floats(0, 1e12))
def test_the_axis_holds_what_is_drawn_and_not_much_more(height: float) -> None:
    assert height <= top_of(height) <= max(2 * height, 1)


samples = st.lists(st.tuples(st.floats(0.5, 30), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=30)


@given(samples)
def test_a_lag_is_none_where_all_is_read_and_never_longer_than_was_watched(
    steps: list[tuple[float, int, int]],
) -> None:
    meter, clock, disk, read = Meter(), 0.0, 0, 0
    for seconds, grown, taken in steps:
        clock, disk = clock + seconds, disk + grown
        read = min(disk, read + taken)
        meter = meter.fed(Sample(clock, read, disk, read))
    assert meter.lag_bytes == disk - read
    assert (meter.lag_seconds == 0) or disk > read
    assert 0 <= meter.lag_seconds <= sum(seconds for seconds, _, _ in steps)
    assert meter.events_per_second >= 0
    assert len(meter.samples) <= 300


def test_a_meter_is_still_once_rates_have_gone_to_zero() -> None:
    meter = Meter().fed(Sample(0, 10, 10, 10)).fed(Sample(0.5, 20, 20, 20))
    assert not meter.still
    for tick in range(2, 12):
        meter = meter.fed(Sample(tick / 2, 20, 20, 20))
    assert meter.still
    assert meter.events_per_second == 0


def lagging(seconds: float) -> Meter:
    return Meter().fed(Sample(0, 0, 50_000_000, 0)).fed(Sample(seconds, 9, 50_000_000, 20_000_000))


@pytest.mark.parametrize(
    ("facts", "meter", "state"),
    [
        ({}, Meter(), "idle"),
        ({}, Meter().fed(Sample(0, 0, 9, 9)).fed(Sample(1, 5, 9, 9)), "running"),
        ({}, lagging(4), "catching up"),
        ({"sources": (source(state="retrying", error="gone"),)}, lagging(4), "failing"),
        ({"sources": (source(seen_bytes=7),)}, Meter(), "failing"),
        ({"state": "failed"}, Meter(), "failed"),
        ({"state": "stopped"}, lagging(4), "stopped"),
        ({"sources": ()}, Meter(), "idle"),
    ],
)
def test_the_head_says_the_worst_that_is_true(facts: dict[str, Any], meter: Meter, state: str) -> None:
    assert seen(capture(part(rows({})), **facts), meter=meter).health.state == state


def test_catching_up_says_how_much_is_read_and_how_long_it_will_take() -> None:
    shown = seen(capture(part(rows({}))), meter=lagging(4))
    assert shown.health.share == pytest.approx(0.4)
    assert "40 % read" in markup.head(shown)
    behind = next(fact for fact in shown.facts if fact.name == "behind")
    assert (behind.figure, behind.beside) == ("30 MB", "4 s, 6 s to go")


def test_services_stand_worst_first_and_the_rest_is_counted() -> None:
    made = [{"service": f"s{at:02}", "level": "ERROR" if at < 3 else "INFO"} for at in range(30) for _ in range(at + 1)]
    shown = seen(capture(part(rows(*made))))
    assert [row.name for row in shown.services][:5] == ["s02", "s01", "s00", "s29", "s28"]
    assert len(shown.services) == 12
    assert shown.more_services == 18
    assert "and 18 more" in markup.services(shown)


def test_a_service_that_used_to_speak_is_marked_silent() -> None:
    talking = [{"service": "web", "timestamp": NOON + at * SECOND} for at in range(600)]
    quiet = [{"service": "cron", "timestamp": NOON + at * SECOND} for at in range(30)]
    shown = {row.name: row.silent_us for row in seen(capture(part(rows(*talking, *quiet)))).services}
    assert shown == {"web": None, "cron": 570 * SECOND}


def test_controls_narrow_the_timeline_and_the_table() -> None:
    made = capture(part(rows(*({"service": name, "level": level} for name in "ab" for level in ("INFO", "ERROR")))))
    assert seen(made, Wanted(services="B")).services[0].name == "b"
    only = seen(made, Wanted(min_level="WARN"))
    assert [(row.name, row.events) for row in only.services] == [("a", 1), ("b", 1)]
    assert only.chart is not None
    assert only.chart.names == ("ERROR",)
    by_service = seen(made, Wanted(by="service")).chart
    assert by_service is not None
    assert by_service.names == ("a", "b")


def test_events_without_a_time_count_in_the_table() -> None:
    shown = seen(capture(part(rows({"timestamp": None}, {"timestamp": None, "level": "ERROR"}))))
    assert shown.chart is None
    assert [(row.events, row.errors) for row in shown.services] == [(2, 1)]


def test_the_newest_errors_come_first_with_their_first_line_and_place() -> None:
    made = [
        {"level": "ERROR", "message": f"number {at}\nat some.where", "timestamp": NOON + at * SECOND}
        for at in range(20)
    ]
    found = seen(capture(part(rows(*made)))).errors
    assert [row.message for row in found] == [f"number {at}" for at in range(19, 11, -1)]
    assert (found[0].file, found[0].offset) == ("app1.log", 190)


def test_a_passing_state_of_an_idle_thread_is_no_light() -> None:
    passing, lasting = thread(state="reading", since=99.9), thread("logkit-worker-2", state="reading", since=90.0)
    assert [row.light for row in thread_rows(capture(threads=(passing, lasting)), None)] == ["waiting", "reading"]


def test_a_lane_says_what_took_most_of_each_slot_and_nothing_older() -> None:
    slot = LANE_SECONDS / LANE_SLOTS
    clock = 1000.0
    began = clock - LANE_SECONDS
    did = (
        ("parsing", "old.log", 0.0, began),
        ("waiting", "", began, began + 2 * slot),
        ("reading", "a.log", began + 2 * slot, began + 2.3 * slot),
        ("parsing", "a.log", began + 2.3 * slot, began + 5 * slot),
        ("blocked", "state", began + 5 * slot, began + 6 * slot),
    )
    worker = replace(thread(), state="sleeping", since=began + 6 * slot, intervals=(did,))
    lane = Lanes().next(replace(capture(threads=(worker,)), clock=clock)).of[worker.name]
    assert [state for state, _ in lane] == [
        "",
        "",
        "parsing",
        "parsing",
        "parsing",
        "blocked",
        *[""] * (LANE_SLOTS - 6),
    ]
    assert [round(share, 3) for _, share in lane[:7]] == [0, 0, 1, 1, 1, 1, 0]
    lane = Lanes().next(replace(capture(threads=(replace(worker, state="parsing"),)), clock=clock)).of[worker.name]
    assert {state for state, _ in lane[6:]} == {"parsing"}


def test_a_watcher_that_sleeps_is_not_busy() -> None:
    worker = replace(thread(), name="logkit-watcher", state="sleeping", since=0.0)
    before, after = (replace(capture(threads=(worker,)), clock=clock) for clock in (100.0, 101.0))
    assert thread_rows(after, before)[0].busy == 0.0


class Tags(HTMLParser):
    """The tags and attributes of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.mark.parametrize("text", [HOSTILE, "</td></table>", "", "\u202e", "a" * 5000, "${1}{x}%s"])
def test_hostile_text_stays_text_live_and_frozen(text: str) -> None:
    made = capture(part(rows({"service": text, "message": text, "level": "ERROR"})), roots=(text,))
    shown = seen(replace(made, sources=(source(path=f"/logs/{text}.log"),)), Wanted(by="service"))
    for html in (everything(shown), frozen.html(shown, "service")):
        found = Tags(html)
        assert not {"script", "style", "iframe", "a", "form", "object"} & found.tags
        assert not {name for name in found.attributes if name.startswith("on")}
        assert "<script" not in html


def test_a_frozen_panel_needs_neither_style_sheet_nor_script_nor_network() -> None:
    html = frozen.html(seen(capture(part(rows({"level": "ERROR"}, {})))), "level")
    assert not {"script", "style", "link", "svg"} & Tags(html).tags
    assert "class" not in Tags(html).attributes
    assert "data:image/png;base64," in html
    assert "http" not in html


def test_colours_of_levels_are_told_apart_with_any_colour_vision_and_on_any_page() -> None:
    # G. M. Machado et al.: "A physiologically-based model for simulation of color vision deficiency", IEEE TVCG 15(6).
    visions = {
        "normal": np.eye(3),
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    }
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])

    def linear(colour: str) -> np.ndarray[Any, Any]:
        channels = np.array(to_rgb(colour))
        return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)

    def lab(rgb: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
        f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    for matrix in visions.values():
        labs = {name: lab(np.array(matrix) @ linear(colour)) for name, colour in LEVEL_COLOURS.items()}
        assert min(float(np.linalg.norm(labs[a] - labs[b])) for a, b in combinations(labs, 2)) > 12
    for name in ("WARN", "ERROR", "FATAL", "INFO"):
        light = float(to_xyz[1] @ linear(LEVEL_COLOURS[name]))
        dark = float(to_xyz[1] @ linear("#111111"))
        assert 1.05 / (light + 0.05) > 1.5
        assert (light + 0.05) / (dark + 0.05) > 2.2


# -- moved by a thread -----------------------------------------------------------------------------------


class Growing:
    """Gives snapshots of what it is told; counts how often it was asked."""

    def __init__(self) -> None:
        self.capture = capture(part(rows({})))
        self.asked = threading.Semaphore(0)

    def snapshot(self) -> Snapshot:
        self.asked.release()
        return Snapshot(replace(self.capture, clock=time.monotonic()))


class Shown:
    """Remembers what a refresher did to it."""

    def __init__(self, failing: bool = False) -> None:
        self.failing = failing
        self.moments: list[Moment] = []
        self.threads: set[str] = set()
        self.ended: list[BaseException | None] = []

    def refresh(self, moment: Moment) -> None:
        self.threads.add(threading.current_thread().name)
        if self.failing:
            raise RuntimeError("this panel is broken")
        self.moments.append(moment)

    def finish(self, moment: Moment | None, failure: BaseException | None) -> None:
        self.threads.add(threading.current_thread().name)
        self.ended.append(failure)


def test_panels_share_one_snapshot_a_round_and_a_broken_one_harms_no_other(no_thread_left_behind: None) -> None:
    source, good, also, broken = Growing(), Shown(), Shown(), Shown(failing=True)
    refresher = Refresher(source)
    for panel in (broken, good, also):
        refresher.add(panel)
    for _ in range(4):
        assert source.asked.acquire(timeout=DEADLINE)
    assert refresher.end((good, also), DEADLINE)
    assert refresher.join(DEADLINE)
    assert [id(one) for one in good.moments if one in also.moments]
    assert [repr(error) for error in broken.ended] == ["RuntimeError('this panel is broken')"]
    assert good.ended == also.ended == [None]
    assert good.threads == also.threads == broken.threads == {"logkit-refresher"}


def test_a_source_that_fails_ends_its_panels_and_the_thread(no_thread_left_behind: None) -> None:
    class Failing(Growing):
        def snapshot(self) -> Snapshot:
            raise OSError("no more")

    refresher, panel = Refresher(Failing()), Shown()
    refresher.add(panel)
    assert refresher.join(DEADLINE)
    assert [str(error) for error in panel.ended] == ["no more"]


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What widgets send to the browser: the state that changed."""
    sent: list[dict[str, Any]] = []
    send = ipywidgets.Widget._send

    def counted(self: ipywidgets.Widget, msg: dict[str, Any], buffers: Any = None) -> None:
        sent.append(msg)
        send(self, msg, buffers)

    monkeypatch.setattr(ipywidgets.Widget, "_send", counted)
    return sent


def test_nothing_is_sent_where_nothing_changed(messages: list[dict[str, Any]]) -> None:
    panel, made = Panels(Growing()).get("15min", "level"), capture(part(rows({}, {"level": "ERROR"})))
    panel._open()
    moment = Moment(made)
    counts = []
    for tick in range(40):
        before = len(messages)
        moment = moment.next(replace(made, clock=made.clock + tick / 2))
        panel.refresh(moment)
        counts.append(len(messages) - before)
    assert counts[0] > 0
    assert counts[20:] == [0] * 20
    panel.refresh(moment.next(replace(capture(part(rows({}, {}, {})), version=9), clock=made.clock + 21)))
    assert len(messages) > sum(counts)
    panel.finish(moment, None)


def test_closing_a_panel_closes_every_widget_it_made() -> None:
    before = set(_instances())
    panel = Panels(Growing()).get("15min", "level")
    panel._open()
    assert len(set(_instances()) - before) > 20
    panel.finish(None, None)
    assert set(_instances()) - before == set()


def test_still_pictures_in_the_place_of_panels_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "replace", lambda *_: None)
    counts = []
    for _ in range(8):
        panel = Panels(Growing()).get("15min", "level")
        panel._open()
        panel._displays = ["an output"]
        panel.finish(None, None)
        counts.append(len(_instances()))
    assert counts[3] - counts[0] <= 3 * 8
    assert len(set(counts[3:])) == 1


def _instances() -> dict[str, Any]:
    from ipywidgets.widgets import widget

    return dict(widget._instances)


def test_asking_again_for_the_same_panel_gives_it() -> None:
    panels = Panels(Growing())
    assert panels.get("15min", "level") is panels.get("900s", "level")
    assert panels.get("all", "level") is panels.get(None, "level")
    assert panels.get("15min", "service") is not panels.get("15min", "level")


@pytest.mark.parametrize(("window", "by"), [("soon", "level"), (0, "level"), ("-1s", "level"), ("1h", "file")])
def test_what_no_panel_can_show_is_refused(window: Any, by: Any) -> None:
    with pytest.raises(SettingError, match=r"expected (window|by)="):
        Panels(Growing()).get(window, by)


def test_a_selection_is_the_bars_it_touches_and_gives_their_snapshot() -> None:
    made, source = [{"timestamp": NOON + at * SECOND} for at in range(600)], Growing()
    source.capture = capture(part(rows(*made)))
    panel = Panels(source).get("15min", "level")
    assert panel.selection is None
    assert len(panel.selected()) == 600
    panel._open()
    assert panel._face is not None
    panel._face._timeline._brush.selected = np.array([NOON / 1e6 + 101.5, NOON / 1e6 + 207.2])
    panel.refresh(Moment(source.snapshot().capture))
    chosen = panel.selection
    assert chosen is not None
    assert [(end.timestamp() - NOON / 1e6) for end in chosen] == [100, 210]
    assert len(panel.selected()) == 110
    assert "110 events" in panel._face._html["selection"].value
    panel.finish(None, None)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    (tmp_path / "a.log").write_text(
        '{"timestamp":"2026-03-01T12:00:00Z","level":"error","service":"a","message":"x"}\n'
    )
    return tmp_path


def test_a_monitor_outside_of_a_notebook_shows_one_line(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logkit.watch(logs) as monitor:
        monitor._ipython_display_()
        assert [one.name for one in threading.enumerate() if "refresher" in one.name] == []
    assert capsys.readouterr().out.count("\n") == 1


def test_keep_events_0_is_said_where_errors_would_stand() -> None:
    source = Growing()
    source.capture = capture(part(rows({})), keep_events=0)
    panel = Panels(source).get("15min", "level")
    panel._open()
    assert panel._face is not None
    assert "no rows are kept" in panel._face._html["errors"].value
    panel.finish(None, None)


def test_a_store_that_cannot_be_written_to_makes_the_panel_say_failing_and_why() -> None:
    status = StoreStatus("/kept/incident.duckdb", 3, "retrying", "the disk is <full>", 2, 2_000_000, 1)
    shown = seen(capture(part(rows({})), store_status=status))
    assert (shown.health.state, shown.health.why) == ("failing", "the store: the disk is <full>")
    assert "1 event written \u00b7 2 batches wait (2.0 MB) \u00b7 the disk is &lt;full&gt;" in markup.sinks(shown)
    assert "<b>incident.duckdb</b> retrying" in frozen.html(shown, "level")


def test_the_newest_errors_of_a_store_are_found_commit_by_commit(tmp_path: Path) -> None:
    def lines(first: int, last: int) -> str:
        event = '{{"timestamp":"2026-03-01T12:00:{:02}Z","level":"error","service":"{}","message":"number {}"}}\n'
        return "".join(event.format(at, "ab"[at % 2], at) for at in range(first, last))

    log, finder = tmp_path / "a.log", Finder()
    log.write_text(lines(0, 10))
    with logkit.watch(log, store=tmp_path / "kept.duckdb") as monitor:
        assert monitor.wait_idle(DEADLINE)
        found = finder.newest(monitor.snapshot().capture, Asked())
        assert [row.message for row in found] == [f"number {at}" for at in range(9, 1, -1)]
        with log.open("a") as more:
            more.write(lines(10, 13))
        assert monitor.wait_idle(DEADLINE)
        made = monitor.snapshot().capture
        found = finder.newest(made, Asked())
        assert [row.message for row in found] == [f"number {at}" for at in range(12, 4, -1)]
        assert {(row.file, row.level, row.time_us) for row in found[:1]} == {("a.log", "ERROR", NOON + 12 * SECOND)}
        assert [row.message for row in finder.newest(made, Asked(services=("a",)))][:2] == ["number 12", "number 10"]
        assert finder.newest(made, Asked(min_level="FATAL")) == []
        assert not finder.trouble


def test_a_store_that_is_gone_is_said_and_what_it_had_told_stays(tmp_path: Path) -> None:
    store, log = tmp_path / "kept.duckdb", tmp_path / "a.log"
    log.write_text('{"timestamp":"2026-03-01T12:00:00Z","level":"error","service":"a","message":"x"}\n')
    with logkit.watch(log, store=store) as monitor:
        assert monitor.wait_idle(DEADLINE)
        made, finder = monitor.snapshot().capture, Finder()
        before = finder.newest(made, Asked())
    store.unlink()
    assert made.store is not None
    assert finder.newest(replace(made, store=replace(made.store, seq=made.store.seq + 1)), Asked()) == before
    assert "the store cannot be asked" in finder.trouble


def test_pausing_leaves_the_panel_as_it_is_and_says_so() -> None:
    source = Growing()
    panel = Panels(source).get("15min", "level")
    panel._open()
    assert panel._face is not None
    panel._face._pause.value = True
    panel.refresh(Moment(source.snapshot().capture))
    assert "paused" in panel._face._html["head"].value
    source.capture = capture(part(rows({}, {}, {})), version=9)
    panel.refresh(Moment(source.snapshot().capture))
    assert ">1<" in panel._face._html["head"].value
    panel._face._pause.value = False
    panel.refresh(Moment(source.snapshot().capture))
    assert ">3<" in panel._face._html["head"].value
    panel.finish(None, None)


def test_each_sink_has_a_line_and_so_have_alerts_that_are_up() -> None:
    sent = SinkStatus("db", "Postgres", "idle", events=5)
    failing = SinkStatus("api", "Http", "retrying", "nobody <there>", waiting_events=2, waiting_bytes=2_000)
    alerts = (AlertStatus("calm", "quiet", 0.0), AlertStatus("too many", "firing", 0.0, fired=1))
    shown = seen(capture(part(rows({})), sinks=(sent, failing), alerts=alerts))
    assert [(row.name, row.state, row.tone) for row in shown.sinks] == [
        ("db", "idle", "good"),
        ("api", "retrying", "bad"),
        ("too many", "firing", "bad"),
    ]
    assert "2 events wait (2.0 kB) \u00b7 nobody &lt;there&gt;" in markup.sinks(shown)


def test_a_sink_that_works_again_is_shown_though_no_log_has_changed(messages: list[dict[str, Any]]) -> None:
    failing = SinkStatus("api", "Http", "retrying", "nobody there")
    made = capture(part(rows({})), sinks=(failing,))
    panel, moment = Panels(Growing()).get("15min", "level"), Moment(made)
    panel._open()
    for tick in range(30):
        moment = moment.next(replace(made, clock=made.clock + tick / 2))
        panel.refresh(moment)
    before = len(messages)
    panel.refresh(
        moment.next(replace(made, clock=made.clock + 16, sinks=(replace(failing, state="idle", error=None),)))
    )
    assert len(messages) > before
    panel.finish(None, None)
