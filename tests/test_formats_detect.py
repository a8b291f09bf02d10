"""Which format a file has, told from its head."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logkit.formats import Format, JsonLines, Plain, TimeRules, candidates, detect, is_binary
from logkit.formats.block import Block, Lines, Mask, records_of, split_lines
from logkit.formats.catalog import entries
from logkit.formats.head import surely_json
from logkit.formats.mixed import MOST, Mixed
from logkit.formats.nested import Nested

LOGBACK = b"2026-03-01 12:00:0%d.123 [main] INFO com.example.Main - ready\n"
ACCESS = b'10.0.0.%d - - [01/Mar/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl"\n'
JSON = b'{"time":"2026-03-01T12:00:00Z","level":"info","msg":"number %d"}\n'
TRACE = b"Traceback (most recent call last):\n  File 'x.py', line 1\nValueError: no\n\n"


def lines(template: bytes, count: int = 10) -> bytes:
    return b"".join(template % (i % 10) for i in range(count))


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (lines(LOGBACK), "logback"),
        (lines(ACCESS), "access-combined"),
        (lines(JSON), "json"),
        (lines(b"level=info ts=2026-03-01T12:00:00Z msg=ready n=%d\n"), "logfmt"),
        (TRACE + lines(LOGBACK), "logback"),
        (b"Version: 7\nStarted by init\n" + lines(LOGBACK), "logback"),
        (b"\n\n" + lines(LOGBACK) + b"\n", "logback"),
        (b"".join(LOGBACK % i + TRACE for i in range(9)), "logback"),
        (lines(LOGBACK) + b"2026-03-01 12:00:09 garbled\n", "logback"),
        (lines(ACCESS) + b"garbled\n\n", "access-combined"),
        (lines(JSON) + b'{"time":"2026-03-\n{"time\n' + lines(JSON), "json"),
        (b"\xef\xbb\xbf" + lines(LOGBACK), "logback"),
        (lines(LOGBACK).replace(b"\n", b"\r\n"), "logback"),
        (lines(LOGBACK).replace(b"ready", b"r\xe9ady \xff"), "logback"),
        (LOGBACK % 1, "logback"),
        ((LOGBACK % 1).rstrip(), "logback"),
        (lines(LOGBACK) + (LOGBACK % 1)[:20], "logback"),
        (lines(ACCESS, 2000), "access-combined"),
    ],
)
def test_a_format_is_recognised_whatever_stands_around_it(head: bytes, name: str) -> None:
    assert detect(head).name == name


@pytest.mark.parametrize("head", [b"", b"\n", b"   \n\t\n", b"one\ntwo\n  more\n", b"\xff\xfe\xfd"])
def test_without_times_plain_reads_line_by_line(head: bytes) -> None:
    assert detect(head) == Plain()


def test_a_format_without_times_reads_no_lines_that_have_them() -> None:
    assert detect(lines(b"[INFO] order %d accepted\n")).name == "bracket-level"
    found = detect(lines(b"[INFO] 2026-03-01 12:00:0%d [exec-7] order accepted\n"))
    assert isinstance(found, Plain)
    assert found.timed


def test_lines_that_are_all_indented_are_records() -> None:
    found = detect(lines(b" 1 Mar 12:00:0%d ntpd[71]: listening\n"))
    assert isinstance(found, Plain)
    assert found.timed


def test_with_times_plain_joins_what_follows() -> None:
    head = b"".join(b"(%d) 2026-03-01 12:00:00 ~ something happened\nand more of it\n" % i for i in range(9))
    found = detect(head)
    assert isinstance(found, Plain)
    assert (found.timed, found.weak, found.within) == (True, False, 24)


def test_lesser_times_count_where_most_lines_have_one() -> None:
    assert detect(b"12:00:00 one\n12:00:01 two\nthree\n") == Plain(timed=True, weak=True, within=16)


def test_a_file_of_no_single_format_is_read_by_those_it_has() -> None:
    found = detect(lines(ACCESS) + lines(LOGBACK))
    assert isinstance(found, Mixed)
    assert found.name == "access-combined + logback"
    assert detect(lines(ACCESS) + lines(LOGBACK) * 9).name == "access-combined + logback"
    assert detect(lines(ACCESS, 300) + (LOGBACK % 1)).name == "access-combined"


def test_many_formats_in_one_file_are_bounded() -> None:
    found = detect(b"".join(line + b"\n" for line in SAMPLES if b"\n" not in line))
    assert isinstance(found, Mixed)
    assert 1 < len(found.members) <= MOST


def test_the_files_name_decides_between_formats_that_read_it_alike() -> None:
    head = b"<13>Mar  1 12:00:00 web1 backup: done\n"
    assert detect(head, "/var/log/syslog").name == "syslog"
    both = [format.name for format, share in candidates(lines(LOGBACK)) if share == 1.0]
    assert both == ["logback", "plain"]


def test_candidates_say_how_much_each_would_read() -> None:
    found = {format.name: share for format, share in candidates(lines(ACCESS) + lines(LOGBACK))}
    assert found["access-combined"] == 0.5
    assert found["logback"] == 0.5
    assert list(found)[-1] == "plain"
    assert candidates(b"") == [(Plain(), 0.0)]


def chosen(head: bytes, filename: str) -> Format:
    """The rule in full: the first of those that read nearly as much as the best, one the file is named after first."""
    *found, (plain, _) = candidates(head)
    best = max((share for _, share in found), default=0.0)
    good = [format for format, share in found if share >= max(0.6, best - 0.1)]
    named = [format for format in good if format.name.partition("-")[0] in filename]
    return next(iter(named or good), plain)


SAMPLES = [sample["line"].encode() for entry in entries() for sample in entry.samples]
KINDS = [*SAMPLES, JSON % 1, b'{"a": NaN}', b"level=info a=b", b"words only", b"  indented", b"2026-03-01 12:00:00 ~"]


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=3),
    st.lists(st.integers(0, 2), min_size=1, max_size=30),
    st.sampled_from(["", "access.log", "syslog", "log4j.log", "spring-logback.log", "json"]),
)
def test_what_is_not_looked_at_would_not_have_changed_the_answer(
    kinds: list[bytes], order: list[int], name: str
) -> None:
    head = b"\n".join(kinds[number % len(kinds)] for number in order)
    found, single = detect(head, name), chosen(head, name)
    found = found.outer if isinstance(found, Nested) else found
    joined = isinstance(found, Mixed) and (isinstance(single, Plain) or single in found.members)
    assert found == single or joined


def test_the_answer_depends_on_the_head_alone() -> None:
    heads = [lines(LOGBACK), lines(ACCESS), lines(JSON), TRACE, *SAMPLES]
    first = [detect(head) for head in heads]
    assert [detect(head) for head in reversed(heads)] == first[::-1]


@pytest.mark.parametrize(
    "line",
    [
        b'{"a":NaN}',
        b'{"a":"\\ud800"}',
        b"{'a':1}",
        b'{"a":01}',
        b'{"a":"\x01"}',
        b'{"a":1}}',
        b'{"a":1,}',
        b"[1]",
        b"{",
    ],
)
def test_json_that_readers_disagree_on_is_left_to_the_reader(line: bytes) -> None:
    assert not surely_json(line)


@given(st.recursive(st.none() | st.integers() | st.floats(allow_nan=False) | st.text(), st.lists), st.text())
def test_what_is_surely_json_is_read_as_json(value: object, key: str) -> None:
    line = json.dumps({key: value}, ensure_ascii=False).encode("utf-8", "replace").replace(b"Infinity", b"1e999")
    parsed = JsonLines().parse(records_of(*whole(line)), TimeRules(), stats_only=True)
    assert parsed.ok.all() or not surely_json(line)


def whole(line: bytes) -> tuple[Lines, Mask]:
    found = split_lines(Block.of(line))
    return found, np.ones(len(found), np.bool_)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_there_is_always_an_answer(head: bytes) -> None:
    assert detect(head).name
    assert candidates(head)[-1][0].name == "plain"


@pytest.mark.parametrize(
    "line",
    [
        b" " * 60_000,
        b"[" * 60_000,
        b"2026-03-01 12:00:00.1 INFO 1 --- [" + b" " * 50_000,
        b'{"a":' * 10_000,
        b"a=" * 30_000,
    ],
    ids=["blanks", "brackets", "open bracket", "nested", "pairs"],
)
def test_hostile_lines_are_answered_like_any_other(line: bytes) -> None:
    assert detect(b"x\n" + line + b"\n").name == "plain"


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (gzip.compress(b"x", mtime=0), "gzip"),
        ("ü".encode("utf-16"), "UTF-16"),
        ("some text".encode("utf-16-be"), None),
        ("some longer text".encode("utf-16-le"), "UTF-16"),
        (b"\x7fELF\x02\x01\x01\0", "ELF"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"SQLite format 3\0rest", "SQLite"),
        (bytes(range(256)) * 8, "binary"),
    ],
)
def test_binary_files_are_told_with_their_reason(head: bytes, reason: str | None) -> None:
    found = is_binary(head)
    assert found is not None
    assert reason is None or reason in found


@pytest.mark.parametrize(
    "head",
    [
        b"",
        lines(LOGBACK),
        b"\x1b[31mred\x1b[0m\n",
        b"\0" * 4096,
        b"\0" * 4096 + lines(LOGBACK),
        b"caf\xe9\n",
        b"\xef\xbb\xbfx\n",
    ],
    ids=["empty", "log", "colours", "hole", "hole before text", "latin-1", "BOM"],
)
def test_text_is_no_binary_file(head: bytes) -> None:
    assert is_binary(head) is None
