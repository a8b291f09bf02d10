"""Several formats in one file."""

from __future__ import annotations

from pathlib import Path

import logkit
from logkit.formats import TimeRules, detect
from logkit.formats.block import Block, records_of, split_lines

ACCESS = '10.0.0.9 - - [01/Mar/2026:12:00:00 +0000] "GET / HTTP/1.1" 500 5 "-" "curl"\n'
JAVA = "2026-03-01 12:00:01.123 [main] WARN com.example.Main - low\n"
TRACE = "java.lang.Error: no\n\tat a.B.c(B.java)\n"
JSON = '{"time":"2026-03-01T12:00:02Z","level":"error","msg":"boom"}\n'


def test_each_line_is_read_by_the_format_that_fits_it(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text((ACCESS + JAVA + TRACE + JSON + "no format\n") * 5)
    snap = logkit.read(tmp_path, progress=False)
    assert snap.files["format"].tolist() == ["json + access-combined + logback"]
    rows = snap.events.head(3)
    assert rows["level"].tolist() == ["ERROR", "WARN", "ERROR"]
    assert rows["message"].tolist() == [
        "GET / HTTP/1.1",
        "low\njava.lang.Error: no\n\tat a.B.c(B.java)",
        "boom\nno format",
    ]
    assert rows["status"].tolist()[0] == 500
    assert not snap.events["rejected"].any()
    assert snap.audit()["balanced"].all()


def test_statistics_alone_are_the_same_columns() -> None:
    text = ((ACCESS + JAVA + JSON) * 3).encode()
    format, lines = detect(text), split_lines(Block.of(text))
    records = records_of(lines, format.starts(lines))
    light = format.parse(records, TimeRules(), stats_only=True).frame
    assert light.equals(format.parse(records, TimeRules()).frame.select(light.columns))


def test_spans_of_a_mixed_file_tile_it(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text((ACCESS + JAVA + TRACE + JSON) * 40)
    columns = ["offset", "length_bytes", "level", "message"]
    whole = logkit.read(path, progress=False).events[columns]
    for size in (500, 1777):
        pieces = logkit.read(path, progress=False, span_bytes=size, block_bytes=700, workers=3).events[columns]
        assert pieces.equals(whole)
