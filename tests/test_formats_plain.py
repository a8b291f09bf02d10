"""The reader of last resort: any line, read as well as it can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logkit.formats.base import Format, Parsed, TimeRules
from logkit.formats.block import DELETE, Block, records_of, split_lines
from logkit.formats.plain import Plain
from logkit.schema import LEVEL, STATS_FIELDS, TIMESTAMP

RULES = TimeRules(reference_us=1_772_452_800_000_000)  # 2026-03-02T12:00:00Z

# line, level, service, message
LINES = [
    ("2026-03-01 12:00:00,123 INFO org.shop.Cart: item added", "INFO", "org.shop.Cart", "item added"),
    ("2026-03-01 12:00:00,123 - shop.cart - WARNING - low stock", "WARN", "shop.cart", "low stock"),
    (
        "2026-03-01 12:00:00,123 [main] INFO org.shop.Cart - up",
        "INFO",
        "org.shop.Cart",
        "[main] INFO org.shop.Cart - up",
    ),
    ("2026-03-01 12:00:00 [error] shop: broken", "ERROR", "shop", "broken"),
    ("[2026-03-01 12:00:00] local.ERROR: refused", "ERROR", "local", "refused"),
    ("[2026-03-01 12:00:00.1][8][info][config] loaded", "INFO", "config", "[8][info][config] loaded"),
    ("[DEBUG 2026-03-01 12:00:00 main] ready", "DEBUG", None, "main] ready"),
    ("I, [2026-03-01T12:00:00.1 #1] INFO -- : up", "INFO", None, "#1] INFO -- : up"),
    ("E [01/Mar/2026:12:00:00 +0000] no such file", "ERROR", None, "no such file"),
    ("INFO | jvm 1 | 2026/03/01 12:00:00 | up", "INFO", None, "jvm 1 | 2026/03/01 12:00:00 | up"),
    ("Mar  1 12:00:00 web1 sshd[7]: error: no key", "ERROR", "sshd", "web1 sshd[7]: error: no key"),
    ("Mar  1 12:00:00 web1 kernel: [1.5] link up", None, "kernel", "web1 kernel: [1.5] link up"),
    ("Mar  1 12:00:00 gw daemon.err mcad: refused", "ERROR", "mcad", "gw daemon.err mcad: refused"),
    ("2026-03-01T12:00:00Z info vpxd[123] [x] begin", "INFO", "vpxd", "[x] begin"),
    ("2026-03-01T12:00:00Z [25376]DEBUG:mod:x", "DEBUG", None, "[25376]DEBUG:mod:x"),
    ("03-01 12:00:00.123  1702  2395 W Tag: x", "WARN", "Tag", "1702  2395 W Tag: x"),
    ('time=2026-03-01T12:00:00Z level=warn msg="x"', "WARN", None, 'time=2026-03-01T12:00:00Z level=warn msg="x"'),
    ("2026-03-01 12:00:00 UTC [12] LOG:  started", "INFO", None, "[12] LOG:  started"),
    ("(sqlalchemy.orm): 2026-03-01 12:00:00,1 INFO hello", "INFO", "sqlalchemy.orm", "hello"),
    ("[shop] 2026-03-01 12:00:00 ERROR refused", "ERROR", "shop", "refused"),
    ("cart-1  | 2026-03-01T12:00:00Z INFO up", "INFO", "cart-1", "up"),
    ("2026-03-01 12:00:00\tERROR\tshop\trefused", "ERROR", "shop", "refused"),
    ("2026-03-01T12:00:00Z;WARN;shop;low stock", "WARN", "shop", "low stock"),
    ("2026-03-01 12:00:00 :: INFO :: shop :: up", "INFO", "shop", "up"),
    ("2026-03-01 12:00:00 ERROR failed; retrying", "ERROR", None, "failed; retrying"),
    ("2026-03-01 12:00:00 level=error service=shop refused", "ERROR", "shop", "level=error service=shop refused"),
    ("2026-03-01,12:00:00.123 INFO up", "INFO", None, "up"),
    ("3/1/26 12:00:00 PM INFO up", "INFO", None, "up"),
    ("2026-03-01 12:00:00 Connection refused, no error", None, None, "Connection refused, no error"),
    ("Warning: careful", "WARN", None, "careful"),
    ("just prose with error and info in it", None, None, "just prose with error and info in it"),
    ("== dump of Sun Mar 1 12:00:00 UTC 2026 ==", None, None, "== dump of Sun Mar 1 12:00:00 UTC 2026 =="),
    ("2026-03-01 12:00:00 INFO", "INFO", None, ""),
    ("[Info] [2026-03-01 12:00:00.1 UTC] [Main.hs:4] up", "INFO", None, "[Main.hs:4] up"),
    ("[ Warning: 2026-03-01T12:00:00 low", "WARN", None, "low"),
    ("[ns:error,2026-03-01T12:00:00Z,n1:<0.1.0>]x", "ERROR", None, "[ns:error,2026-03-01T12:00:00Z,n1:<0.1.0>]x"),
    ('"Error","exec-2","03/01/26","12:00:00","shop"', "ERROR", None, '"exec-2","03/01/26","12:00:00","shop"'),
    ("3/1/2026 12:00:00 PM,Error,DCOM,10016", "ERROR", None, "DCOM,10016"),
    ("[7] 2026/03/01 12:00:00 [TRC] - cid:2", "TRACE", None, "[7] 2026/03/01 12:00:00 [TRC] - cid:2"),
    ("2026-03-01T12:00:00Z [shop] > x  error     lost", "ERROR", None, "[shop] > x  error     lost"),
    ("2026-03-01T12:00:00Z leaf1 %LINK-3-UPDOWN: down", "ERROR", None, "leaf1 %LINK-3-UPDOWN: down"),
    ("<134>2026-03-01T12:00:00Z no program", "INFO", None, "<134>2026-03-01T12:00:00Z no program"),
    ("2026-03-01 12:00:00 INFO org.shop.Cart main: up", "INFO", "org.shop.Cart", "up"),
    ("2026-03-01 12:00:00 [INFO ] [shop.cart     ] - up", "INFO", "shop.cart", "up"),
    ("20260301-12:00:00:123|Cart|4711|added", None, "Cart", "4711|added"),
    ("", None, None, ""),
]


def parse(lines: list[str], *, stats_only: bool = False) -> Parsed:
    block = Block.of("\n".join(lines).encode() + b"\n")
    found = split_lines(block)
    return Plain().parse(records_of(found, np.ones(len(found), np.bool_)), RULES, stats_only=stats_only)


def starts(text: str, format: Plain) -> list[bool]:
    answer: list[bool] = format.starts(split_lines(Block.of(text.encode()))).tolist()
    return answer


@pytest.mark.parametrize(("line", "level", "service", "message"), LINES, ids=[line[0][:40] for line in LINES])
def test_level_service_and_message_are_where_people_put_them(
    line: str, level: str | None, service: str | None, message: str
) -> None:
    row = parse([line]).frame.row(0, named=True)
    assert (row["level"], row["service"], row["message"]) == (level, service, message)


def test_a_record_reads_the_same_wherever_it_stands() -> None:
    lines = [line for line, *_ in LINES]
    together = parse(lines).frame
    assert [parse([line]).frame.row(0) for line in lines] == together.rows()
    assert parse(lines[::-1]).frame.rows() == together.rows()[::-1]


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters=f"\n\r{DELETE}", exclude_categories=["Cs"])), min_size=1))
def test_plain_reads_any_text(lines: list[str]) -> None:
    parsed = parse(lines)
    assert parsed.ok.all()
    assert parsed.frame.height == len(parsed.ok)
    assert parsed.frame.schema["timestamp"] == TIMESTAMP
    assert parsed.frame.schema["level"] == LEVEL
    assert all(line.endswith(message) for line, message in zip(lines, parsed.frame["message"], strict=True))


def test_statistics_alone_are_the_same_columns() -> None:
    lines = [line for line, *_ in LINES]
    light = parse(lines, stats_only=True).frame
    assert set(light.columns) <= set(STATS_FIELDS)
    assert light.equals(parse(lines).frame.select(light.columns))


def test_later_lines_belong_to_the_message() -> None:
    block = Block.of(b"2026-03-01 12:00:00 ERROR boom\n\tat x\n\tat y\n")
    lines = split_lines(block)
    format = Plain(timed=True)
    frame = format.parse(records_of(lines, format.starts(lines)), RULES).frame
    assert frame["message"].to_list() == ["boom\n\tat x\n\tat y"]


def test_with_times_a_record_starts_where_a_line_has_one() -> None:
    text = "2026-03-01 12:00:00 a\nTraceback:\n  File x\n12:00:01 b\n\nend\n2026-03-01 12:00:02 c\n"
    assert starts(text, Plain(timed=True)) == [True, False, False, False, False, False, True]
    assert starts(text, Plain(timed=True, weak=True)) == [True, False, False, True, False, False, True]


def test_without_times_every_line_is_a_record_but_blank_and_indented_ones() -> None:
    assert starts("one\n  more\n\ttoo\n\ntwo\n", Plain()) == [True, False, False, False, True]


def test_a_time_too_far_in_starts_no_record() -> None:
    assert starts("sent at 2026-03-01 12:00:00\n", Plain(timed=True, within=4)) == [False]


def test_plain_is_a_format() -> None:
    assert isinstance(Plain(), Format)
    assert Plain() == Plain()
    assert hash(Plain(timed=True)) != hash(Plain())
