"""Bad input gets a clear answer and loses nothing: what is asked of `read` and `watch`, tried from outside."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

import logkit
from logkit.__main__ import main
from tests.outside import GOOD, assert_nothing_lost, messages, read, until, watch

DEADLINE = 20.0
HOSTILE = (
    "x'; DROP TABLE events; -- <script>alert(1)</script><img src=x onerror=alert(1)> %s {0} {__class__} $a$ \x1b[2J"
)


@pytest.fixture(autouse=True)
def _no_thread_left_behind() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("logkit-")] == []


# -- paths


@pytest.mark.parametrize("what", ["nowhere", "nowhere/deep/app.log", "nowhere/*.log", "app.log/below", "nul\0byte"])
def test_a_path_that_is_not_there_is_named_with_the_nearest_folder(what: str, tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(GOOD)
    for call in (read, watch):
        with pytest.raises(logkit.PathError) as caught:
            call(f"{tmp_path}/{what}")
        assert caught.value.nearest == tmp_path
        assert what.split("/")[0].split("\0")[0] in str(caught.value)
        assert str(tmp_path) in str(caught.value)


def test_one_missing_path_of_a_list_is_named(tmp_path: Path) -> None:
    (tmp_path / "here.log").write_text(GOOD)
    with pytest.raises(logkit.PathError, match=r"gone\.log"):
        read([tmp_path / "here.log", tmp_path / "gone.log"])


def test_an_empty_list_of_paths_is_no_question() -> None:
    with pytest.raises(logkit.PathError, match="empty list"):
        read([])


def test_a_folder_yet_to_be_made_is_read_once_it_is_there(tmp_path: Path) -> None:
    with watch(tmp_path / "later" / "logs", missing_ok=True) as monitor:
        assert monitor.wait_idle(DEADLINE)
        assert len(monitor.snapshot()) == 0
        (tmp_path / "later" / "logs").mkdir(parents=True)
        (tmp_path / "later" / "logs" / "app.log").write_text(GOOD)
        assert messages(until(monitor, lambda snap: len(snap) == 1)) == ["accepted"]


def test_a_name_with_glob_characters_is_the_file_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "app[1]*.log").write_text(GOOD)
    assert len(read(tmp_path / "app[1]*.log")) == 1


# -- nothing to read

EVERYTHING = {
    "services": lambda snap: len(snap.services),
    "levels": lambda snap: len(snap.levels),
    "timeline": lambda snap: len(snap.timeline("1min", by="level")),
    "timeline by service": lambda snap: len(snap.timeline(by="service")),
    "events": lambda snap: len(snap.events),
    "files": lambda snap: snap.files["events"].sum(),
    "rejects": lambda snap: len(snap.rejects),
    "threads": lambda snap: 0 * len(snap.threads),
    "audit": lambda snap: snap.audit()["events"].sum(),
    "between": lambda snap: len(snap.between("2026-01-01", "2027-01-01")),
    "where level": lambda snap: len(snap.where(level="ERROR")),
    "where service": lambda snap: len(snap.where(service="orders")),
    "where min_level": lambda snap: len(snap.where(min_level="WARN").events),
    "difference": lambda snap: len(snap - snap),
    "sql": lambda snap: snap.sql("select count(*) as n from events where level >= 'WARN'")["n"][0],
    "sql services": lambda snap: len(snap.sql("select * from services")),
    "len": len,
}


@pytest.mark.parametrize("question", EVERYTHING)
@pytest.mark.parametrize("keep_events", [0, 1000])
def test_an_empty_folder_answers_every_question_with_nothing(question: str, keep_events: int, tmp_path: Path) -> None:
    snap = read(tmp_path, keep_events=keep_events)
    assert EVERYTHING[question](snap) == 0


def test_an_empty_folder_can_be_shown_and_plotted(tmp_path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    snap = read(tmp_path)
    assert "0 events" in repr(snap)
    assert "0 events" in snap._repr_html_()
    assert snap.plot.timeline() is not None
    assert snap.plot.services() is not None
    pyplot.close("all")


@pytest.mark.parametrize("text", [b"", b"\n", b"\n\n\n\n", b"\r\n\r\n", b"  \n\t\n"])
def test_a_file_of_nothing_or_blank_lines_loses_nothing(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "app.log").write_bytes(text)
    snap = read(tmp_path)
    assert_nothing_lost(snap)
    assert snap.files["size_bytes"].tolist() == [len(text)]


# -- files that cannot be read

DENIED = """
import os, stat, tempfile
import logkit
root = tempfile.mkdtemp()
open(root + "/warm.log", "w").write("2026-03-01 12:00:00 INFO warm\\n")
repr(logkit.read(root, progress=False)), len(logkit.read(root, progress=False).events)
os.remove(root + "/warm.log"); os.rmdir(root)
if os.geteuid() == 0:
    os.seteuid(65534)
