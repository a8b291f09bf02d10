"""A frame that owns its strings says what the frame did, whatever becomes of the memory those pointed into."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from logkit.formats import kernels
from logkit.formats.block import PAD, Block, Text
from logkit.formats.owned import owned

WAYS = pytest.mark.parametrize(
    "compiled", [pytest.param(True, marks=pytest.mark.skipif(not kernels.compiled, reason="not compiled")), False]
)
TEXTS = st.text(st.sampled_from("ab é\n🙂"), max_size=40)


def framed(rows: list[tuple[str, int, int, bool]], data: bytearray) -> pl.DataFrame:
    """Messages in a block, parts of them in another column, and columns that are not in it."""
    pieces = [row[0].encode() for row in rows]
    stop = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    start = stop - [len(piece) for piece in pieces]
    data[: sum(map(len, pieces))] = b"".join(pieces)
    block = Block(data, len(data) - PAD)
    low = np.array([len(text[: min(at, len(text))].encode()) for text, at, _, _ in rows], np.int64)
    high = np.array([len(text[: max(min(at, len(text)), end)].encode()) for text, at, end, _ in rows], np.int64)
    there = np.array([row[3] for row in rows], np.bool_)
    message = Text(block, start, stop).series("message", there)
    return pl.DataFrame(
        [
            Text(block, start + low, start + np.maximum(low, high)).series("part"),
            message,
            (message + " and more behind it").alias("made"),
            message.str.extract(r"(\S+) ").alias("word"),
            pl.Series("number", range(len(rows)), pl.Int64),
            pl.Series("nothing", [None] * len(rows), pl.String),
            pl.Series("few", ["a text that all of the rows have"] * len(rows)),
        ]
    )


@WAYS
@settings(max_examples=60)
@given(st.lists(st.tuples(TEXTS, st.integers(0, 45), st.integers(0, 45), st.booleans()), max_size=12))
def test_what_is_owned_outlives_its_block(compiled: bool, rows: list[tuple[str, int, int, bool]]) -> None:
    data = bytearray(sum(len(row[0].encode()) for row in rows) + PAD)
    frame = framed(rows, data)
    schema, expected = frame.schema, [frame[name].to_list() for name in frame.columns]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "compiled", compiled)
        found, nbytes = owned(frame)
    del frame
    data[:] = b"#" * len(data)
    assert [found[name].to_list() for name in schema] == expected
    assert found.schema == schema
    assert nbytes >= 8 * len(rows)


@WAYS
@pytest.mark.parametrize("different", [1, 100, 1023, 1024, 1025, 3000])
def test_texts_are_kept_once_where_they_are_few(compiled: bool, different: int) -> None:
    rows = 3000
    frame = pl.DataFrame({"text": [f"a text, and its number is {row % different}" for row in range(rows)]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "compiled", compiled)
        found, nbytes = owned(frame)
    assert_frame_equal(found, frame)
    if compiled and different <= 100:
        assert nbytes < 16 * rows + 40 * different


@WAYS
def test_columns_of_several_chunks_and_slices_are_owned(compiled: bool) -> None:
    text = pl.Series("text", [None, *(f"{row} is the number of this row" for row in range(50))])
    frame = pl.DataFrame({"text": pl.concat([text, text, text], rechunk=False)})[7:120]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "compiled", compiled)
        found, _ = owned(frame)
    assert_frame_equal(found, frame)


@pytest.mark.skipif(not kernels.compiled, reason="not compiled")
def test_a_view_outside_of_its_buffers_is_refused() -> None:
    views = np.array([[20, 0], [20, 1 << 32], [20, 1]], np.uint64)
    for row in (1, 2):
        with pytest.raises(ValueError, match="within their buffers"):
            kernels.moved(1, 0, views[row].copy(), b"", (b"", b""), [bytes(20)], np.empty((1, 2), np.uint64))
    assert kernels.moved(1, 0, views[0].copy(), b"", (b"", b""), [bytes(20)], np.empty((1, 2), np.uint64)) == 20
