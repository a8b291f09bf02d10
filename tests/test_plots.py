"""Plots: what is drawn, what is said, and that log text is never read as anything but text."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from itertools import pairwise

import matplotlib.dates
import nbformat
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from nbclient import NotebookClient

from logkit import schema
from logkit.errors import SettingError
from logkit.snapshot import Snapshot
from logkit.views.style import LEVEL_COLOURS, SERIES_COLOURS, plain
from tests.captures import MINUTE, NOON, SECOND, part, rows, snapshot

HOSTILE = [
    "$x_1$",
    "<script>alert(1)</script>",
    "_hidden",
    "$\\frac{$",
    "a\nb\x1b[31m",
    "x" * 500,
    "",
    "名前",
    "\u202e",
]


def minutes(count: int = 5, **event: object) -> Snapshot:
    """One event a minute, levels in turn."""
    levels = [*schema.LEVELS, None]
    return snapshot(
        part(rows(*({"timestamp": NOON + at * MINUTE, "level": levels[at % 7], **event} for at in range(count))))
    )


def drawn(ax: Axes) -> bytes:
    """The picture: warnings of Matplotlib would be errors here."""
    buffer = BytesIO()
    figure = ax.figure
    assert isinstance(figure, Figure)
    figure.savefig(buffer, format="png", dpi=50)
    return buffer.getvalue()


def legend_names(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def bar_total(ax: Axes) -> float:
    return sum(patch.get_height() for patch in ax.patches)  # type: ignore[attr-defined]


def test_timeline_draws_every_event_stacked_by_level_with_units_and_zone() -> None:
    ax = minutes(14).plot.timeline(width="1min")
    assert bar_total(ax) == 14
    assert ax.get_xlabel() == "time (UTC)"
    assert ax.get_ylabel() == "events per 1 min"
    assert legend_names(ax) == ["none", *schema.LEVELS]
    assert drawn(ax)


def test_timeline_names_only_the_levels_that_occur() -> None:
    assert legend_names(snapshot(part(rows({}, {"level": "ERROR"}))).plot.timeline()) == ["INFO", "ERROR"]


def test_timeline_bars_begin_where_their_bucket_begins() -> None:
    ax = minutes(3).plot.timeline(width="1min", by=None)
    starts = [matplotlib.dates.num2date(patch.get_x()).strftime("%H:%M:%S") for patch in ax.patches]  # type: ignore[attr-defined]
    assert starts == ["12:00:00", "12:01:00", "12:02:00"]


def test_many_buckets_are_drawn_as_one_area_of_the_same_height() -> None:
    ax = minutes(7 * 200, level="WARN").plot.timeline(width="7min")
    (area,) = ax.collections
    assert area.get_paths()[0].vertices[:, 1].max() == 7  # type: ignore[index, call-overload]
    assert drawn(ax)


def test_timeline_by_service_sums_up_what_has_no_colour_of_its_own() -> None:
    frame = rows(*({"service": f"s{at % 60:02d}", "timestamp": NOON + at * SECOND} for at in range(120)))
    ax = snapshot(part(frame)).plot.timeline(by="service")
    names = legend_names(ax)
    assert len(names) == len(SERIES_COLOURS)
    assert names[0] == "53 others"
    assert drawn(ax)


def test_services_shows_the_worst_first_and_counts_what_does_not_fit() -> None:
    frame = rows(*({"service": f"s{at:02d}"} for at in range(60) for _ in range(at + 1)))
    ax = snapshot(part(frame)).plot.services()
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[:2] == ["s59", "s58"]
    assert labels[-1] == "and 40 more"
    assert len(ax.patches) == 20
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert drawn(ax)


def test_services_by_error_rate_is_in_per_cent() -> None:
    frame = rows({"service": "good"}, {"service": "bad", "level": "FATAL"}, {"service": "bad"})
    ax = snapshot(part(frame)).plot.services(by="error_rate")
    drawn(ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["bad", "good"]
    assert [text.get_text() for text in ax.texts] == ["50 %", "0 %"]
    assert all(label.get_text().endswith(" %") for label in ax.get_xticklabels())


def test_services_by_latency_says_how_many_have_none() -> None:
    frame = rows({"service": "web", "duration_ms": 100.0}, {"service": "cron"}, {"service": "mail"})
    ax = snapshot(part(frame)).plot.services(by="p95_ms")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["web"]
    assert ax.get_title(loc="right") == "2 services without durations"
    assert "(ms)" in ax.get_xlabel()


def test_services_refuses_a_measure_it_does_not_have() -> None:
    with pytest.raises(SettingError, match="events, error_rate, p95_ms"):
        minutes().plot.services(by="speed")  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_every_plot_draws_whatever_the_number_of_events(count: int) -> None:
    plot = minutes(count, duration_ms=1.5).plot
    for ax in (plot.timeline(), plot.timeline(by="service"), plot.timeline(by=None)):
        assert drawn(ax)
    for measure in ("events", "error_rate", "p95_ms"):
        assert drawn(plot.services(by=measure))


def test_an_empty_plot_says_that_it_is() -> None:
    assert [text.get_text() for text in snapshot().plot.timeline().texts] == ["no events with a time"]
    assert [text.get_text() for text in snapshot().plot.services().texts] == ["no services"]
    untimed = snapshot(part(rows({"timestamp": None})))
    assert [text.get_text() for text in untimed.plot.timeline().texts] == ["no events with a time"]


def test_hostile_names_are_drawn_as_text() -> None:
    snap = snapshot(part(rows(*({"service": name, "level": "ERROR"} for name in HOSTILE))))
    timeline, services = snap.plot.timeline(by="service"), snap.plot.services(by="error_rate")
    assert drawn(timeline)
    assert drawn(services)
    labels = services.get_yticklabels()
    assert not any(label.get_parse_math() for label in labels)
    assert not any(text.get_parse_math() for text in timeline.get_legend().get_texts())  # type: ignore[union-attr]
    names = [label.get_text() for label in labels]
    assert {"$x_1$", "<script>alert(1)</script>", "_hidden", "$\\frac{$", "a\\nb\\x1b[31m", "(no name)"} <= set(names)
    assert max(map(len, names)) <= 36


@pytest.mark.parametrize("text", ["a\x00b", "\u202eabc", "x" * 1000, "\n" * 100, "tab\there"])
def test_plain_text_is_one_short_line_without_control_characters(text: str) -> None:
    assert plain(text, 40).isprintable()
    assert len(plain(text, 40)) <= 40


def test_axes_given_are_the_axes_drawn_on_and_returned() -> None:
    ax = Figure().add_subplot()
    assert minutes().plot.timeline(ax=ax) is ax
    other = Figure().add_subplot()
    assert minutes().plot.services(other) is other


def test_no_plot_touches_pyplot_outside_of_a_notebook() -> None:
    code = """
import sys
from tests.captures import part, rows, snapshot
snap = snapshot(part(rows({})))
snap.plot.timeline(), snap.plot.services()
assert "matplotlib.pyplot" not in sys.modules
print("none")
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (found.stdout.strip(), found.stderr) == ("none", "")


def test_in_a_notebook_the_figure_appears_under_its_cell_with_later_changes() -> None:
    cell = "from tests.captures import part, rows, snapshot\nax = snapshot(part(rows({}))).plot.timeline()\n"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell + "ax.set_title('mine')\nax")])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    pictures = [output for output in notebook.cells[0].outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 1


def test_level_colours_differ_in_lightness_where_they_touch() -> None:
    lightness = [float(np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722))) for colour in LEVEL_COLOURS.values()]
    assert all(abs(below - above) > 0.05 for below, above in pairwise(lightness))
    assert len(set(LEVEL_COLOURS.values())) == len(LEVEL_COLOURS)
