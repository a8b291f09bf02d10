"""Spans tile a file: whatever the cuts, whatever the blocks, every record comes once and whole."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.tiny import Tiny, chunks_of, events_of, reference

LINE = st.one_of(
    st.sampled_from(
        [b"R", b"R one", b"more", b" at x", b"", b"  ", b"\t", b"R" + b"x" * 23, b"\xff\xfe", "Rü€".encode(), b"R\r"]
    ),
    st.binary(max_size=12).filter(lambda raw: b"\n" not in raw),
)
END = st.sampled_from([b"\n", b"\r\n", b"\n\n", b""])
DATA = st.lists(st.tuples(LINE, END), max_size=25).map(lambda parts: b"".join(line + end for line, end in parts))


@given(DATA, st.lists(st.integers(0, 300), max_size=5), st.integers(1, 64), st.booleans())
@example(b"\n\nR\n", [1, 2, 3], 1, True)
@settings(max_examples=400, deadline=None)
def test_any_cut_and_any_block_size_give_the_same_events(
    data: bytes, cuts: list[int], block_bytes: int, multiline: bool
) -> None:
    format = Tiny(multiline)
    whole = events_of(chunks_of(data, 0, len(data), format=format))
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = []
    for start, stop in itertools.pairwise(edges):
        pieces += events_of(chunks_of(data, start, stop, format=format, block_bytes=block_bytes))
    assert pieces == whole
    expected = reference(data, multiline)
    assert [offset for offset, *_ in whole] == [offset for offset, _ in expected]
    assert [text for *_, text in whole] == [text for _, text in expected]


@given(DATA, st.integers(1, 64), st.booleans(), st.integers(1, 9))
@settings(max_examples=300, deadline=None)
def test_events_cover_every_byte_and_long_records_are_cut_where_they_began(
    data: bytes, block_bytes: int, multiline: bool, max_record: int
) -> None:
    limits = {"max_record_bytes": max_record + 3}
    whole = events_of(chunks_of(data, 0, len(data), format=Tiny(multiline), **limits))  # type: ignore[arg-type]
    small = events_of(chunks_of(data, 0, len(data), format=Tiny(multiline), block_bytes=block_bytes, **limits))  # type: ignore[arg-type]
    assert small == whole
    at = 0
    for offset, length, continues, _ in whole:
        assert offset == at
        assert length > 0
        assert continues < offset
        at += length
    assert at == len(data)


@given(DATA, st.lists(st.integers(0, 300), max_size=4), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_growing_file_gives_what_a_finished_one_does(data: bytes, sizes: list[int], multiline: bool) -> None:
    format = Tiny(multiline)
    whole = events_of(chunks_of(data, 0, len(data), format=format))
    got, at, last = [], 0, None
    for size in sorted({size for size in sizes if size < len(data)}):
        chunks = [
            c
            for c in chunks_of(data[:size], at, size, format=format, final=False, aligned=True, continues=last)
            if at < size
        ]
        part = events_of(chunks, held=False)
        got += part
        closed = [c for c in chunks if not c.held]
        at = closed[-1].stop if closed else at
        last = part[-1][0] if part else last
    got += (
        events_of(chunks_of(data, at, len(data), format=format, aligned=True, continues=last)) if at < len(data) else []
    )
    if multiline:
        assert got == whole
    else:  # blank lines that come after their record was finished are a piece of their own
        assert [text.strip() for *_, text in got if text.strip()] == [
            text.strip() for *_, text in whole if text.strip()
        ]


def test_an_open_record_of_whole_lines_is_held_and_not_finished() -> None:
    chunks = chunks_of(b"R one\nmore\nR two\n at y\npart", 0, 27, format=Tiny(), final=False)
    assert [chunk.held for chunk in chunks] == [False, True]
    assert [text for *_, text in events_of(chunks)] == ["R one\nmore", "R two\n at y"]
    assert chunks[0].stop == 11


def test_lines_that_arrive_after_a_cut_go_on_from_the_record_before() -> None:
    chunks = chunks_of(b"R one\nmore\nR two\n", 6, 17, format=Tiny(), aligned=True, continues=0)
    assert [(offset, continues) for offset, _, continues, _ in events_of(chunks)] == [(6, 0), (11, -1)]


def test_the_rest_of_a_line_cut_in_the_middle_is_no_record_start() -> None:
    chunks = chunks_of(b"one Rtwo\nthree\n", 4, 15, format=Tiny(multiline=False), aligned=True, continues=0)
    assert [(text, continues) for _, _, continues, text in events_of(chunks)] == [("Rtwo", 0), ("three", -1)]


@pytest.mark.parametrize("raw", [b"R \xff\xfe bad \xc3(\n", b"R \xe2\x82\nR ok\n"])
def test_invalid_bytes_are_counted_and_shown_and_move_nothing(raw: bytes) -> None:
    chunks = chunks_of(raw, 0, len(raw), format=Tiny())
    assert sum(chunk.invalid_bytes for chunk in chunks) == len(raw) - len(raw.decode("utf-8", "ignore").encode())
    events = events_of(chunks)
    assert sum(length for _, length, _, _ in events) == len(raw)
    assert sum(text.count("\ufffd") for *_, text in events) == sum(chunk.invalid_bytes for chunk in chunks)


def test_a_line_of_many_blocks_is_kept_in_pieces() -> None:
    data = b"R start\n" + b"x" * 5000 + b"\nR next\n"
    events = events_of(chunks_of(data, 0, len(data), format=Tiny(), block_bytes=64, max_record_bytes=1024))
    assert "".join(text for *_, text in events[:-1]).replace("\n", "") == "R start" + "x" * 5000
    assert [continues for _, _, continues, _ in events] == [-1, 0, 0, 0, 0, -1]
    assert events[-1][3] == "R next"
