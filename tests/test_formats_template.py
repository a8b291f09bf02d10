"""Templates read records column-wise: the fields that were written, and never an error for what a log says."""

from __future__ import annotations

import pickle
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logkit.errors import FormatError
from logkit.formats.base import Format, Parsed, TimeRules
from logkit.formats.block import Block, Records, records_of, split_lines
from logkit.formats.template import Template
from logkit.schema import LEVEL, LEVELS, STATS_FIELDS, TIMESTAMP

LOGBACK = Template("logback", "{timestamp} {level} [{service}] [{thread}] {logger} - {message}", multiline=True)
ACCESS = Template(
    "access",
    '{client:w} {_:w} {user:w} [{timestamp}] "{request}" {status:d} {bytes:w} "{referrer}" "{user_agent}"',
    time="%d/%b/%Y:%H:%M:%S %z",
    levels="status",
    dash_is_null=True,
)
RULES = TimeRules()


def records(format: Format, raw: bytes) -> Records:
    lines = split_lines(Block.of(raw))
    if not len(lines):
        return Records(lines.block, lines.start, lines.stop, lines.stop)
    starts = format.starts(lines)
    starts[0] = True
    return records_of(lines, starts)


def parse(format: Format, raw: bytes | str, *, stats_only: bool = False) -> Parsed:
    return format.parse(records(format, raw.encode() if isinstance(raw, str) else raw), RULES, stats_only=stats_only)


def row(format: Format, line: str) -> dict[str, object]:
    parsed = parse(format, line)
    assert parsed.ok.tolist() == [True], parsed.reason
    return parsed.frame.row(0, named=True)


def fits(format: Format, line: str) -> bool:
    return bool(parse(format, line).ok[0])


def test_a_logback_line_gives_its_fields() -> None:
    line = "2026-03-01 12:00:00,001 INFO  [gateway] [http-nio-8080-exec-7] com.example.Orders - Published id=9"
    assert row(LOGBACK, line) == {
        "timestamp": datetime(2026, 3, 1, 12, 0, 0, 1000, tzinfo=UTC),
        "level": "INFO",
        "service": "gateway",
        "message": "Published id=9",
        "thread": "http-nio-8080-exec-7",
        "logger": "com.example.Orders",
    }


def test_an_access_line_gives_its_fields_and_its_level_by_status() -> None:
    line = '10.0.0.1 - - [01/Mar/2026:13:00:00 +0100] "GET /a?b=\\"c\\" HTTP/1.1" 503 - "-" "curl/8 \\"x\\" y"'
    found = row(ACCESS, line)
    assert found["timestamp"] == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert (found["level"], found["status"], found["bytes"], found["user"]) == ("ERROR", 503, None, None)
    assert found["request"] == 'GET /a?b=\\"c\\" HTTP/1.1'
    assert found["user_agent"] == 'curl/8 \\"x\\" y'
    assert found["message"] == line
    assert "_" not in found


def test_the_columns_have_the_types_of_the_schema() -> None:
    template = Template("t", "{timestamp} {level} {service} {pid:d} {status} {duration_s} {x} {message}")
    frame = parse(template, "2026-03-01 12:00:00 WARN api 7 200 0.25 y hello").frame
    assert frame.schema == {
        "timestamp": TIMESTAMP, "level": LEVEL, "service": pl.String(), "message": pl.String(),
        "duration_ms": pl.Float64(), "pid": pl.Int64(), "status": pl.Int64(), "x": pl.String(),
    }  # fmt: skip
    assert frame["duration_ms"].to_list() == [250.0]


@pytest.mark.parametrize(("unit", "ms"), [("ms", 1500.0), ("s", 1_500_000.0), ("us", 1.5), ("ns", 0.0015)])
def test_durations_are_milliseconds_whatever_unit_they_were_written_in(unit: str, ms: float) -> None:
    found = row(Template("t", f"{{duration_{unit}}} {{message}}"), "1500 done")
    assert found["duration_ms"] == pytest.approx(ms)
    assert f"duration_{unit}" not in found or unit == "ms"


def test_a_number_that_does_not_read_as_one_is_null() -> None:
    assert row(Template("t", "{status} {message}"), "abc x")["status"] is None


WORD = st.text(st.characters(blacklist_categories=["Z", "C"], blacklist_characters="[] "), min_size=1, max_size=30)
MESSAGE = st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=120).filter(
    lambda text: not text.startswith(" ")
)
RECORD = st.tuples(
    st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)),
    st.sampled_from(LEVELS),
    WORD,
    WORD,
    WORD.filter(lambda word: word != "-"),
    MESSAGE,
    st.integers(1, 12),
)


