"""The compiled inner loops do what the code beside each of them does, which defines what is right."""

# ruff: noqa: SIM905  (what is tried is easier to read as words than as lists)

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from logkit.formats import kernels
from logkit.formats.access import Access
from logkit.formats.base import NO_TIME, Facts, Format, Parsed, TimeRules
from logkit.formats.block import Block, Records, Text, records_of, split_lines
from logkit.formats.decimals import read_decimals
from logkit.formats.distinct import distinct
from logkit.formats.jsonlines import JsonLines
from logkit.formats.keys import Field
from logkit.formats.levels import NONE, WORDS, LevelWords, level_codes
from logkit.formats.seconds import short_numbers
from logkit.formats.template import Template
from logkit.formats.timestamps import Scan, scan_times, starts_with_time
from logkit.sources.batches import batch_of
from logkit.sources.chunks import Chunk
from logkit.sources.span import ReadOptions, Span
from logkit.stats import Limits, Stats
from logkit.stats.ladder import TIME_STOP_US
from logkit.stats.sketch import EDGES, MAX_US

pytestmark = pytest.mark.skipif(not kernels.compiled, reason="nothing compiled the kernels here")

T = TypeVar("T")
RULES = TimeRules("Europe/Berlin", 1_772_366_400_000_000)
LIKELY = settings(max_examples=120)


def both(act: Callable[[], T]) -> tuple[T, T]:
    """What comes of it with the kernels and without."""
    with pytest.MonkeyPatch.context() as patch:
        found = act()
        patch.setattr(kernels, "compiled", False)
        return found, act()


def text_of(pieces: Sequence[bytes], between: bytes = b"\n") -> Text:
    length = np.array([len(piece) for piece in pieces], np.int64)
    start = np.cumsum(length + len(between)) - length - len(between)
    return Text(Block.of(between.join(pieces)), start, start + length)


def records(format: Format, raw: bytes) -> Records:
    lines = split_lines(Block.of(raw))
    starts = format.starts(lines)
    starts[:1] = True
    return records_of(lines, starts)


def same_parsed(found: Parsed, wanted: Parsed) -> None:
    assert found.ok.tolist() == wanted.ok.tolist()
    assert found.frame.schema == wanted.frame.schema
    assert_frame_equal(found.frame.filter(found.ok), wanted.frame.filter(wanted.ok), check_exact=True)


def told(facts: Facts) -> list[object]:
    """What facts say of each record that is ok."""
    names = [*facts.services, None]
    duration = np.full(len(facts), np.nan) if facts.duration_ms is None else facts.duration_ms
    columns = (facts.us.tolist(), facts.level.tolist(), [names[place] for place in facts.service], map(repr, duration))
    return [row for row, ok in zip(zip(*columns, strict=True), facts.ok.tolist(), strict=True) if ok]


def counted(parsed: Parsed) -> Facts:
    """What facts of the same records should say."""
    frame, size = parsed.frame, len(parsed.ok)
    us = frame["timestamp"].cast(pl.Int64).fill_null(NO_TIME).to_numpy()
    level = frame["level"].to_physical().fill_null(NONE).to_numpy()
    duration = frame["duration_ms"].fill_null(np.nan).to_numpy() if "duration_ms" in frame.columns else None
    return Facts(us, level, frame["service"].to_list(), np.arange(size), duration, parsed.ok, "")


def same_format(format: Template | JsonLines, raw: bytes) -> None:
    """Starts, columns and facts of a block."""
    first, second = both(lambda: format.starts(split_lines(Block.of(raw))))
    assert first.tolist() == second.tolist()
    same_parsed(*both(lambda: format.parse(records(format, raw), RULES)))
    for parsed in both(lambda: format.parse(records(format, raw), RULES)):
        if parsed.facts is not None:
            assert told(parsed.facts) == told(counted(parsed))
    found, wanted = both(lambda: format.parse(records(format, raw), RULES, stats_only=True))
    same_parsed(found, wanted)
    for facts in both(lambda: format.facts(records(format, raw), RULES)):
        if facts is not None:
            assert facts.ok.tolist() == wanted.ok.tolist()
            assert told(facts) == told(counted(wanted))


def stats_of(format: Format, raw: bytes) -> tuple[Stats, int]:
    """The statistics of a block as a span's, and how many records were rejected."""
    read = records(format, raw)
    span = Span(0, 0, "app.log", format, 0, None, len(raw), RULES)
    chunk = Chunk(read, np.append(read.start, len(raw)), np.full(len(read), -1, np.int64))
    batch = batch_of(span, chunk, ReadOptions(keep=False))
    return batch.stats, batch.rejects


