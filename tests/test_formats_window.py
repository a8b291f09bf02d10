"""A window finds what the search of the whole block finds, wherever it says that it knows; texts are told apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logkit.formats import kernels, literals, matcher
from logkit.formats.base import TimeRules
from logkit.formats.block import Block, Text, split_lines
from logkit.formats.distinct import distinct
from logkit.formats.pattern import Literal, compile_patterns
from logkit.formats.window import WIDTH, Window

LINES = st.lists(st.text(st.sampled_from(' ][-"\\aé'), max_size=90), min_size=1, max_size=8)
LITERALS = [(b" ",), (b"]",), (b"]", b" ", b"["), (b" ", b"-", b" "), (b'"',), (b" ", b'"'), (b'"', b" "), (b"]", b" ")]
LITERALS += [(b"-", b" ", b"]", b" ", b"["), (b" ", b"]]")]


@pytest.mark.parametrize("parts", LITERALS, ids=lambda parts: b"".join(parts).decode())
@given(lines=LINES, ahead=st.integers(0, 30), end=st.sampled_from(["\n", "\r\n"]))
def test_a_window_knows_what_a_search_of_the_block_finds(
    parts: tuple[bytes, ...], lines: list[str], ahead: int, end: str
) -> None:
    found = split_lines(Block.of((end.join(lines) + "é" * WIDTH).encode()))
    literal = Literal(parts)
    opened = found.start
    start = np.minimum(opened + ahead, found.stop)
    place, behind, known = Window(found.block, opened).find(literal, start, found.stop)
    at, after = literals.find_literal(found.block, literal, start.copy(), found.stop)
    there = at < found.stop
    assert (place[known & there] == at[known & there]).all()
    assert (behind[known & there] == after[known & there]).all()
    assert ((place < found.stop)[known] == there[known]).all()


@given(lines=LINES)
def test_a_template_reads_large_blocks_as_small_ones(lines: list[str]) -> None:
    (pattern,) = compile_patterns("t", '[{a}] [{b:w}] {c:w} - "{d}" {message}')
    whole = [f"[{a}] [{b}] {a} - {b}" for a, b in zip(lines, reversed(lines), strict=True)]
    whole += ['[one] [two] three - "four" five'] * 3
    found = split_lines(Block.of(("\n".join(whole) + "\n" + "x" * WIDTH).encode()))
    results = []
    for small in (1 << 16, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernels, "compiled", False)
            patch.setattr(matcher, "SMALL", small)
            results.append(matcher.match((pattern,), found.block, found.start, found.stop, "", TimeRules()))
    one, other = results
    assert (one.ok == other.ok).all()
    for name, text in one.fields.items():
        assert (text.start[one.ok] == other.fields[name].start[one.ok]).all(), name
        assert (text.stop[one.ok] == other.fields[name].stop[one.ok]).all(), name


@given(st.lists(st.one_of(st.sampled_from(["", "api", "web"]), st.text(max_size=40)), max_size=60))
def test_different_texts_are_told_apart(texts: list[str]) -> None:
    encoded = [text.replace("\x7f", "").encode() for text in texts]
    stop = np.cumsum([len(text) + 1 for text in encoded], dtype=np.int64) - 1
    start = stop - np.array([len(text) for text in encoded], np.int64)
    names, place = distinct(Text(Block.of(b"\n".join(encoded)), start, stop))
    assert [names[row].encode() for row in place] == encoded
    assert len(set(names)) == len(names)


def test_many_different_texts_share_slots() -> None:
    encoded = [f"name-{number % 20_000}".encode() for number in range(30_000)]
    stop = np.cumsum([len(text) + 1 for text in encoded]) - 1
    names, place = distinct(Text(Block.of(b"\n".join(encoded)), stop - np.array([*map(len, encoded)]), stop))
    assert len(names) == 20_000
    assert [names[row].encode() for row in place] == encoded
