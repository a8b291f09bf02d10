"""A random model: any sequence of writes, rotations, deletions and steps of the engine, against a perfect observer.

The observer knows, at every settle (what `wait_idle` waits for), which marks stand on disk in files the engine has to
read: those are owed, each exactly once, whatever happens later. A mark that was written and destroyed between two
settles may be lost. No mark ever comes twice. What a line says is a mark `<n>` of its own; a line written in two steps
has a mark in each, and should the engine flush it in between, both come out all the same, in two events.

The engine's threads are steps of the sequence as well (`tests.by_hand`): a scan, a round of the watcher, a piece of a
worker's work, and what happens between a worker's reading of a block and its commit. So a sequence that fails does so
again, and is made shorter by hypothesis.

`LOGKIT_MODEL_EXAMPLES=2000 python -m pytest tests/test_model.py` is the long version, from a new seed each time.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from logkit.engine.threads import Activity
from logkit.engine.worker import Worker
from tests.by_hand import ByHand
from tests.scenario_tools import line

EXAMPLES = int(os.environ.get("LOGKIT_MODEL_EXAMPLES", "0"))
KEEP = 4
"""So many rotated files; the next rotation removes the oldest."""

MARK = re.compile(r"<\d+>")
LOGS = st.sampled_from(["app.log", "other.log"])
COUNTS = st.sampled_from([1, 2, 3, 30])


class Folder:
    """Two logs, what is done to them, and the marks written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.written: list[str] = []
        self.half: set[str] = set()
        self.known: set[int] = set()
        """Inodes a scan has seen with what they hold now, or the beginning of it."""
        self.twice: set[int] = set()
        """Inodes of which there is a copy since they were looked into last, or since a scan."""

    # -- what a logger does

    def mark(self) -> str:
        self.written.append(f"<{len(self.written)}>")
        return self.written[-1]

    def text(self, count: int) -> bytes:
        return b"".join(line(f"number {self.mark()}") for _ in range(count))

    def append(self, name: str, text: bytes) -> None:
        with (self.path / name).open("ab", buffering=0) as out:
            out.write(text)
        (self.half.discard if text.endswith(b"\n") else self.half.add)(name)

    def overwrite(self, name: str, count: int) -> None:
        self.forget(name)
        (self.path / name).write_bytes(self.text(count))

    # -- what rotates, removes and compresses

    def make_room(self, name: str) -> None:
        """The oldest rotated file goes, the others move on, compressed or not."""
        for number in range(KEEP, 0, -1):
            for ending in ("", ".gz"):
                old = f"{name}.{number}{ending}"
                if number == KEEP:
                    self.delete(old)
                elif (self.path / old).exists():
                    (self.path / old).rename(self.path / f"{name}.{number + 1}{ending}")

    def rotate(self, name: str) -> None:
        if (self.path / name).exists():
            self.make_room(name)
            (self.path / name).rename(self.path / f"{name}.1")
            self.half.discard(name)

    def copy(self, name: str, fraction: float = 1.0) -> None:
        """`cp app.log app.log.1`, or as much of it as has been done by now.

        Never of what no scan has seen, nor twice between two scans, or before anybody has looked into it: equal files
        that appear at once are all read, and there is nothing yet to compare them with.
        """
        if (self.path / name).exists() and (self.path / name).stat().st_ino in self.known - self.twice:
            self.known.discard((self.path / name).stat().st_ino)
            self.twice.add((self.path / name).stat().st_ino)
            self.make_room(name)
            data = (self.path / name).read_bytes()
            (self.path / f"{name}.1").write_bytes(data[: int(len(data) * fraction)])

    def truncate(self, name: str, then: bytes = b"", hole: bool = False) -> None:
        """Cut the log; a writer that holds its position leaves a hole before its next text."""
        if (self.path / name).exists():
            self.forget(name)
            size = (self.path / name).stat().st_size
            os.truncate(self.path / name, 0)
            if then:
                with (self.path / name).open("r+b", buffering=0) as out:
                    out.seek(size if hole else 0)
                    out.write(then)

    def delete(self, name: str) -> None:
        self.forget(name)
        (self.path / name).unlink(missing_ok=True)

    def compress(self, name: str, fraction: float = 1.0) -> None:
        """`gzip app.log.1`, or as much of it as has been done by now."""
        path = self.path / name
        if fraction < 1.0 and not (path.exists() and path.stat().st_ino in self.known):
            return
        if path.exists():
            data = gzip.compress(path.read_bytes())
            path.with_name(f"{name}.gz").write_bytes(data[: int(len(data) * fraction)])
            if fraction == 1.0:
                self.delete(name)

    # -- the books

    def forget(self, name: str) -> None:
        """What stands in this file is about to go: its inode says nothing about what it will hold next."""
        self.half.discard(name)
        if (self.path / name).exists():
            self.known.discard((self.path / name).stat().st_ino)
            self.twice.discard((self.path / name).stat().st_ino)

    def rotated(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir() if path.suffix[1:].isdigit())

    def marks(self, path: Path) -> set[str]:
        data = path.read_bytes()
        if path.suffix == ".gz":
            try:
                data = gzip.decompress(data)
            except EOFError:  # not all of it is there yet, and the original is beside it
                return set()
        return set(MARK.findall(data.decode()))


