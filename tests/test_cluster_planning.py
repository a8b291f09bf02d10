"""Tasks of a cluster are planned from sizes alone: every file is in them once, and no task is too large to tell of."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from logkit.cluster import planning
from logkit.cluster.planning import Piece, bundles, packed, unpacked
from logkit.sources.span import tile

FILES = st.lists(
    st.builds(
        lambda at, size, name: Piece(at, 0, "/logs/" + name, size, 0.0),
        st.integers(0, 10**6),
        st.one_of(st.integers(0, 10**4), st.integers(0, 10**7)),
        st.text(min_size=1, max_size=300),
    ),
    max_size=60,
)


@given(FILES, st.integers(10_000, 10**6))
def test_every_file_is_in_the_tasks_once_and_whole(files: list[Piece], span_bytes: int) -> None:
    found = list(bundles(files, span_bytes))
    pieces = [piece for bundle in found for piece in bundle]
    assert sorted({piece._replace(nth=0, of=1) for piece in pieces}) == sorted(set(files))
    assert len(pieces) == sum(max(1, -(-file.size // span_bytes)) for file in files)
    for bundle in found:
        assert all(piece.of == 1 for piece in bundle) or len(bundle) == 1
        assert len(bundle) == 1 or sum(piece.size for piece in bundle) <= span_bytes
        assert unpacked(packed(bundle)) == bundle
        assert len(packed(bundle)) < 6000
    # What a worker cuts a file into is never more than was planned for it: the last piece has all that is left.
    assert all(len(tile(0, file.size, span_bytes)) <= -(-file.size // span_bytes) for file in files if file.size)


def test_tasks_come_one_by_one_from_files_without_end() -> None:
    endless = (Piece(at, 0, f"/logs/{at}.log", 1 << 20, 0.0) for at in itertools.count())
    first = next(bundles(endless, 256 << 20))
    assert 1 < len(first) < 100


def test_spans_are_large_enough_never_to_be_too_many() -> None:
    assert planning.span_bytes(0) == planning.span_bytes(10**12) == 256 << 20
    assert planning.span_bytes(10**15) == 2 * 10**10
    assert all(total / planning.span_bytes(total) <= planning.MOST_SPANS for total in (10**9, 10**14, 10**16, 10**18))


def test_a_petabyte_in_100000_files_takes_a_moment_and_little_room() -> None:
    import time
    import tracemalloc

    from tests.bench.cluster import TOTAL_BYTES, files

    listed = list(files())
    began = time.process_time()
    tracemalloc.start()
    tasks = sum(1 for _ in bundles(iter(listed), planning.span_bytes(TOTAL_BYTES)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - began < 5
    assert peak < 20e6
    assert tasks < 60_000
