"""Statistics survive as bytes, to the last digit, and bytes that are none are told apart."""

from __future__ import annotations

import json
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logkit.stats import Limits
from logkit.stats.packed import packed, unpacked
from tests.stats_cases import Row, event, events, limits, stats_of

SOME = stats_of([event(duration_ms=20.0, level="WARN")])


@given(events, limits)
def test_what_is_unpacked_equals_what_was_packed(found: list[Row], limits: Limits) -> None:
    stats = stats_of(found, limits)
    again = unpacked(packed(stats))
    assert again == stats
    assert again.limits == limits
    assert again + stats == stats + stats


def test_equal_statistics_are_equal_bytes() -> None:
    stats = stats_of([event(None, service="é\n\0", duration_ms=1.5, rejected=True)])
    assert packed(stats) == packed(unpacked(packed(stats)))


@given(st.binary(max_size=200))
def test_any_bytes_that_are_no_statistics_raise_value_error(data: bytes) -> None:
    for candidate in (data, rebuilt(data), rebuilt(b"{}\n" + data)):
        with pytest.raises(ValueError, match="expected statistics"):
            unpacked(candidate)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_raises_value_error(at: int, change: int) -> None:
    data = bytearray(packed(SOME))
    data[at % len(data)] ^= change
    with pytest.raises(ValueError, match="expected statistics"):
        unpacked(bytes(data))


@given(st.integers(0, 10_000))
def test_cut_bytes_raise_value_error(at: int) -> None:
    data = packed(SOME)
    with pytest.raises(ValueError, match="expected statistics"):
        unpacked(data[: at % len(data)])


@pytest.mark.parametrize(
    "change",
    [
        {"rows": [1, 1]},
        {"rows": [1, 1, 2]},
        {"rows": [-1, 1, 1]},
        {"rows": None},
        {"rows": [[], [], []]},
        {"names": []},
        {"names": 5},
        {"widths_us": [1]},
        {"limits": {"max_services": 0}},
        {"limits": {"max_unknown": 1}},
        {"limits": []},
    ],
    ids=str,
)
def test_facts_that_do_not_fit_the_counts_raise_value_error(change: dict[str, Any]) -> None:
    head, _, integers = zlib.decompress(packed(SOME).partition(b"\n")[2]).partition(b"\n")
    changed = json.dumps(json.loads(head) | change).encode()
    assert unpacked(rebuilt(head + b"\n" + integers)) == SOME
    with pytest.raises(ValueError, match="expected statistics"):
        unpacked(rebuilt(changed + b"\n" + integers))


@pytest.mark.parametrize("level", [-1, 7, 2**62])
def test_a_key_that_names_no_level_raises_value_error(level: int) -> None:
    head, _, integers = zlib.decompress(packed(SOME).partition(b"\n")[2]).partition(b"\n")
    numbers = np.frombuffer(integers, "<i8").copy()
    numbers[3] = level  # behind the first and the last time, and the key's service
    with pytest.raises(ValueError, match="no level"):
        unpacked(rebuilt(head + b"\n" + numbers.tobytes()))


def rebuilt(content: bytes) -> bytes:
    """Bytes as `packed` would write them, around any content."""
    return packed(SOME).partition(b"\n")[0] + b"\n" + zlib.compress(content)
