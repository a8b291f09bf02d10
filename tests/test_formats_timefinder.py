"""Times, however people write them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logkit.formats.base import TimeRules
from logkit.formats.block import Block, Text, split_lines
from logkit.formats.timefinder import Found, find_times, has_time

REFERENCE = datetime(2026, 3, 2, 12, tzinfo=UTC)
RULES = TimeRules(reference_us=int(REFERENCE.timestamp()) * 1_000_000)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MILLIS = NOON.replace(microsecond=123_000)

WRITTEN = [
    ("2026-03-01 12:00:00,123 INFO ready", MILLIS, "2026-03-01 12:00:00,123"),
    ("2026-03-01T12:00:00.123456789Z ready", NOON.replace(microsecond=123_456), "2026-03-01T12:00:00.123456789Z"),
    ("[2026-03-01 17:30:00 +0530] ready", NOON, "2026-03-01 17:30:00 +0530"),
    ("2026-03-01T14:00:00+02 ready", NOON, "2026-03-01T14:00:00+02"),
    ("2026-03-01 12:00:00.123 UTC [7] LOG:", MILLIS, "2026-03-01 12:00:00.123 UTC"),
    ("2026-03-01 14:00:00 CEST: ready", NOON, "2026-03-01 14:00:00 CEST"),
    ("2026-03-01T02:00:00 PM UTC ready", NOON.replace(hour=14), "2026-03-01T02:00:00 PM UTC"),
    ("2026/03/01 12:00:00 [error] 7#7", NOON, "2026/03/01 12:00:00"),
    ("2026/03/01 07:00:00 -05:00 767 x", NOON, "2026/03/01 07:00:00 -05:00"),
    ('10.0.0.9 - - [01/Mar/2026:13:00:00 +0100] "GET', NOON, "01/Mar/2026:13:00:00 +0100"),
    ('10.0.0.9 - - [01/Mar/2026 12:00:00] "GET', NOON, "01/Mar/2026 12:00:00"),
    ("[Sun Mar 01 12:00:00 2026] [warn]", NOON, "Sun Mar 01 12:00:00 2026"),
    ("(Sun Mar  1 12:00:00:123000 2026) x", MILLIS, "Sun Mar  1 12:00:00:123000 2026"),
    ("Sun Mar 1 04:00:00 PST 2026 x", NOON, "Sun Mar 1 04:00:00 PST 2026"),
    ("Date: Sun, 01 Mar 2026 12:00:00 +0000", NOON, "Sun, 01 Mar 2026 12:00:00 +0000"),
    ("Mar  1 12:00:00 web1 sshd[7]:", NOON, "Mar  1 12:00:00"),
    ("Dec 31 12:00:00 web1 sshd[7]:", datetime(2025, 12, 31, 12, tzinfo=UTC), "Dec 31 12:00:00"),
    ("Feb 29 12:00:00 web1 sshd[7]:", datetime(2024, 2, 29, 12, tzinfo=UTC), "Feb 29 12:00:00"),
    ("Mar 1 2026 12:00:00: %ASA-6", NOON, "Mar 1 2026 12:00:00"),
    ("Mar 1, 2026 2:00:00 PM org.example", NOON.replace(hour=14), "Mar 1, 2026 2:00:00 PM"),
    ("7:M 01 Mar 2026 12:00:00.123 * ready", MILLIS, "01 Mar 2026 12:00:00.123"),
    ("[7] 01 Mar 12:00:00.123 # ready", MILLIS, "01 Mar 12:00:00.123"),
    ("01-Mar-2026 12:00:00.123 queries: x", MILLIS, "01-Mar-2026 12:00:00.123"),
    ("03-01 12:00:00.123  1702  2395 D Tag: x", MILLIS, "03-01 12:00:00.123"),
    ("E0301 12:00:00.123000 7 a.cc:1] x", MILLIS, "0301 12:00:00.123000"),
    ("20260301 12:00:00.123 - x", MILLIS, "20260301 12:00:00.123"),
    ("20260301T120000Z x", NOON, "20260301T120000Z"),
    ("20260301120000 x", NOON, "20260301120000"),
    ("26/03/01 12:00:00 INFO x", NOON, "26/03/01 12:00:00"),
    ("01.03.2026 12:00:00 x", NOON, "01.03.2026 12:00:00"),
    ("[03.01 12:00:00] x", NOON, "03.01 12:00:00"),
    (
        "03/13/2026 01:00:00:447 PM UTC: x",
        datetime(2026, 3, 13, 13, 0, 0, 447_000, UTC),
        "03/13/2026 01:00:00:447 PM UTC",
    ),
    ("13/03/2026 13:00:00 x", datetime(2026, 3, 13, 13, tzinfo=UTC), "13/03/2026 13:00:00"),
    ("260301 120000 148 INFO x", NOON, "260301 120000"),
    ("20260301-12:00:0:7|Cart|4711|added", NOON.replace(microsecond=7000), "20260301-12:00:0:7"),
    ('"Error","exec-2","03/01/26","12:00:00","shop"', NOON, '03/01/26","12:00:00'),
    ("id|2026-03-01|12:00:00.123|x", MILLIS, "2026-03-01|12:00:00.123"),
    ("69a42a40.075aca00 0x7f12 conn=1", MILLIS.replace(microsecond=123_390), "69a42a40.075aca00"),
    ("host=cp1|time=1772366400|action=Drop", NOON, "1772366400"),
    ("# Time: 260301 12:00:00", NOON, "260301 12:00:00"),
    ("2026-060T12:00:00,123:x", MILLIS, "2026-060T12:00:00,123"),
    ("1772366400 x", NOON, "1772366400"),
    ("1772366400.123 x", MILLIS, "1772366400.123"),
    ("1772366400123 x", MILLIS, "1772366400123"),
    ("1772366400123456 x", NOON.replace(microsecond=123_456), "1772366400123456"),
    ("1772366400123456789 x", NOON.replace(microsecond=123_456), "1772366400123456789"),
    ("7:signal-handler (1772366400) bye", NOON, "1772366400"),
    ("type=LOGIN msg=audit(1772366400.123:24287):", MILLIS, "1772366400.123"),
    ("@4000000069a42a4a07551540 x", NOON.replace(microsecond=123_016), "4000000069a42a4a07551540"),
    ("12:00:00.123 ready", REFERENCE.replace(microsecond=123_000), "12:00:00.123"),
    ("2026-03-01 ready", datetime(2026, 3, 1, tzinfo=UTC), "2026-03-01"),
    ("app.log.2017-05-16_13:53:08 2026-03-01 12:00:00.123 x", MILLIS, "2026-03-01 12:00:00.123"),
    ("2026-03-01_12:00:00 x", NOON, "2026-03-01_12:00:00"),
    ("2026-12-31 23:59:60 leap", datetime(2026, 12, 31, 23, 59, 59, 999_999, UTC), "2026-12-31 23:59:60"),
    ("Thu Dec 31 23:59:60 2026 leap", datetime(2026, 12, 31, 23, 59, 59, 999_999, UTC), "Thu Dec 31 23:59:60 2026"),
]
NO_TIMES = [
    "nothing 12 here",
    "2026-02-30 12:00:00 no such day",
    "2026-03-01 24:00:00 no such hour",
    "pid 123456 123456 x",
    "9999999999 too far",
    "x" * 120 + " 2026-03-01 12:00:00 too far in",
    "",
    "é" * 80,
]


def find(lines: list[str], rules: TimeRules = RULES) -> tuple[Found, Block]:
    block = Block.of(("\n".join(lines) + "\n").encode())
    found = split_lines(block)
    return find_times(Text(block, found.start, found.stop), rules), block


@pytest.mark.parametrize(("line", "instant", "written"), WRITTEN, ids=[line[:28] for line, _, _ in WRITTEN])
def test_a_time_is_found_however_it_is_written(line: str, instant: datetime, written: str) -> None:
    found, block = find([line])
    assert found.ok[0]
    seconds, micros = divmod(int(found.us[0]), 1_000_000)
    assert datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros) == instant
    assert block.text(int(found.start[0]), int(found.stop[0])) == written


@pytest.mark.parametrize("line", NO_TIMES, ids=[line[:20] for line in NO_TIMES])
def test_what_is_no_time_is_left_alone(line: str) -> None:
    found, _ = find([line])
    assert not found.ok[0]


@cache
def find_alone(line: str) -> Found:
    return find([line])[0]


@settings(deadline=None)
@given(st.lists(st.sampled_from([line for line, _, _ in WRITTEN] + NO_TIMES), min_size=1, max_size=12))
def test_a_lines_time_does_not_depend_on_its_neighbours(lines: list[str]) -> None:
    together, _ = find(lines)
    alone = [find_alone(line) for line in lines]
    assert together.us.tolist() == [int(one.us[0]) for one in alone]
    assert together.ok.tolist() == [bool(one.ok[0]) for one in alone]


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"])), min_size=1, max_size=8))
def test_no_text_is_too_strange_to_look_at(lines: list[str]) -> None:
    found, _ = find(lines)
    assert ((found.start <= found.stop) & (found.ok | (found.us == 0))).all()


def test_times_without_a_zone_are_on_the_rules_clock() -> None:
    rules = TimeRules("Europe/Berlin", RULES.reference_us)
    found, _ = find(["2026-03-01 13:00:00 x", "2026-03-01 12:00:00Z x", "Mar  1 13:00:00 host x"], rules)
    noon = int(NOON.timestamp()) * 1_000_000
    assert found.us.tolist() == [noon, noon, noon]


def test_having_a_time_is_the_cheap_half_of_finding_it() -> None:
    lines = [line for line, _, _ in WRITTEN] + NO_TIMES
    found, block = find(lines)
    split = split_lines(block)
    text = Text(block, split.start, split.stop)
    assert (has_time(text, weak=True) | ~found.ok).all()
    assert not (has_time(text) & ~has_time(text, weak=True)).any()
    assert has_time(text, within=0)[0]
    assert not has_time(text, within=0)[9]
