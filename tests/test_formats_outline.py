"""What every line of a format must hold: a format is refused only where it reads no line."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logkit.formats import Format, Plain, Regex, Template, catalog
from logkit.formats.access import Access
from logkit.formats.base import TimeRules
from logkit.formats.block import Block, records_of, split_lines
from logkit.formats.catalog import entries
from logkit.formats.manyline import ManyLine
from logkit.formats.outline import might_read, outlines

FORMATS = [format for format in catalog() if isinstance(format, Template | Regex | Access)]
SAMPLES = [(entry.format, sample["line"].encode()) for entry in entries() if not entry.json for sample in entry.samples]
LINES = [(format, line) for format, line in SAMPLES if not isinstance(format, ManyLine)]
IDS = [format.name for format, _ in SAMPLES]
OUTLINES = {format.name: outlines(format) for format in FORMATS}  # drawn once: a line is looked at by all of them


def refused(format: Format, line: bytes) -> bool:
    return not might_read(OUTLINES.get(format.name) or outlines(format), [line], line)


def recognised(format: Template | Regex | Access, text: bytes) -> list[bool]:
    """Of each line of a text."""
    return format.recognises(split_lines(Block.of(text))).tolist()


def parsed(format: Template | Regex | Access, text: bytes) -> tuple[list[bool], list[bool]]:
    """Of each line of a text, a record of its own: whether it is read, and whether with its level."""
    lines = split_lines(Block.of(text))
    found = format.parse(records_of(lines, lines.start >= 0), TimeRules(), stats_only=True)
    inner = format.inner if isinstance(format, Access) else format
    named = isinstance(inner.levels, tuple) or inner.levels in ("words", "letters", "numbers", "postgres")
    words = "level" in format.fields and named
    levelled = found.frame["level"].is_not_null().to_numpy() if words else found.ok
    return found.ok.tolist(), (found.ok & levelled).tolist()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sample line with pieces of other ones in it, bytes put in or left out, or a month that is none."""
    line = draw(st.sampled_from(LINES))[1]
    if draw(st.booleans()):
        line = re.sub(rb"[-/]03[-/]", lambda found: found[0].replace(b"03", b"93"), line)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(line)))
        other = draw(st.sampled_from(LINES))[1]
        piece = draw(
            st.sampled_from([b"", b" ", b"  ", b"-", b"9", b"\t", b'"', b"[", "é".encode(), b"\x1c", other[:at]])
        )
        line = line[:at] + piece + line[at + draw(st.integers(0, 2)) :]
    # What is cut through a character is no UTF-8 and would never come so far.
    return line.decode("utf-8", "replace").encode() or b"x"


@pytest.mark.parametrize(("format", "line"), SAMPLES, ids=IDS)
def test_no_sample_is_refused_by_its_own_format(format: Format, line: bytes) -> None:
    assert outlines(format)
    assert not refused(format, line)


def test_most_formats_refuse_a_line_of_another() -> None:
    left = sum(not refused(format, line) for format in FORMATS for _, line in LINES)
    assert left < 3 * len(LINES)


LEAVE_OUT = {
    *("ansible", "bind", "mysql-error-old", "pacman", "php-error", "rocksdb", "squid-cache", "suricata-fast"),
    *("proxifier", "syslog", "syslog-year", "twisted", "unreal", "vmkernel", "vmware", "xorg"),
}
"""Formats with the level in an optional group."""


# All formats look at ten lines in hardly more time than at one: so, 150 lines in each test.
SOME = st.lists(damaged(), min_size=10, max_size=10)


@settings(max_examples=15)
@given(SOME)
def test_no_line_is_refused_that_the_format_reads(lines: list[bytes]) -> None:
    for format in FORMATS:
        read = recognised(format, b"\n".join(lines))
        assert [line for line, ok in zip(lines, read, strict=True) if ok and refused(format, line)] == [], format.name


@settings(max_examples=15)
@given(SOME)
def test_a_line_is_recognised_that_is_parsed_with_its_level(lines: list[bytes]) -> None:
    for format in FORMATS:
        likely = [line for line in lines if not refused(format, line)]
        if likely:
            text = b"\n".join(likely)
            read, with_level = parsed(format, text)
            seen = recognised(format, text)
            assert all(level <= known <= ok for level, known, ok in zip(with_level, seen, read, strict=True)), (
                format.name
            )
            assert seen == with_level or format.name in LEAVE_OUT, format.name


@pytest.mark.parametrize(
    ("format", "line", "fits"),
    [
        (Regex("r", r"^(?P<a>[^\]]*)\] x+y(?P<message>.*)$"), "é] xxy".encode(), True),
        (Regex("r", r"^(?P<a>[^\]]*)\] x+y(?P<message>.*)$"), b"] y", False),
        (Regex("r", r"(?:a|bc)+d{2,}(?P<message>.)?"), b"aadd", True),
        (Regex("r", r"(?:a|bc)+d{2,}(?P<message>.)?"), b"cdd", False),
        (Regex("r", r"(?P<message>a)|b"), b"b", True),
        (Regex("r", r"(?P<message>a|b*)c?"), b"", True),
        (Regex("r", r"(?i:x)(?P<message>.*)"), b"X", True),
        (Regex("r", r"(?P<message>b)", search=True), b"abc", True),
        (Template("t", "{a}:{message}"), b"a:", True),
        (Template("t", "{a} - {message}"), b"a  -", True),
        (Template("t", "{a} - {message}"), b"a-", False),
        (Template("t", "{a} [{b?}] {c:d}"), b"a [] 7", True),
        (Template("t", "{a} [{b?}] {c:d}"), b"a [] x", False),
        (Template("t", "<{timestamp?}> {message}"), b"<> x", True),
    ],
)
def test_outlines_are_as_wide_as_their_patterns(format: Format, line: bytes, fits: bool) -> None:
    assert refused(format, line) != fits


def test_plain_has_no_outline_and_is_never_refused() -> None:
    assert outlines(Plain()) == ()
    assert not refused(Plain(), b"x")


@pytest.mark.parametrize("piece", [b" ", b"[", b'"', b"2026-03-01 12:00:00,123 INFO [", b"a: ", b"1"])
def test_hostile_lines_take_linear_time(piece: bytes) -> None:
    def cost(count: int) -> float:
        start = time.process_time()
        for format in FORMATS:
            refused(format, piece * count)
        return time.process_time() - start

    cost(100)
    size = 40_000 // len(piece)
    # Forty times as long: were it quadratic, it took 1600 times as long.
    assert min(cost(40 * size // 40) for _ in range(3)) < 200 * max(min(cost(size // 40) for _ in range(5)), 1e-4)