@given(st.binary(max_size=300), st.sampled_from([0, 10, 32, 127, 255]), st.integers(1, 40))
def test_bytes_are_found_where_they_are(raw: bytes, byte: int, times: int) -> None:
    found, wanted = both(lambda: Block.of((raw + bytes([byte])) * times).positions(byte))
    assert found.dtype == wanted.dtype
    assert found.tolist() == wanted.tolist()


# ---- templates ----

PATTERNS = {
    "logback": "{timestamp} {level} [{service}] [{thread}] {logger} - {message}",
    "access": '{client:w} {_:w} {user:w} [{timestamp}] "{request}" {status:d} {bytes:w} "{referrer}" "{user_agent}"',
    "quoted": '{timestamp} "{a}" "{b}"',
    "literals": "<{a:d}>{b:f} {c:w}: {duration_ms:f}ms | {message}",
    "widths": "{level:1} {a:3}{b:2}: {_} {c:4}",
    "two": "[{level}] {a:d} {message}\n{service} -> {a:d};\n{timestamp} {message}",
    "at the end": "{level} ({a}) = {service:w}ms]",
    "skipped": "{_:w} {_}: {_:d} {service}  {message:12}",
    "before the time": "x{level} [{timestamp}] {a:d}{{{b}}} é {message}",
    "many letters": "{a} longer than eight {level} bytes at once {service}!",
}
TOKENS = [
    b" ", b"  ", b"   ", b"\t", b"\r", b"\n", b"\r\n", b'"', b'\\"', b'\\\\"', b"\\", b'" "', b"[", b"]", b"] [",
    b" - ", b"- ", b"-", b"->", b";", b":", b": ", b"|", b" | ", b"<", b">", b"(", b")", b"=", b"{", b"}",
    b"ms", b"ms | ", b"ms]",
    b"!", b"INFO", b"warn", b"E", b"x", b"app", b"1", b"23", b"200", b"-1.5", b"1e5", b"nan", b".5", b"007", b"9" * 33,
    b"a" * 31, "\u00e9".encode(), "\u65e5\u672c".encode(), b"\x00", b"\x7f", b"2026-03-01 12:00:00,001",
    b"2026-03-01 12:00:00",
    b"01/Mar/2026:13:00:00 +0100", b" longer than eight ", b" bytes at once ",
]  # fmt: skip
WELL = [
    b"2026-03-01 12:00:00,001 INFO  [gateway] [exec-7] com.example.Orders - Published id=9",
    b'10.0.0.1 - - [01/Mar/2026:13:00:00 +0100] "GET /a?b=\\"c\\" HTTP/1.1" 503 - "-" "curl/8 \\"x\\" y"',
    b'2026-03-01 12:00:00 "one \\" two" "three"',
    b"<12>1.5 word: 3.25ms | what was said",
    b"W abc12: some thing wxyz",
    b"[warn] 12 said",
    b"cart -> 35;",
    b"2026-03-01 12:00:00 said",
    b"WARN (a) = b) = 12ms]",
    b"a b c: 12 cart  twelve bytes",
    "xINFO [2026-03-01 12:00:00] 12{b} é more".encode(),
    b"one longer than eight info bytes at once cart!",
]
TIMES = "%Y-%m-%d %H:%M:%S%f|%d/%b/%Y:%H:%M:%S %z"


@st.composite
def near_lines(draw: st.DrawFn) -> bytes:
    """A line that fits some pattern, with a few pieces changed for others."""
    line = draw(st.sampled_from(WELL))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(line)))
        cut = draw(st.integers(0, 3))
        # Whole characters only: blocks are valid UTF-8.
        line = (line[:at] + draw(st.sampled_from(TOKENS)) + line[at + cut :]).decode("utf-8", "ignore").encode()
    return line


LINES = st.one_of(near_lines(), near_lines(), st.lists(st.sampled_from(TOKENS), max_size=12).map(b"".join))
BLOCKS = st.tuples(st.lists(LINES, min_size=1, max_size=10), st.sampled_from([b"\n", b"\r\n"]), st.booleans()).map(
    lambda parts: parts[1].join(parts[0]) + parts[1] * parts[2]
)


