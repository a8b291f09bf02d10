"""Which format a file has, told from its head."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logkit.formats import Plain, candidates, detect, is_binary

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


def test_with_times_plain_joins_what_follows() -> None:
    head = b"".join(b"(%d) 2026-03-01 12:00:00 ~ something happened\nand more of it\n" % i for i in range(9))
    found = detect(head)
    assert isinstance(found, Plain)
    assert (found.timed, found.weak, found.within) == (True, False, 24)


def test_lesser_times_count_where_most_lines_have_one() -> None:
    assert detect(b"12:00:00 one\n12:00:01 two\nthree\n") == Plain(timed=True, weak=True, within=16)


def test_a_file_of_no_single_format_is_plain() -> None:
    assert detect(lines(ACCESS) + lines(LOGBACK)).name == "plain"


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
        (gzip.compress(b"x"), "gzip"),
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
