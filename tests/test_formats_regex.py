"""Regular expressions read records as templates do."""

from __future__ import annotations

import pickle

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logkit.errors import FormatError
from logkit.formats.base import Format, Parsed, TimeRules
from logkit.formats.block import Block, Records, records_of, split_lines
from logkit.formats.regex import Regex
from logkit.formats.template import Template
from logkit.schema import STATS_FIELDS

PATTERN = (
    r"(?P<timestamp>\S+ \S+) +(?P<level>\w+) +\[(?P<service>[^\]]+)\] \[(?P<thread>[^\]]*)\] "
    r"(?P<logger>\S+) - (?P<message>.*)"
)
LOGBACK = Regex("logback", PATTERN, multiline=True)
TWIN = Template("logback", "{timestamp} {level:w} [{service}] [{thread?}] {logger:w} - {message}", multiline=True)
GOOD = "2026-03-01 12:00:00,001 INFO  [gateway] [main] com.example.Orders - Published"


def parse(format: Format, raw: str | bytes, *, stats_only: bool = False) -> Parsed:
    lines = split_lines(Block.of(raw.encode() if isinstance(raw, str) else raw))
    if not len(lines):
        return format.parse(
            Records(lines.block, lines.start, lines.stop, lines.stop), TimeRules(), stats_only=stats_only
        )
    starts = format.starts(lines)
    starts[0] = True
    return format.parse(records_of(lines, starts), TimeRules(), stats_only=stats_only)


def test_a_regular_expression_reads_what_its_template_reads() -> None:
    raw = f"{GOOD}\n\tat x\nnothing\n\n{GOOD.replace('INFO', 'ODD')}\n{GOOD.replace('[main]', '[]')}\n{GOOD[:-9]}\n"
    regex, template = parse(LOGBACK, raw), parse(TWIN, raw)
    assert regex.ok.tolist() == template.ok.tolist() == [True, True, True, True]
    assert regex.frame.equals(template.frame.select(regex.frame.columns))
    assert regex.frame["message"][0] == "Published\n\tat x\nnothing"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from([GOOD, "\n", "\r\n", " ", "x", "é", "2026-03-01 12:00:00", GOOD[:40], GOOD[:-9], "\t"]),
        max_size=30,
    )
)
def test_no_text_makes_a_regular_expression_raise_and_statistics_agree_with_events(parts: list[str]) -> None:
    for format in (LOGBACK, Regex("s", "(?P<level>INFO|x)(?P<message>.)?", search=True)):
        every, some = parse(format, "".join(parts)), parse(format, "".join(parts), stats_only=True)
        assert every.ok.tolist() == some.ok.tolist()
        assert set(some.frame.columns) <= set(STATS_FIELDS)
        assert some.frame.equals(every.frame.select(some.frame.columns))


def test_it_fits_from_end_to_end_unless_it_searches() -> None:
    raw = "a 1\nb 1 c\n1"
    assert parse(Regex("r", r"\w (?P<x>\d)"), raw).ok.tolist() == [True, False, False]
    assert parse(Regex("r", r"\w (?P<x>\d)", search=True), raw).ok.tolist() == [True, True, False]
    assert parse(Regex("r", r"^\w (?P<x>\d)$"), raw).ok.tolist() == [True, False, False]


def test_alternatives_of_a_pattern_are_anchored_as_a_whole() -> None:
    assert parse(Regex("r", r"(?P<x>a)|(?P<y>b)"), "a\nb\nax\nxb").ok.tolist() == [True, True, False, False]


def test_a_group_that_took_no_part_is_null() -> None:
    frame = parse(Regex("r", r"(?P<a>x)?(?P<b>y*)(?P<message>z?)"), "y\nx").frame
    assert frame.select("a", "b", "message").rows() == [(None, "y", ""), ("x", None, "")]


def test_a_time_that_cannot_be_read_does_not_fit_and_one_that_is_missing_does() -> None:
    parsed = parse(
        Regex("r", r"(?:(?P<timestamp>\d\S+ \S+) )?(?P<message>.*)"), "2026-13-01 12:00:00 x\nx\n2026-12-01 12:00:00 x"
    )
    assert parsed.ok.tolist() == [False, True, True]
    assert parsed.frame["timestamp"].is_null().to_list() == [True, True, False]