@pytest.mark.parametrize("optional", [False, True])
@pytest.mark.parametrize("name", PATTERNS)
@settings(max_examples=12)
@given(raw=BLOCKS)
def test_templates_read_the_same(name: str, optional: bool, raw: bytes) -> None:
    pattern = PATTERNS[name]
    names = (
        tuple({"service", "a", "b", "user", "referrer"} & set(Template("t", pattern, TIMES).fields)) if optional else ()
    )
    for multiline in (False, True):
        same_format(Template("t", pattern, TIMES, multiline, optional=names), raw)


@settings(max_examples=15)
@given(st.lists(near_lines(), min_size=4, max_size=12), st.sampled_from(sorted(PATTERNS)))
def test_templates_read_large_blocks_the_same(lines: list[bytes], name: str) -> None:
    same_format(
        Template("t", PATTERNS[name], TIMES, multiline=True),
        b"\n".join(lines * (1 + (1 << 17) // sum(map(len, lines)))),
    )


@pytest.mark.parametrize("size", range(60, 86))
def test_a_line_cut_short_at_a_blocks_end_reads_the_same(size: int) -> None:
    for line in WELL[:2]:
        for name in PATTERNS:
            same_format(Template("t", PATTERNS[name], TIMES), line[:size])


# ---- times ----

LAYOUTS = {
    "%Y-%m-%d %H:%M:%S%f": "2026-03-01 12:00:00.5",
    "%Y-%m-%d %H:%M:%S%f%z": "2026-03-01T12:00:00,123 +01:00",
    "%F %T%z": "2026-03-01 12:00:00Z",
    "%F %T%3f%Z": "2026-03-01 12:00:00123CEST",
    "%F %T,%3f": "2026-03-01 12:00:00,123",
    "%d/%b/%Y:%H:%M:%S %z": "01/Mar/2026:12:00:00 +0100",
    "%b %e %H:%M:%S": "Mar  1 12:00:00",
    "%b %e %H:%M:%S%f %Y": "Mar  1 12:00:00.123456 2026",
    "%H:%M:%S%f": "23:59:59.9",
    "%y%m%d %H%M%S": "260301 120000",
    "%-m/%-d/%Y %-I:%M:%S %p": "3/1/2026 1:00:00 PM",
    "%a %b %d %T%f %Y": "Sun Mar 01 12:00:00.1 2026",
    "%d %B %Y %H:%M": "01 March 2026 12:00",
    "%Y-%m-%d %H:%M": "2026-03-01 12:00",
    "%m-%d %H:%M:%S%f": "12-31 23:59:59.999",
    "%s": "1772366400.25",
    "[%F %T%f] %z": "[2026-03-01 12:00:00.25] -0330",
    "%F %T%f%z|%F %T%f|%s": "2026-03-01 12:00:00.123",
}
MOVES = ["", " ", *"0 1 5 9 59 60 61 . , : Z z + - T +01:00 +0 x / \u00e9".split()]


@st.composite
def near_times(draw: st.DrawFn, written: str) -> bytes:
    """A time of this kind, mostly, whose seconds, fraction, zone or some other place is another one."""
    text = written
    if draw(st.booleans()):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(MOVES)) + text[at + draw(st.integers(0, 2)) :]
    if draw(st.booleans()):
        text = text.replace(":00", f":{draw(st.integers(57, 61))}")
    if draw(st.booleans()):
        text += draw(st.sampled_from(".,")) + "123456789012"[: draw(st.integers(0, 12))]
    if draw(st.booleans()):
        text += draw(st.sampled_from(["", "Z", "+01:00", " +0100", " Z", "-03", "+1", " 5", "\x00", "  "]))
    return text.encode()


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=25)
@given(data=st.data())
def test_times_read_the_same(layout: str, data: st.DataObject) -> None:
    written = data.draw(st.lists(near_times(LAYOUTS[layout]), min_size=1, max_size=8))
    pieces = [piece for piece in written for _ in range(data.draw(st.integers(1, 3)))]
    between = data.draw(st.sampled_from([b"\n", b"", b"7", b" x", b".5\n"]))
    for whole in (False, True):

        def act(whole: bool = whole) -> Scan:
            text = text_of(pieces, between)
            return scan_times(text.block, text.start, text.stop, layout, RULES, whole=whole)

        found, wanted = both(act)
        assert found.ok.tolist() == wanted.ok.tolist()
        assert found.us.tolist() == wanted.us.tolist()
        assert found.stop[found.ok].tolist() == wanted.stop[found.ok].tolist()
    raw = b"\n".join(pieces)
    begins, also = both(lambda: starts_with_time(split_lines(Block.of(raw)), layout))
    assert begins.tolist() == also.tolist()


