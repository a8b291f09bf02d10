"""Whatever a file's bytes are: its lines are told, its text is shown, and its offsets stay those of the file."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logkit.formats.base import TimeRules
from logkit.sources import Batch, ReadOptions, Span, identify, read_span
from logkit.sources.encodings import encoding_of
from logkit.sources.reader import read_up_to, reader_for
from logkit.sources.span import digest
from tests.tiny import Event, Tiny, chunks_of, events_of, reference

LINE = "2026-03-01 12:00:00,001 INFO  [orders] [exec-1] c.e.Orders - accepted\n"
BOM = b"\xef\xbb\xbf"
ODD = [
    BOM,
    b"R",
    b"R one",
    b"more",
    b"\t",
    b"\0",
    b"\0" * 40,
    b"\0R",
    b"a\0\0b",
    b"R\xe9t\xe9",
    "Rü€😀".encode(),
    b"\xff\xfe",
    b"\x1b[31mR",
    b"\x1b[0m",
    b"\x1b[38;5;196;48;2;1;2;3m",
    b"\x1b(B",
    b"\x1b",
    b"\x1b[",
    b"\x1b[\0m",
    b"\x1b[" + b"1;" * 30 + b"m",
    b"\r",
    b"R\r\r",
    b"\x7f",
]
PIECE = st.one_of(st.sampled_from(ODD), st.binary(max_size=6))
END = st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r"])
DATA = st.lists(st.one_of(PIECE, END), max_size=40).map(b"".join)
HOW = st.fixed_dictionaries(
    {
        "encoding": st.sampled_from(["utf-8", "latin-1"]),
        "line_end": st.sampled_from([b"\n", b"\n", b"\r"]),
        "format": st.sampled_from([Tiny(True), Tiny(False)]),
        "block_bytes": st.integers(1, 64),
    }
)
"""How a span is read, in small blocks."""


def large(how: dict[str, Any]) -> dict[str, Any]:
    """The same in one block."""
    return {**how, "block_bytes": 1 << 16}


def slowly(data: bytes, how: dict[str, Any]) -> list[tuple[int, str]]:
    """Offsets and texts as a perfect reader finds them."""
    return reference(data.replace(how["line_end"], b"\n"), how["format"].multiline, how["encoding"])


@given(DATA, st.lists(st.integers(0, 300), max_size=5), HOW)
@example(b"R\r\0R\rR", [], {"encoding": "utf-8", "line_end": b"\r", "format": Tiny(), "block_bytes": 1})
@settings(max_examples=300, deadline=None)
def test_any_bytes_in_any_cuts_and_blocks_are_what_a_slow_reader_finds(
    data: bytes, cuts: list[int], how: dict[str, Any]
) -> None:
    whole = events_of(chunks_of(data, 0, len(data), **large(how)))
    assert [(offset, text) for offset, *_, text in whole] == slowly(data, how)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = []
    for start, stop in itertools.pairwise(edges):
        pieces += events_of(chunks_of(data, start, stop, **how))
    assert pieces == whole
    assert_tiles(whole, data)


@given(DATA, st.integers(4, 90), HOW)
@settings(max_examples=300, deadline=None)
def test_long_lines_of_any_bytes_are_cut_in_the_same_places_whatever_the_blocks(
    data: bytes, longest: int, how: dict[str, Any]
) -> None:
    whole = events_of(chunks_of(data, 0, len(data), max_record_bytes=longest, **large(how)))
    assert events_of(chunks_of(data, 0, len(data), max_record_bytes=longest, **how)) == whole
    assert_tiles(whole, data)
    joined: list[str] = []
    for _, _, continues, text in whole:
        joined += [""] if continues < 0 else []
        joined[-1] += text
    assert ["".join(text.split()) for text in joined] == ["".join(text.split()) for _, text in slowly(data, how)]


def assert_tiles(events: list[Event], data: bytes) -> None:
    """Events lie one behind the other from the first byte to the last; a byte order mark alone waits for its text."""
    ends = [offset + length for offset, length, *_ in events]
    assert [offset for offset, *_ in events] == [0, *ends][: len(events)]
    assert all(length > 0 for _, length, *_ in events)
    assert data in (b"", BOM) or ends[-1] == len(data)


WRITTEN = st.one_of(
    PIECE,
    st.sampled_from([LINE.encode(), LINE.encode() * 3, LINE.encode("utf-16"), LINE.encode("utf-16-be"), b"\n", b"\r"]),
    st.sampled_from(
        [b'{"time":"2026-03-01T12:00:00Z","level":"info","msg":"m"}\n', b"ts=1 level=info msg=m\n", b"\0" * 99]
    ),
)


@given(st.lists(WRITTEN, max_size=12).map(b"".join), st.integers(1, 300), st.integers(64, 400))
@settings(max_examples=80, deadline=None)
def test_any_file_is_read_to_its_last_byte_by_the_format_it_was_told_to_have(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, block_bytes: int, longest: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.log"
    path.write_bytes(data)
    found = identify(str(path))
    if found.format is None:
        assert found.refused
        return
    whole = rows(read_file(path, max_record_bytes=longest))
    assert rows(read_file(path, max_record_bytes=longest, block_bytes=block_bytes)) == whole
    with path.open("rb") as file:
        text = read_up_to(reader_for(file.fileno(), "", None, found.encoding, 0, final=True), 1 << 20)
    ends = [offset + length for offset, length, _ in whole]
    assert [offset for offset, *_ in whole] == [found.hole_bytes, *ends][: len(whole)]
    assert not text or text == BOM or ends[-1] == len(text)


@pytest.mark.parametrize("longest", [64, 4096])
def test_a_line_longer_than_max_record_bytes_is_cut_there_and_nothing_lost(tmp_path: Path, longest: int) -> None:
    line = LINE[:-1] + "x" * 10_000 + "\n"
    batches = read(tmp_path, (LINE + line + LINE).encode(), max_record_bytes=longest)
    length = [value for batch in batches if batch.frame is not None for value in batch.frame["length_bytes"]]
    assert sum(length) == len(LINE + line + LINE)
    assert max(length) <= max(longest, len(LINE))
    assert sum(batch.cuts for batch in batches) == sum(-(-len(text) // longest) - 1 for text in (LINE, line, LINE))


def read(tmp_path: Path, data: bytes, **options: int) -> list[Batch]:
    """All batches of a file that holds `data`."""
    path = tmp_path / "app.log"
    path.write_bytes(data)
    return read_file(path, **options)


def read_file(path: Path, **options: int) -> list[Batch]:
    """All batches of a file, read as its identity says."""
    found, size = identify(str(path)), path.stat().st_size
    assert found.format is not None
    assert found.refused is None
    span = Span(
        source=0,
        generation=0,
        path=str(path),
        format=found.format,
        start=found.hole_bytes,
        stop=None if found.serial else size,
        limit=None if found.serial else size,
        times=TimeRules(),
        final=True,
        encoding=found.encoding,
        line_end=found.line_end,
    )
    return list(read_span(span, ReadOptions(**options)))  # type: ignore[arg-type]


def rows(batches: list[Batch]) -> list[tuple[int, int, str]]:
    """Offset, length and message of each event."""
    columns = ("offset", "length_bytes", "message")
    return [row for batch in batches if batch.frame is not None for row in batch.frame.select(columns).iter_rows()]


def messages(batches: list[Batch]) -> list[str]:
    return [text for batch in batches if batch.frame is not None for text in batch.frame["message"]]


@pytest.mark.parametrize("block_bytes", [64, 4 << 20])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_log_says_the_same_in_every_encoding_and_with_every_line_end(
    tmp_path: Path, encoding: str, end: str, block_bytes: int
) -> None:
    text = "".join(LINE.replace("accepted", f"angenommen für Größe {number}") for number in range(50))
    batches = read(tmp_path, text.replace("\n", end).encode(encoding), block_bytes=block_bytes)
    assert messages(batches) == [f"angenommen für Größe {number}" for number in range(50)]
    assert sum(batch.rejects for batch in batches) == 0
    assert sum(batch.invalid_bytes for batch in batches) == 0
    raw = text.replace("\n", end).encode("utf-8" if encoding.startswith("utf-16") else encoding)
    marked = 3 if encoding == "utf-16" else 0
    assert [batches[0].start, batches[-1].stop] == [0, len(raw) + marked]
    assert all(one.stop == two.start for one, two in itertools.pairwise(batches))


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        (b"", "utf-8"),
        (b"plain", "utf-8"),
        ("größe".encode(), "utf-8"),
        ("grö".encode()[:-1], "utf-8"),
        ("größe".encode("latin-1"), "latin-1"),
        ("größe".encode() + b" \xe9t\xe9", "utf-8"),
        (b"caf\xe9 \x93quoted\x94", "utf-8"),
        (b"\xa7\xb1\xb7 \xff\n", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff\0", "utf-16-be"),
        ("a longer line".encode("utf-16-le"), "utf-16-le"),
        ("a longer line".encode("utf-16-be"), "utf-16-be"),
        ("short".encode("utf-16-le"), "utf-8"),
        (b"\0" * 500 + b"text after a hole", "utf-8"),
    ],
)
def test_an_encoding_is_told_from_the_head(head: bytes, encoding: str) -> None:
    assert encoding_of(head) == encoding


UNIT = st.one_of(
    st.sampled_from([b"R\0", b"\n\0", b"\0\xd8", b"\0\xdc", b"=\xd8\0\xde", b"\xfd\xff", b"\xac "]),
    st.binary(max_size=5),
)


@given(st.lists(UNIT, max_size=30).map(b"".join), st.sampled_from(["utf-16-le", "utf-16-be"]), st.integers(0, 70))
@settings(max_examples=300, deadline=None)
def test_any_bytes_of_utf16_can_be_read_from_any_offset(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, encoding: str, offset: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "utf16"
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        whole = read_up_to(reader_for(descriptor, "", None, encoding, 0, final=True), 1 << 20)
        assert read_up_to(reader_for(descriptor, "", None, encoding, offset, final=True), 1 << 20) == whole[offset:]
        growing = read_up_to(reader_for(descriptor, "", None, encoding, 0), 1 << 20)
    finally:
        os.close(descriptor)
    assert whole.startswith(growing)
    assert whole[len(growing) :] in (b"", b"\xff", b"\xff\xff")
    assert whole.decode("utf-8", "replace") == data.decode(encoding, "replace") or b"\xff" in whole
    assert whole.count(b"\xff") + len(whole.decode("utf-8", "ignore").encode()) == len(whole)


def test_half_a_character_at_the_end_of_a_growing_utf16_file_waits_for_the_rest(tmp_path: Path) -> None:
    data, got = "\ufeffa😀ü\n".encode("utf-16-le"), b""
    with (tmp_path / "a.log").open("wb", buffering=0) as out:
        descriptor = os.open(tmp_path / "a.log", os.O_RDONLY)
        reader = reader_for(descriptor, "", None, "utf-16-le", 0)
        for at in range(len(data)):
            out.write(data[at : at + 1])
            got += read_up_to(reader, 100)
        os.close(descriptor)
    assert got.decode() == "\ufeffa😀ü\n"


def test_units_that_stand_for_nothing_are_counted_and_shown(tmp_path: Path) -> None:
    data = (LINE.replace("accepted", "x\ufffdy") + LINE.replace("accepted", "MARK")).encode("utf-16")
    batches = read(tmp_path, data.replace("MARK".encode("utf-16-le"), b"\x00\xd8a\x00\x00\xdc") + b"\n")
    assert messages(batches)[:2] == ["x\ufffdy", "\ufffda\ufffd\n\ufffd"]
    assert sum(batch.invalid_bytes for batch in batches) == 3  # and the odd byte at the end


def test_colours_are_no_text_and_count_as_bytes(tmp_path: Path) -> None:
    line = LINE.replace("INFO", "\x1b[32mINFO\x1b[0m").replace("accepted", "\x1b[1;31maccep\x1b(Bted\x1b[m")
    (batch,) = read(tmp_path, line.encode() * 3)
    assert batch.frame is not None
    assert batch.frame["message"].to_list() == ["accepted"] * 3
    assert batch.frame["level"].to_list() == ["INFO"] * 3
    assert batch.frame["offset"].to_list() == [0, len(line), 2 * len(line)]
    assert batch.frame["length_bytes"].to_list() == [len(line)] * 3
    assert batch.rejects == 0


def test_a_line_is_read_from_behind_the_nul_bytes_it_begins_with(tmp_path: Path) -> None:
    data = LINE.encode() + bytes(5000) + LINE.encode() + LINE.replace("accepted", "a\0\0b").encode() + bytes(100)
    (batch,) = read(tmp_path, data)
    assert messages([batch]) == ["accepted", "accepted", "a\ufffdb"]
    assert batch.frame is not None
    assert batch.frame["offset"].to_list() == [0, len(LINE), 2 * len(LINE) + 5000]
    assert batch.stop == len(data)


def test_what_is_remembered_of_a_batch_is_the_digest_of_its_last_raw_bytes(tmp_path: Path) -> None:
    data = b"".join(LINE.replace("accepted", f"\x1b[1mgr\xf6\xdfe {n}").encode("latin-1") for n in range(100))
    for batch in read(tmp_path, data, block_bytes=1000):
        stop, length, known = batch.tail
        assert (stop, length) == (batch.stop, min(1024, batch.stop - batch.start))
        assert known == digest(data[stop - length : stop])