def test_levels_come_from_where_the_format_says() -> None:
    assert parse(Regex("r", r"(?P<status>\d+)", levels="status"), "500\n404\n200").frame["level"].to_list() == [
        "ERROR",
        "WARN",
        "INFO",
    ]
    assert parse(Regex("r", r"<(?P<pri>\d+)>", levels="syslog"), "<131>").frame["level"].to_list() == ["ERROR"]
    assert parse(Regex("r", r"(?P<level>.)", levels="letters"), "E").frame["level"].to_list() == ["ERROR"]
    assert parse(Regex("r", r"(?P<level>.)"), "E").frame["level"].to_list() == [None]


def test_a_lone_dash_is_null_where_the_format_says_so() -> None:
    pattern = r"(?P<user>\S+) (?P<bytes>\S+) (?P<message>.*)"
    assert parse(Regex("r", pattern, dash_is_null=True), "- - -").frame.select("user", "bytes", "message").row(0) == (
        None,
        None,
        "-",
    )
    assert parse(Regex("r", pattern), "- - -").frame["user"].to_list() == ["-"]


def test_without_a_message_the_whole_record_is_one() -> None:
    assert parse(Regex("r", r"(?P<a>\w+) .*", multiline=True), "a b\n c").frame["message"].to_list() == ["a b\n c"]


def test_records_of_several_lines_start_where_a_line_fits_or_has_the_time_in_its_place() -> None:
    lines = split_lines(Block.of(f"{GOOD}\n\tat x\n{GOOD[:30]}\n\n".encode()))
    assert LOGBACK.starts(lines).tolist() == [True, False, True, False]
    bracket = Regex("r", r"^\[(?P<timestamp>[^\]]+)\] (?P<message>.*)$", multiline=True)
    lines = split_lines(Block.of(b"[2026-03-01 12:00:00] x\n2026-03-01 12:00:00\n[x] y"))
    assert bracket.starts(lines).tolist() == [True, False, False]
    level = Regex("r", r"(?P<level>[A-Z]+): (?P<timestamp>\S+ \S+) (?P<message>.*)", multiline=True)
    assert level.starts(split_lines(Block.of(b"INFO: 1 2 x\n at\n\nWARN: y"))).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("pattern", "position"),
    [
        (r"^(?P<a>\d+", 1),
        (r"a(?P<b>[z-a])", 8),
        (r"(?P<é>é)(?=b)", 8),
        (r"  \q", 2),
        (r"(?P<offset>x)", 3),
        (r"no group (at) all", 0),
    ],
)
def test_a_wrong_pattern_is_refused_with_its_place(pattern: str, position: int) -> None:
    with pytest.raises(FormatError, match="expected") as caught:
        Regex("mine", pattern)
    assert caught.value.name == "mine"
    assert caught.value.position == position


def test_the_message_points_at_the_place() -> None:
    with pytest.raises(FormatError) as caught:
        Regex("mine", r"^(?P<a>\d+")
    *_, pattern, caret = str(caught.value).split("\n")
    assert pattern[caret.index("^")] == "("


def test_a_pattern_too_large_is_refused() -> None:
    with pytest.raises(FormatError, match="size limit"):
        Regex("mine", r"(?P<a>(?:x{1000}){1000})")


@pytest.mark.parametrize("settings", [{"time": "%Q"}, {"levels": "loud"}, {"levels": "status"}])
def test_wrong_settings_are_refused_in_the_formats_name(settings: dict[str, str]) -> None:
    with pytest.raises(FormatError, match="expected") as caught:
        Regex("mine", PATTERN, **settings)
    assert caught.value.name == "mine"


def test_regular_expressions_are_values() -> None:
    copy = pickle.loads(pickle.dumps(LOGBACK))
    assert copy == LOGBACK
    assert hash(copy) == hash(LOGBACK)
    assert isinstance(LOGBACK, Format)
    assert "logback" in repr(LOGBACK)


def test_no_records_give_an_empty_frame() -> None:
    parsed = parse(LOGBACK, "")
    assert parsed.frame.height == 0
    assert parsed.frame.schema["message"] == pl.String()