# ---- words and numbers ----

KNOWN = [word.encode() for words in WORDS.values() for word in words.split()]


@LIKELY
@given(
    st.lists(
        st.one_of(
            st.sampled_from(KNOWN),
            st.sampled_from(KNOWN).map(bytes.upper),
            st.binary(max_size=20).map(lambda b: bytes(c & 127 for c in b)),
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(["words", "letters", "numbers", "postgres"]),
)
def test_levels_read_the_same(pieces: list[bytes], kind: LevelWords) -> None:
    found, wanted = both(
        lambda: level_codes(text_of([*pieces, b"", b"10", b"E", b"w\x00", b"informational!"], b""), kind)
    )
    assert found.tolist() == wanted.tolist()


@LIKELY
@given(
    st.lists(
        st.one_of(st.text("ab é", max_size=70), st.sampled_from(["", "a", "a\x00", "a" * 64, "a" * 65])), max_size=30
    )
)
def test_different_texts_are_told_apart_the_same(texts: list[str]) -> None:
    pieces = [text.encode() for text in texts]
    for names, place in both(lambda: distinct(text_of(pieces, b""))):
        assert len(set(names)) == len(names)
        assert [names[at] for at in place] == texts


@pytest.mark.parametrize("count", [1023, 1024, 1025, 3000])
@pytest.mark.parametrize("length", [1, 80])
def test_many_different_texts_are_told_apart_the_same(count: int, length: int) -> None:
    texts = [f"{number:0{length}}" for number in range(count)] * 2
    for names, place in both(lambda: distinct(text_of([text.encode() for text in texts]))):
        assert sorted(names) == sorted(set(texts))
        assert [names[at] for at in place] == texts


DECIMALS = st.one_of(
    st.from_regex(r"-?[0-9]{0,21}(\.[0-9]{0,20})?", fullmatch=True),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(0, 10**19).map(lambda n: f"{n / 10**6:.6f}"),
    st.sampled_from(
        ["", "-", ".", "1.", ".5", "-0", "-0.0", "1e5", "+1", "1 ", "9007199254740993", "9007199254740992.5", "0" * 21]
    ),
)


@settings(max_examples=300)
@given(st.lists(DECIMALS, min_size=1, max_size=20))
def test_decimals_are_the_doubles_nearest_to_them(texts: list[str]) -> None:
    found, wanted = both(lambda: read_decimals(text_of([text.encode() for text in texts])))
    assert found[1].tolist() == wanted[1].tolist()
    assert [repr(value) for value in found[0]] == [repr(value) for value in wanted[0]]


# ---- JSON ----

FIELDS = (
    Field("timestamp", (("t",), ("@t",)), "time", "t"),
    Field("level", (("level",), ("log", "level")), "level", "level"),
    Field("service", (("service", "name"), ("svc",))),
    Field("duration_ms", (("dur",), ("event", "dur")), "duration", "dur", "2.5"),
    Field("a", (("a",),), "text", "a"),
    Field("status", (("status",),), "integer", "status"),
    Field("deep", (("log", "at", "name"),)),
)
JSON = JsonLines(FIELDS)
KEYS = ["", *r"t @t level log service svc dur event a status at name z \u00e9 a\u0062 \u0061 lev\/el".split()]
ODD = [
    *"1.50 1e5 1E+5 -0 -0.0 0.00001 0.1 12345678901234567890 99999999999999999999 100000000000000.5 1.7e9".split(),
    *"123456789012345678 01 1. .5 - +1 1e 1e400 NaN null true false nul [] {} [1,2] [1,] 200 200.0".split(),
    *r'"" "warn" "INFO" "cart" "1.50" "1.5s" "2m3s" "\n" "\u00e9" "\ud83d\ude00" "\ud83d" "\udc00x" "\u00g0"'.split(),
    *r'"\x"'.split(),
    *r'"\" "unended "\u0000" [{"level":"x"}] "2026-03-01T12:00:00.25Z" 1772366400 1772366400.250 "1772366400"'.split(),
    '"tab\there"', '"\x00"', '"\u00e9\u65e5"', '" x "', "9" * 280 + "e99", f'"{"long" * 9}"', "[" * 30 + "]" * 30,
]  # fmt: skip
BLANK = st.sampled_from(["", "", "", " ", "\t", "  "])


def typical(number: int) -> dict[str, Any]:
    return {
        "t": 1772366400 + number,
        "level": ["info", "warn", ""][number % 3],
        "svc": ["cart", ""][number % 2],
        "dur": number / 8,
    }


@st.composite
def objects(draw: st.DrawFn, depth: int = 0) -> str:
    """An object's text, or what is nearly one."""
    pieces = []
    for key in draw(st.lists(st.sampled_from(KEYS), max_size=6)):
        nested = depth < 2 and (key in ("log", "service", "event", "at") or draw(st.integers(0, 9)) == 0)
        value = draw(objects(depth + 1)) if nested and draw(st.integers(0, 3)) else draw(st.sampled_from(ODD))
        pieces.append(f'{draw(BLANK)}"{key}"{draw(BLANK)}:{draw(BLANK)}{value}{draw(BLANK)}')
    return (
        "{"
        + ",".join(pieces)
        + draw(st.sampled_from(["", "", "", "", "", "", "", "", ","] if depth == 0 else [""]))
        + "}"
    )


@st.composite
def json_lines(draw: st.DrawFn) -> bytes:
    """A line of an object, cut short or with something around it once in a while."""
    text = draw(BLANK) + draw(objects()) + draw(st.sampled_from([*[""] * 9, " ", "x", "{}", "}", "\r", "\x00"]))
    return text[: draw(st.integers(0, len(text)))].encode() if draw(st.integers(0, 9)) == 0 else text.encode()


@settings(max_examples=25)
@given(st.lists(json_lines(), min_size=1, max_size=12), st.booleans(), st.booleans(), st.booleans())
def test_json_reads_the_same(lines: list[bytes], carriage: bool, leftovers: bool, mostly_good: bool) -> None:
    good = [json.dumps(typical(number)).encode() for number in range(12 * mostly_good)]
    same_format(JsonLines(FIELDS, leftovers=leftovers), (b"\r\n" if carriage else b"\n").join([*lines, *good]))


@pytest.mark.parametrize("value", ODD)
def test_json_values_read_the_same_under_every_key(value: str) -> None:
    own = [f'{{"x":1,"{key}":{value}}}' for key in KEYS]
    inner = [f'{{"{outer}":{{"{key}":{value}}}}}' for outer in KEYS[3:8] for key in KEYS]
    raw = "\n".join([*own, *inner]).encode()
    same_parsed(*both(lambda: JSON.parse(records(JSON, raw), RULES)))


@pytest.mark.parametrize("first", ["{}", "5", "null", '{"level":null}', '{"level":"warn"}', "[]"])
def test_of_two_objects_with_one_key_the_first_counts(first: str) -> None:
    same_format(JSON, f'{{"log":{first},"log":{{"level":"error","at":{{"name":"x"}}}}}}'.encode())


ACCESS = Access(Template("access", PATTERNS["access"], "%d/%b/%Y:%H:%M:%S %z", levels="status", dash_is_null=True))
LOGBACK = Template("logback", PATTERNS["logback"], multiline=True)


@settings(max_examples=20)
@given(st.lists(st.one_of(near_lines(), json_lines()), min_size=1, max_size=20))
def test_statistics_of_a_block_are_the_same(lines: list[bytes]) -> None:
    for format in (JSON, LOGBACK, ACCESS):
        found, wanted = both(lambda: stats_of(format, b"\n".join([WELL[0], *lines])))  # noqa: B023
        assert found == wanted


def test_statistics_of_many_objects_are_the_same() -> None:
    found, wanted = both(
        lambda: stats_of(JSON, "\n".join(json.dumps(typical(number)) for number in range(500)).encode())
    )
    assert found == wanted
    assert not found[1]


# ---- tables ----

CELLS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(-1, 9), st.integers(5, 8), st.integers(1, 9)),
    max_size=9,
)


