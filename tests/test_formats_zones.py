"""Wall clocks of other zones, and the hours they had twice or never."""

from __future__ import annotations

import numpy as np
import pytest

from logkit.formats import Plain
from logkit.formats.base import TimeRules
from logkit.formats.block import Block, records_of, split_lines

RULES = TimeRules("Europe/Berlin", 1_772_000_000_000_000)


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2026-03-01 12:00:00", "2026-03-01 11:00:00"),
        ("2026-07-01 12:00:00", "2026-07-01 10:00:00"),
        ("2026-10-25 02:30:00", "2026-10-25 00:30:00"),  # there twice: the earlier
        ("2026-03-29 02:30:00", "2026-03-29 01:30:00"),  # left out: after the gap
        ("2026-03-01T12:00:00Z", "2026-03-01 12:00:00"),
    ],
)
def test_plain_reads_times_in_the_zone_they_were_written_in(written: str, utc: str) -> None:
    lines = split_lines(Block.of(f"{written} INFO hello\n".encode()))
    frame = Plain(timed=True).parse(records_of(lines, np.ones(1, np.bool_)), RULES).frame
    assert str(frame["timestamp"][0]).startswith(utc)


def test_no_lines_are_no_records() -> None:
    assert len(records_of(split_lines(Block.of(b"")), np.zeros(0, np.bool_))) == 0
