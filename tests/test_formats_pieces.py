"""Which lines of containers belong together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logkit.formats.pieces import BARE, Plan, plan

LINE = st.tuples(st.sampled_from([BARE, 1, 2, 3]), st.booleans(), st.booleans())
"""Stream, whether the line is a piece, whether it starts a record of its own."""


def planned(lines: list[tuple[int, bool, bool]]) -> Plan:
    stream, partial, begins = (np.array(column) for column in zip(*lines, strict=True))
    return plan(stream, partial & (stream != BARE), begins)


def records(text: str) -> list[str]:
    """`a` and `b` are whole lines of two streams, `A` and `B` pieces of them, `-` is bare: the lines of each record."""
    lines = [(BARE if c == "-" else "ab".index(c.lower()) + 1, c.isupper(), True) for c in text]
    found = planned(lines).record
    return ["".join(text[i] for i in np.flatnonzero(found == number)) for number in range(int(found.max()) + 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("aab", ["a", "a", "b"]),
        ("AAab", ["AAa", "b"]),
        ("ABba", ["Bb", "Aa"]),
        ("AbBab", ["b", "Aa", "Bb"]),
        ("AAa-Bb", ["AAa", "-", "Bb"]),
        ("A-a", ["A", "-", "a"]),
        ("AB", ["A", "B"]),
        ("A", ["A"]),
    ],
)
def test_pieces_join_their_stream_and_records_stand_where_they_end(text: str, expected: list[str]) -> None:
    assert records(text) == expected


@given(st.lists(LINE, min_size=1, max_size=40))
def test_every_line_is_in_one_record_which_ends_where_the_next_begins(lines: list[tuple[int, bool, bool]]) -> None:
    found = planned(lines)
    count = int(found.record.max()) + 1
    last = [int(np.flatnonzero(found.record == number)[-1]) for number in range(count)]
    assert last == sorted(last)
    assert np.flatnonzero(found.starts).tolist() == [0, *(end + 1 for end in last[:-1])]
    assert last[-1] == len(lines) - 1
    assert not (found.groups & ~found.starts).any()
    assert found.groups[0]


@given(st.lists(LINE, min_size=2, max_size=40))
def test_a_file_cut_where_a_group_begins_gives_the_same_records(lines: list[tuple[int, bool, bool]]) -> None:
    whole = planned(lines)
    for cut in np.flatnonzero(whole.groups)[1:].tolist():
        first, second = planned(lines[:cut]), planned(lines[cut:])
        assert (np.concatenate((first.starts, second.starts)) == whole.starts).all()
        assert (np.concatenate((first.record, second.record + int(first.record.max()) + 1)) == whole.record).all()
