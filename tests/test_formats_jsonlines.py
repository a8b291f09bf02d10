"""JSON lines: every shape of object is understood, and nothing a log says is lost or does harm."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logkit.formats.base import Format, Parsed, TimeRules
from logkit.formats.block import Block, Records, split_lines
from logkit.formats.jsonlines import JsonLines
from logkit.schema import STATS_FIELDS

MOMENT = datetime(2026, 3, 1, 12, 0, 5, 250_000, tzinfo=UTC)
EPOCH = 1772366405.25

SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ECS, dotted": (
        {
            "@timestamp": "2026-03-01T12:00:05.250Z",
            "log.level": "warn",
            "service.name": "cart",
            "message": "slow",
            "trace.id": "ab12",
            "span.id": "cd",
            "event.duration": 2_500_000,
        },
        {
            "level": "WARN",
            "service": "cart",
            "message": "slow",
            "trace_id": "ab12",
            "span_id": "cd",
            "duration_ms": 2.5,
        },
    ),
    "a date and a clock": (
        {"date": "2026-03-01", "time": "12:00:05.25", "level": "error", "channel": "cart", "message": "gone"},
        {"level": "ERROR", "service": "cart", "message": "gone"},
    ),
    "ECS, nested": (
        {
            "@timestamp": "2026-03-01T12:00:05.250Z",
            "log": {"level": "ERROR", "logger": "shop.cart"},
            "service": {"name": "cart"},
            "message": "gone",
            "trace": {"id": "ab12"},
            "event": {"duration": 1_000_000},
            "host": {"name": "n1"},
        },
        {
            "level": "ERROR",
            "service": "cart",
            "message": "gone",
            "trace_id": "ab12",
            "duration_ms": 1.0,
            "logger": "shop.cart",
            "host": "n1",
        },
    ),
    "bunyan": (
        {
            "name": "mailer",
            "hostname": "n1",
            "pid": 7,
            "level": 40,
            "msg": "late",
            "time": "2026-03-01T12:00:05.250Z",
            "v": 0,
        },
        {"level": "WARN", "service": "mailer", "message": "late", "host": "n1", "pid": 7, "v": "0"},
    ),
    "pino": (
        {"level": 50, "time": 1772366405250, "pid": 3, "hostname": "n2", "msg": "refused"},
        {"level": "ERROR", "message": "refused", "host": "n2", "pid": 3, "service": None},
    ),
    "zap": (
        {
            "level": "info",
            "ts": EPOCH,
            "caller": "web/server.go:42",
            "logger": "web",
            "msg": "served",
            "duration": 0.0125,
        },
        {
            "level": "INFO",
            "service": "web",
            "logger": "web",
            "caller": "web/server.go:42",
            "message": "served",
            "duration_ms": 12.5,
        },
    ),
    "structlog": (
        {"event": "login", "timestamp": "2026-03-01 12:00:05.250", "level": "debug", "user": "ann"},
        {"level": "DEBUG", "message": "login", "user": "ann"},
    ),
    "logstash": (
        {
            "@timestamp": "2026-03-01T13:00:05.250+01:00",
            "@version": "1",
            "message": "up",
            "logger_name": "org.shop.Main",
            "thread_name": "main",
            "level": "INFO",
            "level_value": 20000,
        },
        {
            "level": "INFO",
            "logger": "org.shop.Main",
            "thread": "main",
            "message": "up",
            "service": None,
            "level_value": "20000",
        },
    ),
    "Docker json-file": (
        {"log": "ERROR no route\n", "stream": "stderr", "time": "2026-03-01T12:00:05.250000000Z"},
        {"message": "ERROR no route", "stream": "stderr", "level": None},
    ),
    "Serilog compact": (
        {
            "@t": "2026-03-01T12:00:05.2500000Z",
            "@m": "Sent 3 mails",
            "@mt": "Sent {Count} mails",
            "@l": "Warning",
            "Count": 3,
        },
        {"level": "WARN", "message": "Sent 3 mails", "mt": "Sent {Count} mails", "count": "3"},
    ),
    "GELF": (
        {"version": "1.1", "host": "n1", "short_message": "link down", "timestamp": EPOCH, "level": 6, "_app": "netd"},
        {"level": "INFO", "host": "n1", "message": "link down", "service": "netd"},
    ),
    "GCP": (
        {"severity": "CRITICAL", "timestamp": "2026-03-01T12:00:05.25Z", "jsonPayload": {"message": "quota", "n": 1}},
        {"level": "FATAL", "message": "quota"},
    ),
    "mongodb": (
        {
            "t": {"$date": "2026-03-01T12:00:05.250+00:00"},
            "s": "W",
            "c": "STORAGE",
            "id": 9,
            "ctx": "conn1",
            "msg": "slow disk",
        },
        {"level": "WARN", "service": "STORAGE", "thread": "conn1", "message": "slow disk"},
    ),
    "log4j2": (
        {
            "instant": {"epochSecond": 1772366405, "nanoOfSecond": 250000000},
            "thread": "main",
            "level": "INFO",
            "loggerName": "org.shop.Main",
            "message": "ready",
        },
        {"level": "INFO", "thread": "main", "logger": "org.shop.Main", "message": "ready"},
    ),
    "journald": (
        {
            "__REALTIME_TIMESTAMP": "1772366405250000",
            "PRIORITY": "3",
            "SYSLOG_IDENTIFIER": "sshd",
            "_SYSTEMD_UNIT": "ssh.service",
            "MESSAGE": "bad key",
            "_PID": "77",
        },
        {"level": "ERROR", "service": "sshd", "message": "bad key", "pid": 77},
    ),
    "one level of nesting": (
        {"ts": "2026-03-01T12:00:05.25Z", "@fields": {"lvl": "TRACE", "msg": "deep"}},
        {"level": "TRACE", "message": "deep"},
    ),
    "names nobody told us": (
        {"EdgeStartTimestamp": 1772366405250000000, "EdgeStatus": 200},
        {"level": None, "edge_status": "200"},
    ),
}


def records(*lines: str | bytes) -> Records:
    raw = b"\n".join(line if isinstance(line, bytes) else line.encode("utf-8", "replace") for line in lines) + b"\n"
    found = split_lines(Block.of(raw))
    keep = ~found.blank()
    return Records(found.block, found.start[keep], found.stop[keep], found.stop[keep])


def made(*objects: Any) -> JsonLines:
    format = JsonLines.from_head("".join(json.dumps(each) + "\n" for each in objects).encode())
    assert format is not None
    return format


def parse(format: JsonLines, *lines: str | bytes, timezone: str = "UTC") -> Parsed:
    """Parse twice, and see that statistics alone say the same."""
    rules = TimeRules(timezone, 1772366405_000_000)
    whole = format.parse(records(*lines), rules)
    short = format.parse(records(*lines), rules, stats_only=True)
    assert set(short.frame.columns) <= set(STATS_FIELDS)
    assert whole.frame.select(short.frame.columns).equals(short.frame)
    assert whole.ok.tolist() == short.ok.tolist()
    assert whole.frame.height == len(whole.ok) == len(records(*lines))
    return whole


def one(format: JsonLines, line: str | bytes, **options: str) -> dict[str, Any]:
    parsed = parse(format, line, **options)
    assert parsed.ok.all()
    return parsed.frame.row(0, named=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_gives_its_time_level_service_and_message(shape: str) -> None:
    written, expected = SHAPES[shape]
    found = one(made(written), json.dumps(written))
    assert found["timestamp"] == MOMENT
    assert {name: found.get(name) for name in expected} == expected


def test_it_is_a_format_that_hashes_and_travels() -> None:
    format = made(SHAPES["bunyan"][0])
    assert isinstance(format, Format)
    assert (format.name, format.multiline, format.splittable) == ("json", False, True)
    assert pickle.loads(pickle.dumps(format)) == format
    assert hash(format) == hash(made(SHAPES["bunyan"][0]))


@pytest.mark.parametrize(
    "head",
    [b"", b"\n\n", b"plain text\n", b"[1]\n[2]\n", b"{\n  1\n}\n", b"5\n", b'{"a":1}\nno\nno\nno\n', b"[" * 50_000],
)
def test_what_is_no_json_lines_is_left_to_others(head: bytes) -> None:
    assert JsonLines.from_head(head) is None


def test_a_head_cut_within_a_line_is_read_by_its_whole_lines() -> None:
    format = JsonLines.from_head(b'{"level":"info","msg":"a"}\n{"level":"in')
    assert format is not None
    assert {field.column for field in format.fields} >= {"level", "message"}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-03-01T12:00:05.25Z", MOMENT),
        ("2026-03-01 12:00:05,250", MOMENT),
        ("2026-03-01T17:30:05.250+05:30", MOMENT),
        ("2026-03-01T12:00:05.250000000Z", MOMENT),
        ("1772366405.25", MOMENT),
        (1772366405250, MOMENT),
        ("1772366405250000", MOMENT),
        (1772366405250000000, MOMENT),
        (EPOCH, MOMENT),
        (1.77236640525e9, MOMENT),
        ("01/Mar/2026:12:00:05 +0000", MOMENT.replace(microsecond=0)),
        ("Sun, 01 Mar 2026 12:00:05 GMT", MOMENT.replace(microsecond=0)),
    ],
)
@pytest.mark.parametrize("head", ["2026-03-01T12:00:05.25Z", 1772366405])
def test_each_time_is_read_as_it_is_written_whatever_the_head_wrote(
    head: Any, written: Any, expected: datetime
) -> None:
    format = made({"time": head, "msg": "a"})
    lines = [json.dumps({"time": value, "msg": "a"}) for value in (head, written, head)]
    assert parse(format, *lines).frame["timestamp"][1] == expected


def test_a_time_without_a_zone_is_read_in_the_zone_of_the_rules() -> None:
    format = made({"time": "2026-03-01T12:00:05", "msg": "a"})
    line = '{"time":"2026-03-01T13:00:05","msg":"a"}'
    assert one(format, line, timezone="Europe/Berlin")["timestamp"] == MOMENT.replace(microsecond=0)


@pytest.mark.parametrize(
    ("head", "written", "expected"),
    [
        ([10, 30, 60], 30, "INFO"),
        ([6, 3], 4, "WARN"),
        ([0, 2, 4], 3, "ERROR"),
        ([100, 250], 400, "ERROR"),
        (["info"], "Warning", "WARN"),
        (["I", "E"], "W", "WARN"),
        ([30], "error", "ERROR"),
        (["info"], None, None),
    ],
)
def test_levels_are_read_on_the_scale_of_the_head(head: list[Any], written: Any, expected: str | None) -> None:
    format = made(*({"level": each, "msg": "a"} for each in head))
    assert one(format, json.dumps({"level": written, "msg": "a"}))["level"] == expected


@pytest.mark.parametrize(
    ("key", "written", "expected"),
    [
        ("duration_ms", 12, 12.0),
        ("elapsed", "1.5s", 1500.0),
        ("took", "250µs", 0.25),
        ("latency", "1m2.5s", 62_500.0),
        ("request_time", 0.25, 250.0),
        ("durationNanos", 1_000_000, 1.0),
    ],
)
def test_durations_become_milliseconds(key: str, written: Any, expected: float) -> None:
    found = one(made({"msg": "a", key: written}), json.dumps({"msg": "a", key: written}))
    assert found["duration_ms"] == pytest.approx(expected)


def test_nested_values_and_keys_met_later_are_kept_as_attributes() -> None:
    format = made({"msg": "a", "user": "ann"})
    found = one(format, '{"msg":"b","user":{"id":5},"later":[1,{"x":"\\u00e9"}],"zero":null}')
    assert json.loads(found["user"]) == {"id": 5}
    assert json.loads(found["attributes"])["later"] == [1, {"x": "é"}]
    assert one(format, '{"msg":"b","user":"eve"}')["attributes"] is None


def test_a_value_its_column_cannot_hold_stays_in_the_attributes() -> None:
    format = made({"msg": "a", "status": 200, "level": "info", "time": "2026-03-01T12:00:05Z", "duration": 1})
    odd = {"status": "n/a", "level": "loud", "time": "yesterday", "duration": "long"}
    good = {"msg": "a", "status": 404, "level": "warn", "time": "2026-03-01T12:00:05Z", "duration": 3}
    frame = parse(format, json.dumps(good), json.dumps({"msg": "a", **odd}), json.dumps(good)).frame
    assert frame.select("status", "level", "timestamp", "duration_ms").row(1) == (None,) * 4
    assert json.loads(frame["attributes"][1]) == odd
    assert frame["attributes"][0] is None
    assert frame["status"].to_list() == [404, None, 404]


def test_columns_are_bounded_and_the_rest_is_attributes() -> None:
    wide = {f"key{number}": number for number in range(500)}
    format = JsonLines.from_head(json.dumps(wide).encode() + b"\n", max_fields=5)
    assert format is not None
    assert len(format.fields) == 5
    found = one(format, json.dumps(wide))
    assert len(json.loads(found["attributes"])) == 495


def test_own_columns_never_hide_the_common_ones() -> None:
    written = {
        "message": "m",
        "offset": 5,
        "rejected": True,
        "reason": "r",
        "file": "f",
        "attributes": "x",
        "text": "t",
    }
    found = one(made(written), json.dumps(written))
    assert {name: found[f"{name}_field"] for name in ("offset", "rejected", "reason", "file", "attributes")} == {
        "offset": "5",
        "rejected": "true",
        "reason": "r",
        "file": "f",
        "attributes": "x",
    }
    assert found["attributes"] is None


def test_without_a_message_the_record_is_its_own_message() -> None:
    lines = ['{"level":"info","n":1}', '{"level":"info","msg":"said"}']
    assert one(made({"level": "info", "n": 1}), lines[0])["message"] == lines[0]
    assert parse(made({"msg": "a"}), *lines).frame["message"].to_list() == [lines[0], "said"]


def test_records_of_two_shapes_share_their_columns() -> None:
    format = made({"msg": "a", "ts": "2026-03-01T12:00:05.25Z"}, {"message": "b", "time": "2026-03-01T12:00:05.25Z"})
    frame = parse(format, '{"msg":"x","ts":1772366405.25}', '{"message":"y","time":1772366405250}').frame
    assert frame["message"].to_list() == ["x", "y"]
    assert frame["timestamp"].to_list() == [MOMENT, MOMENT]


MALFORMED = [
    "plain",
    "{",
    '{"msg":',
    '{"msg":"a"',
    '{"msg":"a"} {"msg":"b"}',
    "[1,2]",
    "null",
    '{"msg":"\\ud800"}',
    '{"msg":"\\x"}',
    '{"msg":"\x00"}',
    "[" * 10_000,
    '{"a":' * 10_000,
    '{"msg":"é' + "é" * 200,
]


@pytest.mark.parametrize("bad", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_line_is_refused_and_its_neighbours_are_read(bad: str) -> None:
    good = '{"msg":"fine","level":"warn","n":%d}'
    parsed = parse(made({"msg": "a", "level": "info", "n": 1}), good % 1, bad, good % 2, bad, good % 3)
    assert parsed.ok.tolist() == [True, False, True, False, True]
    assert "JSON" in parsed.reason
    kept = parsed.frame.filter(pl.Series(parsed.ok))
    assert kept["n"].to_list() == ["1", "2", "3"]
    assert kept["level"].to_list() == ["WARN"] * 3


@pytest.mark.parametrize(
    "line",
    [
        '{"msg":"a","msg":"b"}',
        '{"msg":NaN,"n":Infinity}',
        '{"msg":"a","n":123456789012345678901234567890,"m":1e999}',
        '{"msg":"a","n":' + "[" * 10_000 + "]" * 10_000 + "}",
        '{"msg":"nul \\u0000 inside"}',
        '  {"msg":"a"}\r',
        "{}",
        '{"msg":"a","level":1e308,"time":1e308,"status":1e308,"duration":1e308}',
        '{"msg":"a","level":-1,"time":-9223372036854775808,"status":99999999999999999999,"duration":"s"}',
    ],
)
def test_strange_objects_are_read_without_harm(line: str) -> None:
    format = made({"msg": "a", "level": 30, "time": 1772366405, "status": 200, "duration": 1})
    assert parse(format, line).ok.tolist() == [True]


KEYS = [
    "a.b",
    'a"b',
    "a\\b",
    "$",
    "$.x",
    "*",
    "a/b",
    "a~1b",
    "'; DROP TABLE records; --",
    "[0]",
    "k" * 10_000,
    "é",
    "\n",
    "?",
    "{",
    "",
]


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_a_hostile_key_is_only_a_key(key: str) -> None:
    written = {"msg": "m", key: "precious", "other": "o"}
    found = one(made(written), json.dumps(written))
    rest = json.loads(found["attributes"] or "{}")
    assert "precious" in found.values() or rest[key] == "precious"
    assert found["other"] == "o"


def test_some_of_a_blocks_records_are_read_like_all_of_them() -> None:
    format, rules = made({"msg": "a", "n": 1}), TimeRules()
    every = records(*(json.dumps({"msg": f"m{n}", "n": n, "x": {"y": n}}) for n in range(50)))
    whole, some = format.parse(every, rules), format.parse(every.take(np.arange(0, 50, 3)), rules)
    assert some.frame.equals(whole.frame.gather_every(3))


def test_no_records_give_an_empty_frame_with_the_same_columns() -> None:
    format = made(SHAPES["zap"][0])
    line = json.dumps(SHAPES["zap"][0])
    none = format.parse(records(line).take(np.zeros(0, np.int64)), TimeRules())
    assert none.frame.schema == parse(format, line).frame.schema
    assert parse(format, "bad").frame.schema == parse(format, line).frame.schema


def test_threads_read_at_once_without_seeing_each_other() -> None:
    format = made({"msg": "a", "n": 1})

    def work(worker: int) -> list[str]:
        found = records(*(json.dumps({"msg": f"{worker}", "n": n}) for n in range(200)))
        return [format.parse(found, TimeRules()).frame["message"].unique().item() for _ in range(5)]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [[f"{worker}"] * 5 for worker in range(4)]


def test_duckdb_is_loaded_only_by_the_first_block() -> None:
    code = (
        "import sys, logkit.formats.jsonlines; print([n for n in ('duckdb', 'pyarrow', 'pandas') if n in sys.modules])"
    )
    root = str(Path(__file__).resolve().parents[1])
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=root).strip() == "[]"


PIECES = st.sampled_from(
    [
        *(
            b'{"msg":"a"}',
            b'{"level":30,"time":1}',
            b'{"status":"x"}',
            b'"msg":',
            '{"time":"2026-03-01T12:00:05Zé"}'.encode(),
        ),
        *(b"{", b"}", b'"', b"\\", b"\n", b"\r\n", b":", b",", b"[", b"]", b"\0", b"1e9", b"\\ud800", b" ", b"\t"),
    ]
)
ANY = st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=30).map(b"".join))


@given(ANY, ANY)
@settings(max_examples=120, deadline=None)
@example(b"{}", "{é".encode() * 80)
def test_no_bytes_make_it_raise(head: bytes, body: bytes) -> None:
    body = body.decode("utf-8", "replace").encode()
    known = made({"msg": "a", "level": 30, "time": "2026-03-01T12:00:05Z", "status": 1, "duration": 1.5})
    for format in (known, JsonLines(), JsonLines.from_head(head), JsonLines.from_head(body)):
        if format is not None:
            parse(format, body)


SCALARS = st.one_of(
    st.text(max_size=20), st.integers(-(2**53), 2**53), st.booleans(), st.none(), st.floats(allow_nan=False)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
OBJECTS = st.dictionaries(
    st.one_of(TEXT, st.sampled_from(["msg", "level", "time", "status", "user", "duration"])), VALUES, max_size=8
)


@given(st.lists(OBJECTS, min_size=1, max_size=4), OBJECTS)
@settings(max_examples=120, deadline=None)
def test_every_value_is_found_again(head: list[dict[str, Any]], written: dict[str, Any]) -> None:
    text = json.dumps(written)
    if "\\ud" in text:  # half a surrogate pair is no text
        return
    format = made(*head)
    found = one(format, text)
    rest = json.loads(found["attributes"] or "{}")
    columns = {field.key: field for field in format.fields if field.key is not None}
    for key, value in written.items():
        field = columns.get(key)
        if key in rest:
            assert rest[key] == pytest.approx(value) if isinstance(value, float) else rest[key] == value
        elif value is not None:
            assert field is not None
            assert found[field.column] is not None
            if field.kind == "text" and isinstance(value, str):
                assert found[field.column] == value


def test_the_corpus_of_json_logs_is_read(corpus: Path) -> None:
    read: dict[str, tuple[int, int]] = {}
    for path in sorted((corpus / "lines").iterdir()):
        raw = path.read_bytes().decode("utf-8", "replace").encode()
        format = JsonLines.from_head(raw[: 1 << 16])
        if format is not None:
            parsed = parse(format, raw)
            read[path.name] = (int(parsed.ok.sum()), len(parsed.ok))
    assert len(read) >= 20
    assert sum(ok for ok, _ in read.values()) >= 0.9 * sum(size for _, size in read.values())
