"""Tables whose columns a header names."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from logkit.formats import TimeRules, detect
from logkit.formats.block import Block, records_of, split_lines

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
IIS = """#Software: Microsoft Internet Information Services 10.0
#Version: 1.0
#Date: 2026-03-01 12:00:00
#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query cs-username c-ip cs(User-Agent) sc-status time-taken
2026-03-01 12:00:00 10.0.0.2 GET /shop id=7 - 203.0.113.4 Mozilla/5.0+(X11) 500 417
"""
CLOUDFRONT = """#Version: 1.0
#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status time-taken
2026-03-01\t12:00:00\tFRA2\t2390\t203.0.113.4\tGET\td1.example.net\t/a.png\t404\t0.032
"""
ZEEK = """#separator \\x09
#set_separator\t,
#path\tconn
#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes
#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount
1772366400.000000\tCx1\t10.0.0.9\t51211\t10.0.0.2\t53\tudp\tdns\t0.0125\t-
#close\t2026-03-01-13-00-00
"""


def read(text: str) -> tuple[str, pl.DataFrame]:
    format = detect(text.encode())
    lines = split_lines(Block.of(text.encode()))
    parsed = format.parse(records_of(lines, format.starts(lines)), TimeRules())
    assert parsed.ok.all()
    return format.name, parsed.frame.filter(pl.col("timestamp").is_not_null())


def test_iis_columns_are_named_by_the_header() -> None:
    name, rows = read(IIS)
    row = rows.row(0, named=True)
    assert (name, row["timestamp"], row["level"], row["status"]) == ("w3c", NOON, "ERROR", 500)
    assert (row["client"], row["path"], row["query"], row["duration_ms"]) == ("203.0.113.4", "/shop", "id=7", 417.0)
    assert (row["user"], row["method"]) == (None, "GET")


def test_cloudfront_parts_values_with_tabs_and_counts_seconds() -> None:
    row = read(CLOUDFRONT)[1].row(0, named=True)
    assert (row["timestamp"], row["level"], row["bytes"], row["duration_ms"]) == (NOON, "WARN", 2390, 32.0)


def test_zeek_has_its_service_beside_ours() -> None:
    name, rows = read(ZEEK)
    row = rows.row(0, named=True)
    assert (name, row["timestamp"], row["service"], row["app_protocol"]) == ("zeek", NOON, None, "dns")
    assert (row["client"], row["duration_ms"], row["orig_bytes"]) == ("10.0.0.9", 12.5, None)


def test_a_header_without_a_time_makes_no_table() -> None:
    assert detect(b"#Fields: one two\na b\nc d\n").name == "plain"


def test_strange_and_repeated_names_are_columns_all_the_same() -> None:
    head = "#Fields: date time x(\u00fc) x(\u00fc) offset\n2026-03-01 12:00:00 a b c\n"
    row = read(head)[1].row(0, named=True)
    assert row["timestamp"] == NOON
    assert {"a", "b", "c"} <= set(map(str, row.values()))
