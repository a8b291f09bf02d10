"""logfmt: pairs are found whatever their values say, and nothing of a record is lost."""

from __future__ import annotations

import json
import pickle
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
from logkit.formats.logfmt import Logfmt
from logkit.schema import STATS_FIELDS

MOMENT = datetime(2026, 3, 1, 12, 0, 5, 250_000, tzinfo=UTC)
HEAD = 'time=2026-03-01T12:00:05.25Z level=info service=cart msg="add item" user=ann status=200 duration=12ms\n'

SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "logrus": (
        'time="2026-03-01T12:00:05.250Z" level=warning msg="no route" error="dial tcp: refused"',
        {"level": "WARN", "message": "no route", "error": "dial tcp: refused", "service": None},
    ),
    "go-kit": (
        "ts=2026-03-01T12:00:05.25Z caller=main.go:12 level=error component=store err=EOF",
        {"level": "ERROR", "service": "store", "caller": "main.go:12", "err": "EOF"},
    ),
    "slog": (
        'time=2026-03-01T13:00:05.250+01:00 level=DEBUG msg="said \\"hi\\"\\n" app=chat',
        {"level": "DEBUG", "message": 'said "hi"\n', "service": "chat"},
    ),
    "a logger for a service": (
        "logger=settings t=2026-03-01T12:00:05.250000000Z lvl=eror msg=started",
        {"level": "ERROR", "service": "settings", "logger": "settings", "message": "started"},
    ),
    "a date and a clock": (
        'date=2026-03-01 time=12:00:05.25 devname="edge 1" level=warning msg="link down" subsys=ports',
        {"level": "WARN", "message": "link down", "devname": "edge 1", "service": "ports"},
    ),
    "router": (
        'at=info method=GET path="/a?b=1&c=2" t=1772366405.25 service=18ms status=503 bytes=1548 severity=info',
        {"level": "INFO", "method": "GET", "path": "/a?b=1&c=2", "status": 503, "bytes": 1548},
    ),
}


def records(*lines: str | bytes) -> Records:
    raw = b"\n".join(line if isinstance(line, bytes) else line.encode("utf-8", "replace") for line in lines) + b"\n"
    found = split_lines(Block.of(raw))
    keep = ~found.blank()
    return Records(found.block, found.start[keep], found.stop[keep], found.stop[keep])


def made(head: str = HEAD) -> Logfmt:
    format = Logfmt.from_head(head.encode())
    assert format is not None
    return format


def parse(format: Logfmt, *lines: str | bytes) -> Parsed:
    """Parse twice, and see that statistics alone say the same."""
    whole = format.parse(records(*lines), TimeRules())
    short = format.parse(records(*lines), TimeRules(), stats_only=True)
    assert set(short.frame.columns) <= set(STATS_FIELDS)
    assert whole.frame.select(short.frame.columns).equals(short.frame)
    assert whole.ok.tolist() == short.ok.tolist()
    assert whole.frame.height == len(whole.ok) == len(records(*lines))
    return whole


def one(format: Logfmt, line: str | bytes) -> dict[str, Any]:
    parsed = parse(format, line)
    assert parsed.ok.all()
    return parsed.frame.row(0, named=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_gives_its_time_level_service_and_message(shape: str) -> None:
    line, expected = SHAPES[shape]
    found = one(made(line + "\n"), line)
    assert found["timestamp"] == MOMENT
    assert {name: found.get(name) for name in expected} == expected


def test_it_is_a_format_that_hashes_and_travels() -> None:
    format = made()
    assert isinstance(format, Format)
    assert (format.name, format.multiline, format.splittable) == ("logfmt", False, True)
    assert pickle.loads(pickle.dumps(format)) == format
    assert hash(format) == hash(made())


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\n",
        b"plain words only\n",
        b'{"a":"b=c"}\n',
        b"one=pair\n",
        b"Mar  1 12:00:05 n1 kernel: IN=eth0 OUT= SRC=10.0.0.1 DST=10.0.0.2\n",
        b'10.0.0.1 - - [01/Mar/2026:12:00:05 +0000] "GET /?a=1&b=2 HTTP/1.1" 200 5\n',
        b"\xff\xfe\n",
    ],
)
def test_what_is_not_made_of_pairs_is_left_to_others(head: bytes) -> None:
    assert Logfmt.from_head(head) is None