class Tailing(RuleBasedStateMachine):
    """A folder with two logs, an engine that watches it, and what it owes."""

    stored = False

    @initialize(only_one=st.booleans())
    def start(self, only_one: bool) -> None:
        """Watch the whole folder, or one log of it by its name: rotated names are then out of sight."""
        self.top = Path(tempfile.mkdtemp(prefix="logkit-model-"))
        self.folder = Folder(self.top / "logs")
        self.root = self.folder.path / "app.log" if only_one else self.folder.path
        self.only_one = only_one
        self.owed: set[str] = set()
        self.followed: set[int] = set()
        self.excused: set[str] = set()
        self.failed = False
        self.patch = pytest.MonkeyPatch()
        self.between: Callable[[], object] | None = None
        self.engine()

    def engine(self) -> None:
        small = {"block_bytes": 1024, "span_bytes": 4096, "retry_seconds": 0.0}
        store = self.top / "store.duckdb" if self.stored else None
        self.hand = ByHand(self.patch, self.root, self.reading, store, **small)
        self.workers = [self.hand.worker, Worker(self.hand.engine.queue, self.hand.engine._shared)]

    def reading(self, path: str) -> str:
        """Called by a worker that has read a block and not yet committed it."""
        do, self.between = self.between, None
        if do is not None:
            do()
        return "orders"

    def teardown(self) -> None:
        """Every sequence ends with a settle, unless it has failed before."""
        if not hasattr(self, "hand"):
            return
        try:
            if not self.failed:
                self.settle()
        finally:
            self.patch.undo()
            self.hand.stop()
            shutil.rmtree(self.top)

    # -- what a logger does

    @rule(log=LOGS, count=COUNTS)
    def append(self, log: str, count: int) -> None:
        self.folder.append(log, self.folder.text(count))

    @rule(log=LOGS)
    def append_half_a_line(self, log: str) -> None:
        self.folder.append(log, self.folder.text(1)[:-1] + b" and")

    @precondition(lambda self: self.folder.half)
    @rule(data=st.data())
    def complete_the_line(self, data: st.DataObject) -> None:
        log = data.draw(st.sampled_from(sorted(self.folder.half)))
        self.folder.append(log, f" {self.folder.mark()} done\n".encode())

    @rule(log=LOGS, count=COUNTS)
    def overwrite(self, log: str, count: int) -> None:
        self.folder.overwrite(log, count)

    # -- what rotates, removes and compresses

    @rule(log=LOGS, more=st.sampled_from([0, 0, 1, 3]))
    def rotate(self, log: str, more: int) -> None:
        """By renaming; the writer may go on for a while with the old file."""
        self.folder.rotate(log)
        if more and (self.folder.path / f"{log}.1").exists():
            self.folder.append(f"{log}.1", self.folder.text(more))

    @rule(log=LOGS, hole=st.booleans(), more=st.sampled_from([0, 1, 30]))
    def copytruncate(self, log: str, hole: bool, more: int) -> None:
        self.folder.copy(log)
        self.folder.truncate(log, self.folder.text(more), hole)

    @rule(log=LOGS, fraction=st.sampled_from([0.0, 0.3, 1.0]))
    def copy(self, log: str, fraction: float) -> None:
        self.folder.copy(log, fraction)

    @rule(log=LOGS)
    def truncate(self, log: str) -> None:
        self.folder.truncate(log)

    @precondition(lambda self: any(self.folder.path.iterdir()))
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.folder.delete(data.draw(st.sampled_from(sorted(path.name for path in self.folder.path.iterdir()))))

    @rule(log=LOGS, count=COUNTS)
    def delete_and_recreate(self, log: str, count: int) -> None:
        """With the same inode where the file system does that."""
        self.folder.delete(log)
        self.folder.append(log, self.folder.text(count))

    @precondition(lambda self: self.folder.rotated())
    @rule(data=st.data(), fraction=st.sampled_from([0.0, 0.5, 1.0, 1.0]))
    def compress(self, data: st.DataObject, fraction: float) -> None:
        name = data.draw(st.sampled_from(self.folder.rotated()))
        # Its copy and what it is compressed to would appear at once, and of the file itself nothing would be known.
        if self.inode(name) not in self.folder.twice - self.looked_into():
            self.folder.compress(name, fraction)

    # -- what the engine's threads do

    @rule()
    def look(self) -> None:
        self.hand.look()
        self.note_what_was_seen()

    @rule()
    def go_round(self) -> None:
        self.hand.go_round()

    @rule(worker=st.sampled_from([0, 1]))
    def work(self, worker: int) -> None:
        if not self.hand.engine.queue.empty():
            self.workers[worker].step(Activity("by hand"))

    @rule(seconds=st.sampled_from([0.3, 2.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.hand.now += seconds

    @rule(
        deeds=st.lists(
            st.sampled_from(["append", "overwrite", "rotate", "copytruncate", "delete", "look", "go_round", "work"]),
            min_size=1,
            max_size=3,
        )
    )
    def work_and_meanwhile(self, deeds: list[str]) -> None:
        """What happens between a worker's reading of a block and its commit; the other worker may overtake it."""
        todo: dict[str, Callable[[], object]] = {
            "append": lambda: self.append("app.log", 2),
            "overwrite": lambda: self.overwrite("app.log", 3),
            "rotate": lambda: self.rotate("app.log", 1),
            "copytruncate": lambda: self.copytruncate("app.log", False, 2),
            "delete": lambda: self.folder.delete("app.log"),
            "look": self.look,
            "go_round": self.go_round,
            "work": lambda: self.work(1),
        }
        self.between = lambda: [todo[deed]() for deed in deeds]
        self.work(0)
        self.between = None

    @rule()
    def settle(self) -> None:
        on_disk = self.readable()
        try:
            self.hand.settle()
        except BaseException:
            self.failed = True
            raise
        self.owed |= on_disk
        self.note_what_was_seen()
        came = self.came()
        wrong = {
            "lost": sorted(self.owed - came.keys()),
            "doubled": sorted(mark for mark, times in came.items() if times > 1 and mark not in self.excused),
            "never written": sorted(came.keys() - set(self.folder.written)),
            "unbalanced": [row for row in self.ledger() if not row["balanced"]],
        }
        if any(wrong.values()):
            self.failed = True
            self.tell(set(wrong["lost"]) | set(wrong["doubled"]))
            raise AssertionError({what: found for what, found in wrong.items() if found})

    # -- what is owed, and what came

    def inode(self, name: str) -> int:
        return (self.folder.path / name).stat().st_ino

    def looked_into(self) -> set[int]:
        return {one.file[1] for one in self.hand.state.all_progress() if one.file and one.identity}

    def note_what_was_seen(self) -> None:
        for path in self.folder.path.iterdir():
            if path == self.root or not self.only_one:
                self.folder.known.add(path.stat().st_ino)
        self.folder.twice -= self.looked_into()

    def readable(self) -> set[str]:
        """The marks on disk now that the engine has to read: with one log watched, those in it and in files it was."""
        return {mark for path in self.folder.path.iterdir() if self.is_owed(path) for mark in self.folder.marks(path)}

    def is_owed(self, path: Path) -> bool:
        if not self.only_one or path == self.root:
            return True
        return path.stat().st_ino in self.folder.known and path.name.startswith("app.log") and path.suffix != ".gz"

    def came(self) -> Counter[str]:
        frames = [one.frame for one in self.hand.state.view().frames]
        if self.stored:
            frames = [self.hand.monitor.snapshot().frame]
        return Counter(mark for one in frames for message in one["message"] for mark in MARK.findall(message))

    def ledger(self) -> list[dict[str, object]]:
        return self.hand.monitor.snapshot().audit().to_dict("records")

    def tell(self, wrong: set[str]) -> None:
        """What the disk and the engine say about it, for whoever reads the failure."""
        snap = self.hand.monitor.snapshot()
        for event in snap.events[["file", "generation", "offset", "message"]].to_dict("records"):
            if wrong & set(MARK.findall(event["message"])):
                note(f"came: {event}")
        for path in sorted(self.folder.path.iterdir()):
            note(f"on disk: {path.name} {path.stat().st_ino} {path.stat().st_size} {sorted(self.folder.marks(path))}")
        for row in snap.files[["path", "generation", "size_bytes", "offset_bytes", "state", "error"]].to_dict(
            "records"
        ):
            note(f"file: {row}")
        for row in self.ledger():
            note(f"ledger: {row}")


class TailingIntoAStore(Tailing):
    """The same with a store, and ends and new beginnings of the engine between any two steps."""

    stored = True

    @rule()
    def write(self) -> None:
        self.hand.write()

    @rule(meanwhile=st.sampled_from(["nothing", "append", "rotate", "copytruncate", "overwrite"]))
    def restart(self, meanwhile: str) -> None:
        """What was shown and is in no store yet is owed only while it is on disk; what no store knows, is not known."""
        self.hand.stop()
        {
            "nothing": lambda: None,
            "append": lambda: self.append("app.log", 2),
            "rotate": lambda: self.rotate("app.log", 1),
            "copytruncate": lambda: self.copytruncate("app.log", False, 2),
            "overwrite": lambda: self.overwrite("app.log", 3),
        }[meanwhile]()
        self.engine()
        self.owed &= self.came().keys()
        self.folder.known &= {one.file[1] for one in self.hand.state.all_progress() if one.file}
        # Files that are equal and have come at the same instant are all read, and now these have.
        new = [path for path in self.folder.path.iterdir() if path.stat().st_ino not in self.folder.known]
        there = Counter(mark for path in new for mark in self.folder.marks(path))
        self.excused |= {mark for mark, times in there.items() if times > 1}


@pytest.mark.parametrize(("machine", "examples"), [(Tailing, 60), (TailingIntoAStore, 15)])
def test_any_sequence_of_steps_loses_nothing_and_doubles_nothing(machine: type[Tailing], examples: int) -> None:
    effort = settings(
        max_examples=EXAMPLES or examples,
        stateful_step_count=40 if EXAMPLES else 25,
        derandomize=not EXAMPLES,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=effort)  # type: ignore[no-untyped-call]
