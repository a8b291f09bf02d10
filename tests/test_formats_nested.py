"""Lines within lines: containers' runtimes and syslog around a program's own format."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import logkit
from logkit.formats import detect
from logkit.formats.nested import Nested

STAMP = "2026-03-01T12:00:0%d.000000000Z"


def cri(second: int, text: str, stream: str = "stdout", flag: str = "F") -> str:
    return f"{STAMP % second} {stream} {flag} {text}\n"


def docker(text: str, stream: str = "stdout") -> str:
    return f'{{"log":"{text}","stream":"{stream}","time":"{STAMP % 1}"}}\n'


def read(path: Path, text: str, **settings: int) -> logkit.Snapshot:
    path.write_text(text)
    snap = logkit.read(path, progress=False, **settings)
    assert snap.audit()["balanced"].all()
    return snap


def test_json_in_a_containers_log_gives_its_own_fields(tmp_path: Path) -> None:
    line = '{"ts":"2026-03-01T11:59:59Z","level":"error","msg":"refused","logger":"pay"}'
    snap = read(tmp_path / "a.log", cri(1, line) * 3)
    row = snap.events.iloc[0]
    assert snap.files["format"].tolist() == ["cri > zap-json"]
    assert (row["level"], row["message"], row["service"]) == ("ERROR", "refused", "pay")
    assert (row["timestamp"], row["stream"]) == (datetime(2026, 3, 1, 11, 59, 59, tzinfo=UTC), "stdout")


def test_a_time_without_a_zone_does_not_replace_one_with_a_zone(tmp_path: Path) -> None:
    line = "2026-03-01 13:00:01.000 [main] WARN com.example.Main - low stock"
    snap = read(tmp_path / "a.log", cri(1, line) * 3)
    assert snap.files["format"].tolist() == ["cri > logback"]
    assert set(snap.events["timestamp"]) == {datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC)}
    assert set(snap.events["level"]) == {"WARN"}


def test_a_stack_trace_in_a_containers_log_is_one_record(tmp_path: Path) -> None:
    lines = [
        "2026-03-01 12:00:00.000 [main] ERROR com.example.Main - failed",
        "java.lang.Error: no",
        "\tat a.B.c(B.java)",
    ]
    text = "".join(cri(second, line) for second, line in enumerate(lines * 2))
    snap = read(tmp_path / "a.log", text)
    assert snap.events["message"].tolist() == ["failed\njava.lang.Error: no\n\tat a.B.c(B.java)"] * 2


def test_dockers_lines_and_pieces(tmp_path: Path) -> None:
    pieces = docker("one ") + docker("two ") + docker("three\\n") + docker("[warn] four\\n", "stderr")
    snap = read(tmp_path / "a.log", pieces)
    assert snap.events["message"].tolist()[0] == "one two three"
    assert snap.events["stream"].tolist() == ["stdout", "stderr"]
    assert len(snap.events) == 2


def test_pieces_of_two_streams_between_each_other_find_together(tmp_path: Path) -> None:
    text = cri(1, "out one ", flag="P") + cri(1, "err one ", "stderr", "P")
    text += cri(2, "err two", "stderr") + cri(3, "err three", "stderr") + cri(3, "out two") + cri(4, "after")
    wanted = ["err one err two", "err three", "out one out two", "after"]
    for block in (90, 200, 4096):
        snap = read(tmp_path / "a.log", text, block_bytes=block)
        assert snap.events["message"].tolist() == wanted
        ends = (snap.events["offset"] + snap.events["length_bytes"]).tolist()
        assert snap.events["offset"].tolist() == [0, *ends[:-1]]
        assert ends[-1] == len(text)


def test_a_piece_whose_end_never_comes_is_kept(tmp_path: Path) -> None:
    text = cri(1, "lost ", flag="P") + "".join(cri(2, f"line {n}", "stderr") for n in range(600)) + cri(3, "found")
    snap = read(tmp_path / "a.log", text)
    messages = snap.events["message"].tolist()
    assert len(messages) == 602
    assert "lost " in messages
    assert messages[-1] == "found"


@pytest.mark.parametrize("line", ["no container wrote this", "{broken", "2026-03-01T12:00:00Z stdout"])
def test_a_line_that_no_runtime_wrote_stands_by_itself(tmp_path: Path, line: str) -> None:
    snap = read(tmp_path / "a.log", cri(1, "a") + cri(2, "b", flag="P") + line + "\n" + cri(3, "c"))
    assert snap.events["message"].tolist()[0::3] == ["a", "c"]
    assert snap.events["message"].tolist()[1] == "b"
    assert len(snap.rejects) == 1


def test_syslog_around_haproxy_gives_its_fields(tmp_path: Path) -> None:
    line = "203.0.113.8:52811 [01/Mar/2026:12:00:00.655] www~ shop/web2 10/0/30/69/109 503 275 - - ---- 1/1 0/0"
    line += ' "GET / HTTP/1.1"'
    snap = read(tmp_path / "a.log", f"Mar  1 12:00:01 lb haproxy[71]: {line}\n" * 3)
    row = snap.events.iloc[0]
    assert snap.files["format"].tolist() == ["syslog > haproxy-http"]
    assert (row["service"], row["level"], row["status"], row["duration_ms"]) == ("haproxy", "ERROR", 503, 109.0)
    assert (row["host"], row["message"]) == ("lb", "GET / HTTP/1.1")


def test_syslog_of_many_programs_stays_as_it_is() -> None:
    text = "Mar  1 12:00:01 web1 sshd[71]: Server listening\nMar  1 12:00:02 web1 CRON[9]: (root) CMD (true)\n"
    assert not isinstance(detect(text.encode() * 5), Nested)


def test_compose_joins_what_belongs_together(tmp_path: Path) -> None:
    rows = [
        "web-1  | Traceback (most recent call last):",
        'web-1  |   File "x.py", line 1',
        "web-1  | ValueError: no",
        "db-1   | ready",
    ]
    snap = read(tmp_path / "a.log", "\n".join(rows) + "\n")
    assert snap.events["service"].tolist() == ["web-1", "db-1"]
    assert snap.events["message"].tolist()[0].endswith("ValueError: no")
