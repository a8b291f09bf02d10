"""The command line: what it prints, what it never prints, how it ends."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from logkit.__main__ import _aligned, _width, main

WAIT_SECONDS = 30.0

LOGBACK = """\
2026-03-01 12:00:00,001 INFO  [orders] [exec-1] c.e.Orders - accepted
2026-03-01 12:00:01,002 ERROR [orders] [exec-2] c.e.Orders - lost the database
java.sql.SQLException: connection refused
\tat c.e.Orders.save(Orders.java:12)
2026-03-01 12:00:02,003 WARN  [gateway] [exec-3] c.e.Routes - slow
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.log").write_text(LOGBACK)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    code = main(argv)
    out, err = capsys.readouterr()
    return code, out, err


def test_table_has_a_row_per_service_and_the_sums_below(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, str(folder))
    assert (code, err) == (0, "")
    head, orders, gateway, blank, levels, files, rejects = out.splitlines()
    assert head.split()[:3] == ["service", "events", "errors"]
    assert orders.split()[:5] == ["orders", "2", "1", "50", "%"]
    assert orders.split()[-4:] == ["2026-03-01", "12:00:00", "2026-03-01", "12:00:01"]
    assert gateway.split()[:3] == ["gateway", "1", "0"]
    assert len({len(line) for line in (head, orders, gateway)}) == 1
    assert blank == ""
    assert levels.split(maxsplit=1) == ["levels", "INFO 1, WARN 1, ERROR 1"]
    assert files.split(maxsplit=1)[1].startswith("1 file, 0.0 MB read")
    assert rejects == "rejects  none"


def test_json_says_the_same_to_a_program(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--json", str(folder))
    assert code == 0
    (line,) = out.splitlines()
    found = json.loads(line)
    assert found["events"] == 3
    orders = found["services"][0]
    assert (orders["service"], orders["events"], orders["errors"]) == ("orders", 2, 1)
    assert orders["first_seen"] == "2026-03-01T12:00:00.001000+00:00"
    assert orders["p95_ms"] is None
    assert {row["service"]: row["ERROR"] for row in found["levels"]} == {"orders": 1, "gateway": 0}
    assert [file["path"] for file in found["files"]] == [str(folder / "app.log")]


@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_a_log_says_reaches_the_terminal_as_a_command(
    as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "pay\x1b[2J\x1b]0;owned\x07\x9b31m\x7f\u202eroll\u2028\r\n\x00"
    line = {"timestamp": "2026-03-01T12:00:00Z", "level": "info", "service": evil, "message": evil}
    (tmp_path / "evil\x1b[2J\n.log").write_text(json.dumps(line) + "\n")
    code, out, err = run(capsys, *(["--json"] if as_json else []), str(tmp_path))
    assert (code, err) == (0, "")
    assert "pay" in out
    assert [char for char in out if not char.isprintable() and char != "\n"] == []
    if as_json:
        assert json.loads(out)["services"][0]["service"].startswith("pay\x1b[2J")


def test_columns_stay_aligned_beside_wide_characters() -> None:
    rows = list(_aligned([("service", "events"), ("支払い", "12"), ("cafe\u0301", "3")]))
    assert rows == ["service  events", "支払い       12", "cafe\u0301          3"]
    assert {_width(row) for row in rows} == {15}


def test_a_path_that_is_not_there_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, str(tmp_path / "nowhere" / "app.log"))
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("logkit: ")
    assert "nowhere" in line


@pytest.mark.parametrize("option", ["--service=payments(", "--timezone=Mars/Olympus", "--colour", "--timezone"])
def test_an_option_that_cannot_work_is_one_line_and_exit_code_2(
    option: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, str(folder), option)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("logkit: ")


def test_no_path_at_all_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys)
    assert (code, out) == (2, "")
    assert err.startswith("logkit: ")
    assert "PATH" in err


def test_service_comes_from_the_path_when_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--json", "--service", r"(\w+)\.log$", str(folder))
    assert code == 0
    assert [row["service"] for row in json.loads(out)["services"]] == ["app"]


def test_times_without_a_zone_are_read_in_the_zone_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--json", "--timezone", "Asia/Tokyo", str(folder))
    assert code == 0
    assert json.loads(out)["services"][0]["first_seen"] == "2026-03-01T03:00:00.001000+00:00"


def test_an_empty_folder_is_an_empty_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, str(tmp_path))
    assert (code, err) == (0, "")
    assert "levels   none" in out
    assert "0 files" in out


def test_a_binary_file_among_the_logs_is_skipped_and_no_failure(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "core.log").write_bytes(b"\x7fELF" + bytes(range(256)) * 64)
    code, out, err = run(capsys, str(folder))
    assert (code, err) == (0, "")
    assert "1 skipped" in out


def test_a_file_that_cannot_be_read_is_named_and_ends_with_exit_code_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "torn.log.gz").write_bytes(b"\x1f\x8b\x08\x00" + b"\xff" * 200)
    code, out, err = run(capsys, str(folder))
    assert code == 1
    assert "orders" in out
    (line,) = err.splitlines()
    assert line.startswith("logkit: ")
    assert "torn.log.gz" in line


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}


@contextmanager
def following(*argv: str) -> Iterator[tuple[subprocess.Popen[str], queue.Queue[str]]]:
    """`python -m logkit --follow …` in a process of its own, and the lines it prints as they come."""
    command = [sys.executable, "-W", "error", "-m", "logkit", "--follow", *argv]
    lines: queue.Queue[str] = queue.Queue(maxsize=10_000)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        reader = threading.Thread(target=lambda out: deque(map(lines.put, out), maxlen=0), args=(process.stdout,))
        reader.start()
        try:
            yield process, lines
        finally:
            process.kill()
            reader.join(WAIT_SECONDS)


def test_follow_prints_what_is_appended_and_ctrl_c_ends_it_well(folder: Path) -> None:
    with following("--json", str(folder)) as (process, lines):
        assert json.loads(lines.get(timeout=WAIT_SECONDS))["events"] == 3
        with (folder / "app.log").open("a") as file:
            file.write("2026-03-01 12:00:03,004 INFO  [orders] [exec-1] c.e.Orders - accepted\n")
        while json.loads(lines.get(timeout=WAIT_SECONDS))["events"] < 4:
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_SECONDS) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_reader_that_has_seen_enough_ends_it_without_a_complaint(folder: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-W", "error", "-m", "logkit", str(folder)]
    done = subprocess.run(
        command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=WAIT_SECONDS, env=environment(), check=False
    )
    os.close(write)
    assert done.returncode == 128 + signal.SIGPIPE
    assert done.stderr == ""
