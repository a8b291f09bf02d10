"""Open files, shared: a bounded number of them, and what is held open outlives its name."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from logkit.engine.descriptors import Descriptors


def opened(folder: Path) -> int:
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return sum(str(folder) in os.readlink(link) for link in links if os.path.islink(link))


def file_of(path: Path) -> tuple[int, int]:
    return path.stat().st_dev, path.stat().st_ino


def test_threads_that_open_at_once_never_hold_more_than_allowed(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.log" for number in range(40)]
    for path in paths:
        path.write_text(path.name)
    files, most, start = Descriptors(3), [], threading.Barrier(3)

    def read(third: int) -> None:
        start.wait(10)
        for path in paths[third::3]:
            with files.borrow(str(path), file_of(path)) as descriptor:
                assert os.pread(descriptor, 64, 0) == path.name.encode()
                most.append(opened(tmp_path))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(read, range(3)))
    assert max(most) <= 3
    files.close()
    assert opened(tmp_path) == 0


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


def test_another_file_of_that_name_is_refused_and_not_left_open(tmp_path: Path) -> None:
    path, other = tmp_path / "app.log", tmp_path / "other.log"
    path.write_text("one")
    other.write_text("two")
    files = Descriptors(1)
    with pytest.raises(FileNotFoundError, match="another file"), files.borrow(str(path), file_of(other)):
        pass
    assert opened(tmp_path) == 0