@given(st.lists(st.tuples(CELLS, st.permutations([0, 1, 4])), min_size=1, max_size=5), st.sampled_from([1, 2, 5]))
def test_tables_add_up_to_the_same(parts: list[tuple[list[tuple[int, ...]], list[int]]], width: int) -> None:
    tables, expected = [], Counter[tuple[int, ...]]()
    for rows, names in parts:
        columns = np.array(rows, np.int64).reshape(-1, 5).T
        tables.append((columns[:4], columns[4:], np.array(names, np.int64)))
        for service, level, time, bin, count in rows:
            expected[names[service], level, max(time // width * width, -1), bin] += count
    found = kernels.pile(tables, width, 10**4)
    assert found is not None
    rows_found = [tuple(row) for row in np.vstack(found).T.tolist()]
    assert rows_found == [(*key, count) for key, count in sorted(expected.items())]


def test_tables_that_cannot_be_added_in_place_are_left() -> None:
    keys, names = np.array([[0, 1], [0, 0], [0, 9], [1, 2]]), np.array([0, 1])
    for changed, counts, most in [
        (keys, [1, 1], 39),  # two names, a level, ten times and two bins
        (keys, [1, 0], 99),
        (keys, [1, -1], 99),
        (keys + 1, [1, 1], 99),
        (keys - 1, [1, 1], 99),
        (keys * 2**62, [1, 1], 2**62),
    ]:
        assert kernels.pile([(changed, np.array([counts]), names)], 1, most) is None
    found = kernels.pile([(keys, np.array([[1, 2]]), names)], 1, 40)
    assert found is not None
    assert np.vstack(found).T.tolist() == [[0, 0, 0, 1, 1], [1, 0, 9, 2, 2]]


@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(-1, 9 * 10**6), st.sampled_from([0, 10**15, TIME_STOP_US - 1, TIME_STOP_US, 2**62])),
            st.integers(0, NONE),
            st.integers(0, 3),
            st.one_of(
                st.floats(0, 10_000),
                st.integers(0, 4000).map(lambda half: half / 2000),
                st.sampled_from([np.nan, np.inf, -np.inf, -1.0, -0.0, 8.64e8, 8.63e8, 9e8, 1e300, 0.0005, 0.0015]),
            ),
        ),
        min_size=1,
        max_size=40,
    ),
    st.booleans(),
    st.builds(
        Limits, max_services=st.integers(1, 4), max_buckets=st.integers(1, 9), max_latency_buckets=st.integers(1, 9)
    ),
)
def test_facts_are_counted_the_same(rows: list[tuple[int, int, int, float]], lasting: bool, limits: Limits) -> None:
    us, level, service, duration = zip(*rows, strict=True)
    ok, names = np.ones(len(rows), np.bool_), ["cart", "", "gateway", "größe"]
    ranks = np.array(level, np.uint8)
    facts = Facts(np.array(us), ranks, names, np.array(service), np.array(duration) if lasting else None, ok, "")
    found, wanted = both(lambda: Stats.of_facts(facts, limits))
    assert found == wanted