VALUES = {
    "level=info user=": "",
    'level=info user=""': "",
    'level=info user="a b"': "a b",
    'level=info user="a=b c=d"': "a=b c=d",
    'level=info user=a=b=c msg="x"': "a=b=c",
    'level=info user="back\\\\slash"': "back\\slash",
    'level=info user="a \\\\" msg="b"': "a \\",
    'level=info\tuser=tab\tmsg="b"': "tab",
    'level=info user=5" msg="a b" other=7"': '5"',
    'level=info user={"a":"b c"} msg=x': '{"a":"b',
    'level=info user={"a":1} msg="x y"': '{"a":1}',
    'level=info user="not closed': '"not',
    'level=info user="é ü" msg=ö': "é ü",
    '  level=info   user=ann   msg="b"  ': "ann",
    'user="a"b level=info': "a",
    'level=info user="x=" msg="y="': "x=",
}


@pytest.mark.parametrize("line", VALUES)
def test_a_value_is_read_as_it_was_meant(line: str) -> None:
    calm = 'level=warn user=calm msg="quite so"'
    parsed = parse(made(), calm, line, calm)
    assert parsed.ok.all()
    assert parsed.frame["user"].to_list() == ["calm", VALUES[line], "calm"]
    assert parsed.frame["level"].to_list() == ["WARN", "INFO", "WARN"]


def test_pairs_met_later_and_bare_words_are_kept_as_attributes() -> None:
    found = one(made(), 'level=info msg=a later="x \\"y\\"" debug user=ann new=1 user=eve')
    assert json.loads(found["attributes"]) == {"later": 'x "y"', "debug": "true", "new": "1", "user": "eve"}
    assert found["user"] == "ann"
    assert one(made(), "level=info msg=a user=ann")["attributes"] is None


def test_a_value_its_column_cannot_hold_stays_in_the_attributes() -> None:
    good = "level=warn status=404 msg=a duration=3ms"
    frame = parse(made(), good, "level=loud status=none time=never duration=long msg=a", good).frame
    assert frame.select("level", "status", "timestamp", "duration_ms").row(1) == (None,) * 4
    assert json.loads(frame["attributes"][1]) == {
        "level": "loud",
        "status": "none",
        "time": "never",
        "duration": "long",
    }
    assert frame["status"].to_list() == [404, None, 404]
    assert frame["duration_ms"].to_list() == [3.0, None, 3.0]


def test_numbers_that_are_words_in_the_head_get_a_column_of_text() -> None:
    assert one(made("level=info status=Pending\n"), "level=info status=Running")["status_text"] == "Running"


def test_columns_are_bounded_and_the_rest_is_attributes() -> None:
    line = " ".join(f"key{number}={number}" for number in range(100))
    format = Logfmt.from_head(line.encode() + b"\n", max_fields=5)
    assert format is not None
    assert len(format.fields) == 5
    assert len(json.loads(one(format, line)["attributes"])) == 95


@pytest.mark.parametrize("half", ["time=12:00:05", "date=2026-03-01"])
def test_of_a_date_and_a_clock_one_alone_is_no_time(half: str) -> None:
    format = made("date=2026-03-01 time=12:00:05 level=info msg=a\n")
    assert one(format, f"{half} level=info msg=a")["timestamp"] is None


def test_without_a_message_the_record_is_its_own_message() -> None:
    assert one(made(), "level=info user=ann")["message"] == "level=info user=ann"


@pytest.mark.parametrize(
    "bad", ["panic: foo bar", "at line (a=b) of it", "=", '"', "word", "\0", "goroutine 1 [running]:"]
)
def test_a_line_without_pairs_is_refused_and_its_neighbours_are_read(bad: str) -> None:
    good = 'level=warn user=u%d msg="a b"'
    parsed = parse(made(), good % 1, bad, good % 2, bad)
    assert parsed.ok.tolist() == [True, False, True, False]
    assert "key=value" in parsed.reason
    kept = parsed.frame.filter(pl.Series(parsed.ok))
    assert kept["user"].to_list() == ["u1", "u2"]
    assert parsed.frame["attributes"].to_list() == [None] * 4


