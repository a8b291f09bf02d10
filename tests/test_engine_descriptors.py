"""Open files, shared: a bounded number of them, and what is held open outlives its name."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from logkit.engine import descriptors
from logkit.engine.descriptors import Descriptors
from logkit.sources.reader import open_to_read


class Counted(Descriptors):
    """Counts what is open, at each instant."""

    def __init__(self, max_open: int, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(max_open)
        self.counts, self.now, self._counting = [0], 0, threading.Lock()
        monkeypatch.setattr(descriptors, "open_to_read", self._open_counted)

    def _open_counted(self, path: str) -> int:
        descriptor = open_to_read(path)
        self._add(1)
        return descriptor

    def _close(self, one: Any) -> None:
        self._add(-1)  # before: once it is closed, another thread may count on it
        super()._close(one)

    def _add(self, change: int) -> None:
        with self._counting:
            self.now += change
            self.counts.append(self.now)


def file_of(path: Path) -> tuple[int, int]:
    return path.stat().st_dev, path.stat().st_ino


def test_threads_that_open_at_once_never_hold_more_than_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{number}.log" for number in range(40)]
    for path in paths:
        path.write_text(path.name)
    files, start = Counted(3, monkeypatch), threading.Barrier(3)

    def read(third: int) -> None:
        start.wait(10)
        for path in paths[third::3]:
            with files.borrow(str(path), file_of(path)) as descriptor:
                assert os.pread(descriptor, 64, 0) == path.name.encode()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(read, range(3)))
    assert max(files.counts) == 3
    files.close()
    assert files.now == 0


def test_what_is_held_open_is_read_although_its_name_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("one")
    files, file = Descriptors(2), file_of(path)
    with files.borrow(str(path), file):
        pass
    path.unlink()
    with files.borrow(str(path), file) as descriptor:
        assert os.pread(descriptor, 64, 0) == b"one"
    files.release(file)
    with pytest.raises(FileNotFoundError), files.borrow(str(path), file):
        pass


def test_another_file_of_that_name_is_refused_and_not_left_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "app.log", tmp_path / "other.log"
    path.write_text("one")
    other.write_text("two")
    files = Counted(1, monkeypatch)
    with pytest.raises(FileNotFoundError, match="another file"), files.borrow(str(path), file_of(other)):
        pass
    assert files.counts == [0, 1, 0]