with tempfile.TemporaryDirectory() as root:
    for name in ("open.log", "denied.log"):
        open(f"{root}/{name}", "w").write("2026-03-01 12:00:00 INFO hello\\n")
    os.chmod(root + "/denied.log", 0)
    snap = logkit.read(root, progress=False, retry_seconds=0.01)
    for row in snap.files.sort_values("path").itertuples():
        print(os.path.basename(row.path), row.state, row.events, row.error)
    print(bool(snap.audit()["balanced"].all()))
    with logkit.watch(root, poll_seconds=0.05, retry_seconds=0.01, notify=False) as monitor:
        assert monitor.wait_idle(20)
        print(sorted(monitor.snapshot().files["state"]))
        os.chmod(root + "/denied.log", stat.S_IRUSR)
        while len(monitor.snapshot()) < 2:
            assert monitor.wait_idle(20)
        print(sorted(monitor.snapshot().files["state"]))
"""


def script(text: str, *options: str, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), "MPLBACKEND": "Agg"}
    command = [sys.executable, *options, "-c", text]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment, check=False)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs POSIX permissions")
def test_a_file_without_permission_is_named_the_others_are_read_and_it_is_read_once_granted() -> None:
    done = script(DENIED)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "denied.log failed 0 PermissionError: Permission denied",
        "open.log idle 1 nan",
        "True",
        "['idle', 'retrying']",
        "['idle', 'idle']",
    ]


BINARY = {
    "ELF": b"\x7fELF" + bytes(range(256)) * 64,
    "PNG": b"\x89PNG\r\n\x1a\n" + bytes(5000),
    "binary": bytes(range(256)) * 9,
}


@pytest.mark.parametrize(("reason", "content"), BINARY.items())
def test_a_binary_file_is_skipped_with_a_reason(reason: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "core.log").write_bytes(content)
    (tmp_path / "app.log").write_text(GOOD)
    snap = read(tmp_path)
    assert messages(snap) == ["accepted"]
    assert dict(zip(snap.files["path"].map(os.path.basename), snap.files["state"], strict=True)) == {
        "app.log": "idle",
        "core.log": "skipped",
    }
    audit = snap.audit().set_index("path")
    assert reason in audit.loc[str(tmp_path / "core.log"), "skipped_reason"]
    assert audit["balanced"].all()


def test_a_folder_named_like_a_log_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "app.log").mkdir()
    (tmp_path / "app.log" / "real.log").write_text(GOOD)
    for pointed in (tmp_path, tmp_path / "app.log", str(tmp_path / "**" / "*.log")):
        snap = read(pointed)
        assert snap.files["path"].tolist() == [str(tmp_path / "app.log" / "real.log")]
        assert len(snap) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_fifo_and_links_to_nothing_in_a_folder_hold_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "lost.log").symlink_to(tmp_path / "nowhere")
    (tmp_path / "round").symlink_to(tmp_path)
    (tmp_path / "app.log").write_text(GOOD)
    with watch(tmp_path) as monitor:
        assert len(until(monitor, lambda snap: len(snap) == 1).files) == 1


def test_a_link_and_its_file_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "app-1.log").write_text(GOOD)
    (tmp_path / "current.log").symlink_to("elsewhere/app-1.log")
    assert len(read(tmp_path)) == 1
    assert len(read(tmp_path / "current.log")) == 1


# -- bytes that are no text


@pytest.mark.parametrize(
    "junk", [b"\xff\xfe\xfd", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\x00", b"\xf8\x88\x80\x80\x80"]
)
def test_invalid_utf8_costs_no_record(junk: bytes, tmp_path: Path) -> None:
    good = GOOD.encode()
    lines = [good, good[:-1] + junk + b"\n", good[:30] + junk + good[30:], junk + b"\n", good, good[:-1] + junk]
    (tmp_path / "app.log").write_bytes(b"".join(lines))
    snap = read(tmp_path)
    assert_nothing_lost(snap)
    assert messages(snap).count("accepted") >= 2
    assert len(snap) >= 5
    repr(snap), snap._repr_html_(), snap.events.to_string(), snap.rejects.to_string()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_are_no_part_of_a_message(end: str, last: bool, tmp_path: Path) -> None:
    lines = [GOOD.rstrip("\n")] * 3
    (tmp_path / "app.log").write_bytes((end.join(lines) + (end if last else "")).encode())
    snap = read(tmp_path)
    assert messages(snap) == ["accepted"] * 3
    assert snap.services.index.tolist() == ["orders"]
    assert_nothing_lost(snap)


# -- long lines, malformed lines

BIG = 50_000_000


@pytest.mark.parametrize("keep_events", [0, 1000])
@pytest.mark.parametrize("fill", [b"x" * BIG, b"z " * (BIG // 2), b'{"message":"' + b"y" * BIG + b'"}'])
def test_a_line_of_50_megabytes_is_cut_and_nothing_of_it_lost(fill: bytes, keep_events: int, tmp_path: Path) -> None:
    good = GOOD.encode()
    (tmp_path / "app.log").write_bytes(good + fill + b"\n" + good * 3)
    began = time.monotonic()
    snap = read(tmp_path, keep_events=keep_events)
    assert time.monotonic() - began < 10
    assert snap.audit()[["committed_bytes", "balanced"]].to_numpy().tolist() == [[len(fill) + 1 + 4 * len(good), True]]
    assert snap.files["cuts"].tolist()[0] >= 40
    if keep_events:
        assert_nothing_lost(snap)
        assert messages(snap)[0].startswith("accepted")
        assert messages(snap)[-3:] == ["accepted"] * 3
        assert snap.events["length_bytes"].max() <= (1 << 20)


def test_memory_for_a_long_line_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_bytes(GOOD.encode() + b"x" * BIG + b"\n")
    read(tmp_path, keep_events=0)
    tracemalloc.start()
    try:
        read(tmp_path, keep_events=0, workers=1)
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "bad",
    [
        '{"level":"info","mess',
        "{}{}",
        "null",
        "[1,2]",
        '"text"',
        "{'a': 1}",
        "not json",
        '{"a":' * 500,
        '{"a":NaN}',
        "}",
    ],
)
def test_malformed_json_among_good_json_costs_only_itself(bad: str, tmp_path: Path) -> None:
    good = [
        json.dumps({"timestamp": "2026-03-01T12:00:00Z", "level": "info", "service": "pay", "message": f"m{at}"})
        for at in range(100)
    ]
    (tmp_path / "app.log").write_text("\n".join([*good[:50], bad, *good[50:]]) + "\n")
    snap = read(tmp_path)
    assert_nothing_lost(snap)
    assert [text for text in messages(snap) if text in {f"m{at}" for at in range(100)}] == [
        f"m{at}" for at in range(100)
    ]
    assert len(snap) == 101
    assert snap.services["rejects"].sum() == len(snap.rejects) <= 1


def test_json_with_odd_values_in_the_usual_places_is_still_read(tmp_path: Path) -> None:
    odd: list[object] = [None, 5, -1.5, True, [1], {"a": 1}, "", "\x00", "x" * 5000, 1e300, 2**70]
    lines = [
        json.dumps({"timestamp": value, "level": value, "service": value, "message": value, "duration_ms": value})
        for value in odd
    ]
    good = json.dumps({"timestamp": "2026-03-01T12:00:00Z", "level": "info", "service": "pay", "message": "m"})
    (tmp_path / "app.log").write_text("\n".join([*[good] * 20, *lines]) + "\n")
    snap = read(tmp_path)
    assert_nothing_lost(snap)
    assert len(snap) == 31
    assert snap.services["events"].sum() == 31


# -- compressed, or said to be


def test_what_a_file_is_decides_not_its_name(tmp_path: Path) -> None:
    (tmp_path / "plain.log.gz").write_text(GOOD * 2)
    (tmp_path / "packed.log").write_bytes(gzip.compress(GOOD.encode() * 3) + gzip.compress(GOOD.encode() * 4))
    snap = read(tmp_path)
    assert snap.files.set_index(snap.files["path"].map(os.path.basename))["events"].to_dict() == {
        "packed.log": 7,
        "plain.log.gz": 2,
    }
    assert_nothing_lost(snap)


# -- settings


@pytest.mark.parametrize(("pattern", "at"), [("payments(", 8), ("[a", 0), ("*x", 0), ("(?P<a>x)(?P<a>y)", 12)])
def test_a_bad_regular_expression_shows_where(pattern: str, at: int, tmp_path: Path) -> None:
    with pytest.raises(logkit.SettingError) as caught:
        read(tmp_path, service=pattern)
    assert f"character {at}" in str(caught.value)
    assert pattern in str(caught.value)
    assert caught.value.setting == "service"


def test_a_service_function_that_raises_is_named_and_the_engine_goes_on(tmp_path: Path) -> None:
    def fails(path: str) -> str:
        if "bad" in path:
            raise ZeroDivisionError("my own mistake")
        return "mine"

    for name in ("bad.log", "good.log"):
        (tmp_path / name).write_text(GOOD)
    snap = read(tmp_path, service=fails, retry_seconds=0.01)
    assert snap.services.loc["mine", "events"] == 1
    assert any("my own mistake" in str(error) for error in snap.files["error"])
    assert snap.audit()["balanced"].all()


# -- names and texts somebody chose in order to harm


NAMES = ["new\nline.log", "'quote\".log", "<script>alert(1)<.log", "-rf.log", "%s{0}$x.log", " .log", "日本.log"]


@pytest.mark.parametrize("name", NAMES)
def test_any_file_name_is_read_and_shown_as_text(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text("2026-03-01 12:00:00 INFO hello\n")
    snap = read(tmp_path)
    assert snap.files["path"].tolist() == [str(tmp_path / name)]
    assert snap.sql("select path from files")["path"].tolist() == [str(tmp_path / name)]
    assert "<script>" not in snap._repr_html_()
    assert main([str(tmp_path)]) == 0
    assert main([str(tmp_path / name)]) == 0
    assert all(char.isprintable() or char == "\n" for char in capsys.readouterr().out)


def test_log_text_is_never_code_in_any_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    line = {
        "timestamp": "2026-03-01T12:00:00Z",
        "level": "error",
        "service": HOSTILE,
        "message": HOSTILE,
        HOSTILE: HOSTILE,
    }
    bad = "{" + HOSTILE
    (tmp_path / "app.log").write_text((json.dumps(line) + "\n") * 5 + bad + "\n" + json.dumps(line) + "\n")
    snap = read(tmp_path)
    assert messages(snap).count(HOSTILE) == 6
    assert len(snap.where(service=HOSTILE)) == 6
    assert len(snap.sql("select * from events where service = $name", name=HOSTILE)) == 6
    assert snap.sql("select count(*) as n from events")["n"].tolist() == [len(snap)]
    for shown in (
        repr(snap),
        repr(snap.where(service=HOSTILE)),
        snap._repr_html_(),
        snap.where(service=HOSTILE)._repr_html_(),
    ):
        assert "\x1b" not in shown
    for page in (snap._repr_html_(), snap.where(service=HOSTILE)._repr_html_()):
        assert "<script" not in page
        assert "<img" not in page
    for axes in (snap.plot.timeline(by="service"), snap.plot.services()):
        axes.figure.canvas.draw()
    pyplot.close("all")
    assert main([str(tmp_path)]) == 0
    assert main(["--json", str(tmp_path)]) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["$\\frac{", "$x^{$", "_hidden", "\\", "a" * 10_000])
def test_a_service_of_any_name_can_be_plotted(name: str, tmp_path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    line = {"timestamp": "2026-03-01T12:00:00Z", "level": "error", "service": name, "message": "m"}
    (tmp_path / "app.log").write_text(json.dumps(line) + "\n")
    snap = read(tmp_path)
    for axes in (snap.plot.timeline(by="service"), snap.plot.services()):
        axes.figure.canvas.draw()
    pyplot.close("all")


def test_what_sql_may_touch_ends_at_the_snapshot(tmp_path: Path) -> None:
    import duckdb

    (tmp_path / "app.log").write_text(GOOD)
    snap = read(tmp_path)
    for query in (
        f"select * from read_text('{tmp_path}/app.log')",
        f"copy events to '{tmp_path}/out.csv'",
        f"attach '{tmp_path}/x.db'",
        "install httpfs",
        "set enable_external_access = true",
    ):
        with pytest.raises(duckdb.Error):
            snap.sql(query)
    assert os.listdir(tmp_path) == ["app.log"]


# -- times


def test_times_at_the_edges_of_the_calendar_stretch_nothing(tmp_path: Path) -> None:
    times = ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-03-01T12:00:00Z", "0001-01-01T00:00:00Z"]
    times += ["2026-02-30T00:00:00Z", "10000-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00"]
    rows = [json.dumps({"timestamp": when, "level": "info", "service": "pay", "message": when}) for when in times]
    rows += ['{"timestamp":99999999999999999999,"message":"x"}', '{"timestamp":1e400,"message":"x"}']
    (tmp_path / "app.log").write_text("\n".join(rows) + "\n")
    snap = read(tmp_path)
    assert_nothing_lost(snap)
    assert messages(snap)[: len(times)] == times
    seen = dict(zip(messages(snap), snap.events["timestamp"], strict=True))
    assert str(seen["1970-01-01T00:00:00Z"]) == "1970-01-01 00:00:00+00:00"
    assert len(snap.timeline()) < 100_000
    with pytest.raises(logkit.SettingError, match="wider width"):
        snap.timeline("1s")
    assert len(snap.between("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")) == 1
    repr(snap), snap._repr_html_()


# -- many


def test_sixty_tiny_files_are_sixty_files(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"app{number}.log").write_text(GOOD * (number % 3))
    snap = read(tmp_path)
    assert len(snap.files) == 60
    assert len(snap) == sum(number % 3 for number in range(60))
    assert_nothing_lost(snap)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_no_log_stays_open_for_ever_and_only_so_many_do_while_watched(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"app{number}.log").write_text(GOOD)
        (tmp_path / f"torn{number}.log.gz").write_bytes(gzip.compress(GOOD.encode())[:-5])

    def opened() -> list[str]:
        links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
        return [path for path in (os.readlink(link) for link in links if os.path.islink(link)) if str(tmp_path) in path]

    read(tmp_path)
    assert opened() == []
    with watch(tmp_path, max_open_files=3) as monitor:
        assert monitor.wait_idle(DEADLINE)
        assert 0 < len(opened()) <= 3
    assert opened() == []


@pytest.mark.parametrize("block_bytes", [64, 100, 4 << 20])
def test_where_blocks_end_changes_nothing_in_bad_bytes(block_bytes: int, tmp_path: Path) -> None:
    text = b"".join(GOOD.encode()[:-1] + bytes([0xC3, 0xA9, 0xFF, number]) + b"\r\n" for number in range(256))
    (tmp_path / "app.log").write_bytes(text)
    snap = read(tmp_path, block_bytes=block_bytes)
    assert_nothing_lost(snap)
    whole = read(tmp_path)
    assert messages(snap) == messages(whole)
    assert snap.events["offset"].tolist() == whole.events["offset"].tolist()


def test_a_byte_order_mark_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_bytes(b"\xef\xbb\xbf" + GOOD.encode() * 2)
    snap = read(tmp_path)
    assert messages(snap) == ["accepted"] * 2
    assert snap.events["timestamp"].notna().all()
    assert_nothing_lost(snap)


def test_a_byte_order_mark_before_json_hides_nothing(tmp_path: Path) -> None:
    line = json.dumps({"timestamp": "2026-03-01T12:00:00Z", "level": "error", "service": "pay", "message": "hi"}) + "\n"
    (tmp_path / "app.log").write_bytes(b"\xef\xbb\xbf" + line.encode() * 2)
    snap = read(tmp_path)
    assert messages(snap) == ["hi"] * 2
    assert_nothing_lost(snap)


def test_a_torn_gzip_file_is_read_as_far_as_it_goes_and_named(tmp_path: Path) -> None:
    text = "".join(
        f"2026-03-01 12:00:00,001 INFO  [orders] [exec-1] c.e.Orders - number {n * n}\n" for n in range(5000)
    )
    whole = gzip.compress(text.encode())
    for name, torn in {"half": whole[: len(whole) // 2], "footer": whole[:-4], "header": whole[:6]}.items():
        (tmp_path / f"{name}.log.gz").write_bytes(torn)
    (tmp_path / "app.log").write_text(GOOD)
    snap = read(tmp_path)
    files = snap.files.set_index(snap.files["path"].map(os.path.basename))
    assert files["state"].to_dict() == {
        "app.log": "idle",
        "footer.log.gz": "failed",
        "half.log.gz": "failed",
        "header.log.gz": "failed",
    }
    assert files.loc["footer.log.gz", "events"] == 5000
    assert 0 < files.loc["half.log.gz", "events"] < 5000
    assert "gzip" in files.loc["half.log.gz", "error"]
    assert snap.audit()["balanced"].all()


def test_a_torn_gzip_file_is_read_on_when_the_rest_arrives(tmp_path: Path) -> None:
    text = "".join(
        f"2026-03-01 12:00:00,001 INFO  [orders] [exec-1] c.e.Orders - number {n * n}\n" for n in range(5000)
    )
    whole = gzip.compress(text.encode())
    (tmp_path / "app.log.gz").write_bytes(whole[: len(whole) // 2])
    with watch(tmp_path) as monitor:
        until(monitor, lambda snap: snap.files["state"].tolist() == ["failed"])
        with (tmp_path / "app.log.gz").open("ab") as out:
            out.write(whole[len(whole) // 2 :])
        snap = until(monitor, lambda snap: snap.files["state"].tolist() == ["idle"])
    assert [text for text in messages(snap) if not text.startswith("number")] == []
    assert_nothing_lost(snap)