def test_every_duration_is_in_the_same_bin() -> None:
    edges = np.concatenate([EDGES - 1, EDGES, EDGES + 1, 2 ** np.arange(40), [MAX_US]])
    durations = np.clip(edges, 1, MAX_US) / 1000
    zeros = np.zeros(len(durations), np.int64)
    facts = Facts(zeros, zeros.astype(np.uint8), ["a"], zeros, durations, zeros == 0, "")
    found, wanted = both(lambda: Stats.of_facts(facts))
    assert found == wanted
    assert found.bins.height == len(np.unique(EDGES))


@given(
    st.lists(st.sampled_from([b"a" * 70, b"\n", b"\x00", b"\x1b", b"\x7f", b"\x80", b"\xff", b"xy"]), max_size=12),
    st.integers(0, 70),
)
def test_a_look_at_bytes_tells_what_is_among_them(pieces: list[bytes], more: int) -> None:
    raw = b"".join(pieces) + b"z" * more
    lines, high, zero, escape, deleted = kernels.look(raw + bytes([0, 10, 27, 127, 200]), len(raw))
    assert lines.tolist() == [at for at, byte in enumerate(raw) if byte == 10]
    assert (high, zero, escape, deleted) == (max(raw, default=0) > 127, 0 in raw, 27 in raw, 127 in raw)


@given(st.lists(st.sampled_from([b" ", b"\t", b"\r", b"\f", b"\v", b"\n", b"x", b"\x00", b"\x85"]), max_size=30))
def test_lines_are_bounded_the_same(pieces: list[bytes]) -> None:
    def act() -> list[list[int]]:
        lines = split_lines(Block.of(b"".join(pieces)))
        return [column.tolist() for column in (lines.start, lines.stop, lines.next, lines.blank())]

    found, wanted = both(act)
    assert found == wanted


@given(st.lists(st.sampled_from(b"0 7 42 200 00000001 99999999 123456789 -1 1.5 2e3 x :: /9".split(b" ")), max_size=9))
def test_short_numbers_are_read_the_same(pieces: list[bytes]) -> None:
    (found, known), (wanted, as_known) = both(lambda: short_numbers(text_of(pieces)))
    assert known.tolist() == as_known.tolist()
    assert found[known].tolist() == wanted[as_known].tolist()
