"""What the scenario tests share: a log with a writer that numbers its lines, and the comparison at the end.

Every line written carries a number of its own, so that what came out can be compared with what went in as multisets:
nothing lost, nothing twice, nothing from elsewhere.
"""

from __future__ import annotations

import bz2
import gzip
import itertools
import lzma
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import logkit

DEADLINE = 20.0
NEVER = 3600.0
"""Seconds that do not pass within a test: between two scans that nothing asks for, or before an idle flush."""

ROOTS = ("folder", "file", "glob")
"""What is watched: the folder, the file `app.log`, or the glob `*.log`; `app.log.1` is outside of the last two."""

WATCHING = ("between scans", "live")
"""Whether everything a test does between two settles goes unseen by any scan, or the engine looks on meanwhile."""

SCENES = [(root, watching) for watching in WATCHING for root in ROOTS if (root, watching) != ("glob", "live")]

CODECS = ("gz", "zst", "bz2", "xz")


class Scene:
    """A folder, a log `app.log` in it that lines are written to, a root that is watched, and what was written."""

    def __init__(self, folder: Path, root: str = "folder", watching: str = "between scans") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.kind = root
        self.sees_rotated_names = root == "folder"
        self._watching = watching
        self.log = folder / "app.log"
        self.root = {"folder": folder, "file": self.log, "glob": folder / "*.log"}[root]
        self.written: list[str] = []
        self._numbers = itertools.count()

    # -- writing

    def message(self) -> str:
        """A message never given before; whoever asks for it writes it."""
        self.written.append(f"number <{next(self._numbers)}>")
        return self.written[-1]

    def text(self, count: int) -> bytes:
        """So many lines, each with a new message."""
        return b"".join(line(self.message()) for _ in range(count))

    def write(self, count: int, to: Path | BinaryIO | None = None) -> list[str]:
        """Append so many lines to the log, another path or an open file, by one `write` each; their messages."""
        before = len(self.written)
        if to is None or isinstance(to, Path):
            with self.appending(to) as out:
                self.write(count, out)
        else:
            for _ in range(count):
                to.write(self.text(1))
        return self.written[before:]

    @contextmanager
    def appending(self, path: Path | None = None) -> Iterator[BinaryIO]:
        """The log, or another path, open for appending without a buffer, as a logger holds it."""
        with (path or self.log).open("ab", buffering=0) as out:
            yield out  # type: ignore[misc]

    def rotated(self, name: str | int) -> Path:
        """The path the log goes to: `app.log.1` for 1."""
        return self.folder / (f"app.log.{name}" if isinstance(name, int) else name)

    # -- watching

    def watch(self, **settings: Any) -> logkit.Monitor:
        """Watch the root in the way this scene was made for."""
        rhythm = {"between scans": {"notify": False, "poll_seconds": NEVER}, "live": {"poll_seconds": 0.02}}
        return watch(self.root, **(rhythm[self._watching] | settings))

    def came(self, snap: logkit.Snapshot, *, may_be_lost: Collection[str] = ()) -> None:
        """All that was written came once, but for what may be lost: that at most once; the ledger balances."""
        assert_came(snap, self.written, may_be_lost=may_be_lost)


def line(message: str) -> bytes:
    return b"2026-03-01 12:00:00,001 INFO  [orders] [exec-1] c.e.Orders - " + message.encode() + b"\n"


def watch(root: object, **settings: Any) -> logkit.Monitor:
    quick = {"poll_seconds": 0.05, "idle_flush_seconds": 0.1, "retry_seconds": 0.01, "workers": 2} | settings
    return logkit.watch(root, **quick)  # type: ignore[arg-type]


def read(root: object, **settings: Any) -> logkit.Snapshot:
    return logkit.read(root, progress=False, **({"retry_seconds": 0.01} | settings))  # type: ignore[arg-type]