def test_some_of_a_blocks_records_are_read_like_all_of_them() -> None:
    every = records(*(f'level=info n={n} msg="m {n}" x="{n}' + '"' * (n % 3) for n in range(60)))
    whole, some = made().parse(every, TimeRules()), made().parse(every.take(np.arange(0, 60, 7)), TimeRules())
    assert some.frame.equals(whole.frame.gather_every(7))
    assert some.ok.tolist() == whole.ok[::7].tolist()


def test_no_records_give_an_empty_frame_with_the_same_columns() -> None:
    none = made().parse(records("a=1").take(np.zeros(0, np.int64)), TimeRules())
    assert none.frame.schema == parse(made(), HEAD).frame.schema


def test_long_keys_are_told_apart_to_their_last_letter() -> None:
    format = made("level=info a_rather_long_key_name_1=x a_rather_long_key_name_2=y\n")
    found = one(format, "level=info a_rather_long_key_name_2=2 a_rather_long_key_name_3=3 a_rather_long_key_name_1=1")
    assert (found["a_rather_long_key_name_1"], found["a_rather_long_key_name_2"]) == ("1", "2")
    assert json.loads(found["attributes"]) == {"a_rather_long_key_name_3": "3"}


PIECES = st.sampled_from(
    [
        *(
            b"level=",
            b"time=",
            b"status=",
            b'msg="',
            b"user=",
            b"a=",
            b"=",
            b'"',
            b"\\",
            b" ",
            b"\t",
            b"\n",
            b"\r\n",
            b"\0",
        ),
        *(b"info", b"200", b"2026-03-01T12:00:05Z", b"word", "é".encode(), b"{", b"}", b'"a b"', b'\\"'),
    ]
)
ANY = st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=40).map(b"".join))


@given(ANY, ANY)
@settings(max_examples=150, deadline=None)
@example(b"a=1 b=2", b'a="\\')
@example(b"a=1 b=2", b"\\" * 50 + b'"')
def test_no_bytes_make_it_raise(head: bytes, body: bytes) -> None:
    body = body.decode("utf-8", "replace").encode()
    for format in (made(), Logfmt(), Logfmt.from_head(head), Logfmt.from_head(body)):
        if format is not None:
            parse(format, body)


KEY = st.one_of(
    st.sampled_from(["level", "time", "msg", "user", "status"]), st.from_regex(r"[a-z][a-z0-9_.]{0,20}", fullmatch=True)
)
VALUE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


def written(pairs: dict[str, str]) -> str:
    quoted = {key: value.replace("\\", "\\\\").replace('"', '\\"') for key, value in pairs.items()}
    return " ".join(f'{key}="{value}"' for key, value in quoted.items())


@given(st.lists(st.dictionaries(KEY, VALUE, min_size=2, max_size=6), min_size=1, max_size=4), st.data())
@settings(max_examples=120, deadline=None)
def test_every_value_is_found_again(lines: list[dict[str, str]], data: st.DataObject) -> None:
    format = made(written(data.draw(st.sampled_from(lines))) + "\n")
    parsed = parse(format, *map(written, lines))
    columns = {field.key: field for field in format.fields if field.key is not None}
    for pairs, found in zip(lines, parsed.frame.iter_rows(named=True), strict=True):
        rest = json.loads(found["attributes"] or "{}")
        for key, value in pairs.items():
            if key in rest:
                assert rest[key] == value
            elif columns[key].kind == "text":
                assert found[columns[key].column] == value
            else:
                assert found[columns[key].column] is not None


def test_the_corpus_of_logfmt_logs_is_read(corpus: Path) -> None:
    sizes = []
    for path in sorted((corpus / "lines").iterdir()):
        raw = path.read_bytes().decode("utf-8", "replace").encode()
        format = Logfmt.from_head(raw[: 1 << 16])
        if format is not None:
            parsed = parse(format, raw)
            sizes.append((int(parsed.ok.sum()), len(parsed.ok), parsed.frame["timestamp"].null_count()))
    assert len(sizes) >= 2
    assert all(ok == size and nulls == 0 for ok, size, nulls in sizes)