@settings(deadline=None)
@given(st.lists(RECORD, min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_a_template_wrote_it_reads(written: list[tuple], end: str, newline: bool) -> None:
    lines = [
        f"{at:%Y-%m-%d %H:%M:%S.%f}{' ' * blanks}{level} [{service}] [ {thread}]{' ' * blanks}{logger} - {message}"
        for at, level, service, thread, logger, message, blanks in written
    ]
    raw = end.join(lines).encode() + (end.encode() if newline else b"")
    parsed = parse(LOGBACK, raw)
    assert parsed.ok.all()
    columns = ["timestamp", "level", "service", "thread", "logger", "message"]
    assert parsed.frame.select(columns).rows() == [fields[:6] for fields in written]


TEMPLATES = [
    LOGBACK,
    ACCESS,
    Template(
        "a", "{level:1}{timestamp} {pid:d} {code_file}:{line:d}] {message}", time="%m%d %H:%M:%S%f", levels="letters"
    ),
    Template(
        "b", "<{pri:d}>{timestamp} {host:w} {app?}: {message}", time="%b %e %H:%M:%S", levels="syslog", multiline=True
    ),
    Template("c", "{level} - {x:f} -- {y:3} {message?} end"),
    Template("d", "{a?}, {b?}, {c?}"),
    Template("e", "{timestamp} [{thread}] {message}\n{timestamp?} {level}: {message}", multiline=True),
    Template("f", "é{a}→{b:w}→{message}"),
]
LIKELY = st.lists(
    st.sampled_from(
        [
            *[
                b"2026-03-01 12:00:00",
                b"Mar  1 12:00:00",
                b"0301 12:00:00",
                b"01/Mar/2026:12:00:00 +0000",
                b"<13>",
                b"I",
            ],
            *[b" ", b"  ", b"INFO", b"[", b"]", b" - ", b"-", b"7", b".5", b"\n", b"\r\n", b"\r", b"\t", b":", b", "],
            *[b"end", b"\xc3\xa9", b"\xe2\x86\x92", b'"', b"x" * 70, b" " * 40, b"\x00"],
        ]
    ),
    max_size=60,
).map(b"".join)


@settings(max_examples=100, deadline=None)
@given(st.one_of(LIKELY, st.text(max_size=300).map(lambda text: text.encode("utf-8", "ignore"))))
def test_no_valid_utf8_makes_a_template_raise_and_no_field_leaves_its_record(raw: bytes) -> None:
    for template in TEMPLATES:
        lines = split_lines(Block.of(raw))
        assert not template.starts(lines)[lines.blank()].any()
        found = records(template, raw)
        parsed = template.parse(found, RULES)
        assert parsed.frame.height == len(parsed.ok) == len(found)
        whole = [raw[start:stop] for start, stop in zip(found.start.tolist(), found.stop.tolist(), strict=True)]
        for name in parsed.frame.columns:
            if parsed.frame[name].dtype == pl.String:
                for value, text, ok in zip(parsed.frame[name].to_list(), whole, parsed.ok.tolist(), strict=True):
                    assert not ok or value is None or value.encode() in text


@settings(max_examples=60, deadline=None)
@given(LIKELY)
def test_statistics_refuse_the_records_that_events_refuse_and_agree_with_them(raw: bytes) -> None:
    for template in TEMPLATES:
        found = records(template, raw)
        every, some = template.parse(found, RULES), template.parse(found, RULES, stats_only=True)
        assert every.ok.tolist() == some.ok.tolist()
        assert set(some.frame.columns) <= set(STATS_FIELDS)
        assert some.frame.equals(every.frame.select(some.frame.columns))


@settings(max_examples=30, deadline=None)
@given(st.lists(LIKELY.filter(lambda raw: b"\n" not in raw and bool(raw.strip())), min_size=1, max_size=8))
def test_a_record_reads_the_same_whatever_its_neighbours(lines: list[bytes]) -> None:
    for template in TEMPLATES:
        block = Block.of(b"\n".join(lines))
        found = split_lines(block)
        together = template.parse(records_of(found, np.ones(len(found), np.bool_)), RULES)
        for i, line in enumerate(lines):
            alone = template.parse(records_of(split_lines(Block.of(line)), np.ones(1, np.bool_)), RULES)
            assert alone.ok[0] == together.ok[i]
            if alone.ok[0]:
                assert alone.frame.row(0) == together.frame.row(i)


def test_a_line_that_does_not_fit_is_refused_and_gives_nulls() -> None:
    good = "2026-03-01 12:00:00 INFO [a] [b] c - d"
    parsed = parse(
        Template("t", LOGBACK.pattern), f"{good}\n\n{good[:30]}\n{good.replace('-03-', '-13-')}\nx\n{good}\n"
    )
    assert parsed.ok.tolist() == [True, False, False, False, True]
    assert parsed.frame.filter(~pl.Series(parsed.ok)).rows() == [(None,) * 6] * 3
    assert LOGBACK.pattern in parsed.reason


def test_later_lines_belong_to_the_message() -> None:
    raw = "2026-03-01 12:00:00 ERROR [a] [b] c - boom\n\tat x.y\nCaused by: z\n\n"
    raw += "2026-03-01 12:00:01 INFO [a] [b] c - \n\tmore\n"
    parsed = parse(LOGBACK, raw)
    assert parsed.ok.all()
    assert parsed.frame["message"].to_list() == ["boom\n\tat x.y\nCaused by: z", "\n\tmore"]


def test_an_empty_message_is_a_message() -> None:
    for line in ("2026-03-01 12:00:00 INFO [a] [b] c - ", "2026-03-01 12:00:00 INFO [a] [b] c -"):
        assert row(LOGBACK, line)["message"] == ""


def test_a_level_that_is_no_level_is_null_and_the_record_still_fits() -> None:
    assert row(LOGBACK, "2026-03-01 12:00:00 CHATTY [a] [b] c - d")["level"] is None


def test_the_service_is_the_first_of_service_app_program_logger() -> None:
    assert row(Template("t", "{logger} {app} {message}"), "l a m")["service"] == "a"
    assert row(Template("t", "{logger} {message}"), "l m")["service"] == "l"
    assert row(Template("t", "{x} {message}"), "l m")["service"] is None


def test_constraints_hold() -> None:
    assert fits(Template("t", "[{x:d}] {message}"), "[12345678901234567890123456789012345678901] m")
    assert not fits(Template("t", "[{x:d}] {message}"), "[1234567890123456789012345678901234567890x] m")
    assert not fits(Template("t", "[{x:d}] {message}"), "[12a] m")
    assert not fits(Template("t", "[{x:w}] {message}"), "[1 2] m")
    assert fits(Template("t", "[{x:f}] {message}"), "[-1.5e3] m")
    assert not fits(Template("t", "[{x:f}] {message}"), "[1.5.3] m")
    assert not fits(Template("t", "[{x}] {message}"), "[ ] m")
    assert row(Template("t", "[{x?}] {message}"), "[ ] m")["x"] is None
    assert row(Template("t", "[{x}] {message}", optional=("x",)), "[] m")["x"] is None
    assert row(Template("t", "{x:2}{y:d} {message}"), "ab12 m")["x"] == "ab"
    assert not fits(Template("t", "{x:2}{message}"), "aé12 m")


def test_a_literal_that_occurs_in_part_before_is_not_taken_for_the_whole() -> None:
    template = Template("t", "{a} -> {message}")
    assert row(template, "x-y - > z -> m -> n") | {"message": "m -> n"} == row(template, "x-y - > z -> m -> n")
    assert row(template, "-" * 5000 + " -> m")["a"] == "-" * 5000
    assert row(Template("t", "{a}{{{b}}} {message}"), "x{y} z") | {"a": "x", "b": "y"} == row(
        Template("t", "{a}{{{b}}} {message}"), "x{y} z"
    )


def test_alternatives_are_tried_in_order_and_fields_they_lack_are_null() -> None:
    template = Template("t", "{app:w}[{pid:d}]: {message}\n{app:w}: {message}")
    parsed = parse(template, "a[1]: x\nb: y\nc\nd[2]: z")
    assert parsed.ok.tolist() == [True, True, False, True]
    assert parsed.frame.select("app", "pid", "message").filter(pl.Series(parsed.ok)).rows() == [
        ("a", 1, "x"), ("b", None, "y"), ("d", 2, "z"),
    ]  # fmt: skip
    assert template.fields == ("app", "pid", "message")


def test_only_lines_with_a_time_in_its_place_start_a_record_of_several_lines() -> None:
    raw = b"2026-03-01 12:00:00 INFO\n\tat x\n\n 2026-03-01 12:00:00\n2026-03-01 12:00:01\nx"
    assert LOGBACK.starts(split_lines(Block.of(raw))).tolist() == [True, False, False, False, True, False]
    late = Template("t", "{level:w} [{timestamp}] {message}", multiline=True)
    raw = b"INFO [2026-03-01 12:00:00] a\nat x [2026-03-01 12:00:00]\nWARN  [2026-03-01 12:00:00]\n"
    assert late.starts(split_lines(Block.of(raw))).tolist() == [True, False, True]
    bare = Template("t", "[{level:w}] {message}", multiline=True)
    assert bare.starts(split_lines(Block.of(b"[INFO] a\n  b\n\n[x y] z\n[WARN]"))).tolist() == [
        True,
        False,
        False,
        False,
        True,
    ]


def test_without_multiline_every_line_that_is_not_blank_is_a_record() -> None:
    assert ACCESS.starts(split_lines(Block.of(b"a\n \n\nb\n\tc"))).tolist() == [True, False, False, True, True]


@pytest.mark.parametrize(
    ("pattern", "position", "found"),
    [
        ("{a}{b}", 3, "none"),
        ("{a} {b", 4, "none"),
        ("{a} b}", 5, "none"),
        ("{a:q} x", 0, "'q'"),
        ("{a:} x", 0, "''"),
        ("x {a b}", 2, "{a b}"),
        ("{} x", 0, "{}"),
        ("{a} {a}", 4, "{a} again"),
        ("{offset} x", 0, "'offset'"),
        ("no fields", 0, "none"),
        ("", 0, "none"),
        ("{a} {b}\n{c}{d}", 11, "none"),
    ],
)
def test_a_wrong_pattern_is_refused_with_its_place(pattern: str, position: int, found: str) -> None:
    with pytest.raises(FormatError) as caught:
        Template("mine", pattern)
    assert caught.value.name == "mine"
    assert caught.value.position == position
    assert "expected" in str(caught.value)
    assert found in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [{"time": "%Q"}, {"levels": "loud"}, {"levels": "status"}, {"levels": "syslog"}, {"optional": ("nothing",)}],
)
def test_wrong_settings_are_refused_in_the_formats_name(settings: dict[str, str]) -> None:
    with pytest.raises(FormatError, match="expected") as caught:
        Template("mine", "{timestamp} {message}", **settings)
    assert caught.value.name == "mine"


@pytest.mark.parametrize(
    ("line", "place", "wanted"),
    [
        ("2026-03-01 12:00:00 INFO [a] [b] c - d", None, ""),
        ("2026-13-01 12:00:00 INFO [a] [b] c - d", 0, "{timestamp}"),
        ("2026-03-01 12:00:00 INFO (a) [b] c - d", 30, "{service}"),
        ("2026-03-01 12:00:00 INFO [é] (b) c - d", 26, "{service}"),
        ("2026-03-01 12:00:00 INFO [é] [b] c", 33, "' - '"),
        ("", 0, "{timestamp}"),
    ],
)
def test_a_line_that_does_not_fit_can_be_explained(line: str, place: int | None, wanted: str) -> None:
    found = LOGBACK.explain(line)
    if place is None:
        assert found is None
        return
    assert found is not None
    assert found[0] == place
    assert wanted in found[1]


def test_templates_are_values() -> None:
    copy = pickle.loads(pickle.dumps(LOGBACK))
    assert copy == LOGBACK
    assert hash(copy) == hash(LOGBACK)
    assert isinstance(LOGBACK, Format)
    assert LOGBACK.pattern in repr(LOGBACK)


@pytest.mark.parametrize("filler", [b"-", b" ", b" -", b"- ", b"]", b"[", b"] ", b"x"])
def test_a_hostile_line_of_a_megabyte_costs_little(filler: bytes) -> None:
    line = b"2026-03-01 12:00:00 INFO [a] [b] c" + filler * (2**20 // len(filler))
    raw = b"\n".join([line, b"2026-03-01 12:00:00 INFO [a] [b] c - d", line, line + b" - e"])
    begin = time.perf_counter()
    parsed = parse(LOGBACK, raw)
    assert time.perf_counter() - begin < 5
    assert parsed.ok[1]
    assert len(parsed.ok) == 4


def test_no_records_give_an_empty_frame() -> None:
    parsed = parse(LOGBACK, b"")
    assert parsed.frame.height == 0
    assert parsed.frame.schema["timestamp"] == TIMESTAMP


def test_real_kafka_lines_are_read(corpus: Path) -> None:
    template = Template("kafka", "[{timestamp}] {level:w} {message}", multiline=True)
    for path in sorted((corpus / "lines").glob("elastic__kafka_server_*.log")):
        parsed = parse(template, path.read_bytes())
        assert parsed.ok.mean() > 0.99
        assert parsed.frame["level"].null_count() <= (~parsed.ok).sum()


def test_real_access_lines_are_read(corpus: Path) -> None:
    raw = (corpus / "lines" / "elastic__apache_access_10k.log").read_bytes()
    parsed = parse(ACCESS, raw)
    assert parsed.ok.mean() > 0.99
    assert parsed.frame["timestamp"].max() - parsed.frame["timestamp"].min() < timedelta(days=30)