def settle(monitor: logkit.Monitor, seconds: float = DEADLINE) -> logkit.Snapshot:
    """A snapshot of all that is on disk now: the promise of `wait_idle`, which looks by itself."""
    made = monitor.wait_idle(seconds)
    snap = monitor.snapshot()
    assert made, f"not idle after {seconds} s: {told(snap)}"
    return snap


def eventually(
    monitor: logkit.Monitor, holds: Callable[[logkit.Snapshot], Any], seconds: float = DEADLINE
) -> logkit.Snapshot:
    """The first snapshot for which `holds`, within the deadline. Asks for snapshots and never for a scan."""
    deadline = time.monotonic() + seconds
    while True:
        snap = monitor.snapshot()
        if holds(snap):
            return snap
        assert time.monotonic() < deadline, f"not within {seconds} s: {told(snap)}"
        threading.Event().wait(0.005)


def noticed(monitor: logkit.Monitor, path: Path) -> logkit.Snapshot:
    """The first snapshot that knows all bytes a plain file has on disk now, finished lines or not."""
    size = path.stat().st_size
    return eventually(
        monitor, lambda snap: size in snap.files.loc[snap.files["path"] == str(path), "size_bytes"].tolist()
    )


def messages(snap: logkit.Snapshot) -> list[str]:
    return snap.events["message"].tolist()


def assert_came(snap: logkit.Snapshot, written: Iterable[str], *, may_be_lost: Collection[str] = ()) -> None:
    """What came out is what was written, as multisets; see `Scene.came`."""
    wanted, came = Counter(written), Counter(messages(snap))
    lost = sorted((wanted - came).keys() - set(may_be_lost), key=len)
    doubled = sorted((came - wanted).keys() & wanted.keys(), key=len)
    foreign = sorted(came.keys() - wanted.keys(), key=len)
    if lost or doubled or foreign:
        rows = snap.events.loc[snap.events["message"].isin(doubled), ["file", "generation", "offset", "message"]]
        raise AssertionError(
            f"{len(lost)} lost: {shortened(lost)}\n{len(doubled)} doubled: {shortened(doubled)}\n"
            f"{len(foreign)} never written: {shortened(foreign)}\n"
            + "".join(f"  {row}\n" for row in rows.head(12).to_dict("records"))
            + "".join(f"  {row}\n" for row in snap.audit().to_dict("records")[:12])
        )
    assert_balanced(snap)


def assert_balanced(snap: logkit.Snapshot) -> None:
    """The ledger balances, and the parts of the snapshot agree with each other."""
    assert snap.audit()["balanced"].all(), snap.audit().to_dict("records")
    assert len(snap) == snap.files["events"].sum() == len(snap.events) + snap.dropped_events


def told(snap: logkit.Snapshot) -> str:
    """What a snapshot says about itself, short enough to read in a failure."""
    files = snap.files[["path", "generation", "size_bytes", "offset_bytes", "state", "error"]].tail(6)
    threads = snap.threads[["name", "state", "doing", "last_error"]].tail(6)
    return "\n".join([repr(snap), *(f"  {row}" for table in (files, threads) for row in table.to_dict("records"))])


def shortened(texts: list[str], most: int = 8) -> str:
    shown = [text if len(text) < 60 else text[:57] + "..." for text in texts[:most]]
    return f"{shown}{f' and {len(texts) - most} more' if len(texts) > most else ''}"


def compressed(data: bytes, codec: str) -> bytes:
    """`data` as the command line tool of that name ending would compress a stream of it."""
    if codec == "zst":
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as out:
            out.write(data)
        return bytes(sink.getvalue())
    return {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[codec](data)


def compress(path: Path, codec: str = "gz") -> Path:
    """What `gzip FILE` does: writes the compressed file beside it, gives it the same time, removes the original."""
    target, status = path.with_name(f"{path.name}.{codec}"), path.stat()
    target.write_bytes(compressed(path.read_bytes(), codec))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    path.unlink()
    return target


def script(text: str, *arguments: object, seconds: float = 60.0) -> str:
    """Run `text` in a process of its own, which must end well and say nothing on standard error; its output."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    command = [sys.executable, "-c", text, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, ""), f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
