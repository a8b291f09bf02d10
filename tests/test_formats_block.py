"""Texts of a block become strings that point into it; what is no text there is refused before native code sees it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logkit.formats.block import Block, Text


def text(raw: bytes, *bounds: tuple[int, int]) -> Text:
    start, stop = np.array(bounds, np.int64).reshape(-1, 2).T
    return Text(Block.of(raw), start, stop)


@given(st.text(), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))))
def test_each_text_is_the_bytes_between_its_bounds(written: str, cuts: list[tuple[int, int]]) -> None:
    size = len(written)
    raw = written.encode("utf-8", "replace")
    edges = [len(written[:i].encode("utf-8", "replace")) for i in range(size + 1)]
    bounds = [(edges[min(a, b, size)], edges[min(max(a, b), size)]) for a, b in cuts]
    expected = [raw[start:stop].decode() for start, stop in bounds]
    assert text(raw, *bounds).series(exact=True).to_list() == expected
    assert text(raw, *bounds).series().to_list() == [value.replace("\x7f", "\ufffd") for value in expected]


@pytest.mark.parametrize("bounds", [(1, 3), (0, 1), (0, 2), (2, 3), (-1, 3), (0, 7), (4, 3), (3, 40), (0, 1 << 40)])
def test_bounds_that_are_none_of_a_text_are_refused(bounds: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="cut between characters"):
        text("€abc".encode(), (0, 3), bounds).series()


def test_an_empty_text_may_stand_anywhere_in_the_block() -> None:
    assert text("€".encode(), (1, 1), (3, 3)).series().to_list() == ["", ""]
