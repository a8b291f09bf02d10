"""What every test may use."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.scenario_tools import SCENES, WATCHING, Scene

CORPUS = next(
    (found for above in Path(__file__).resolve().parents if (found := above / "shared" / "corpus").is_dir()),
    Path("shared/corpus"),
)
"""Where the corpus is: beside this checkout, or beside a folder it is in."""

# A deadline per example measures the machine, not the code; the same examples on every run.
settings.register_profile("logkit", deadline=None, derandomize=True)
settings.load_profile("logkit")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real logs and cases; where it is absent the test is skipped."""
    if not CORPUS.is_dir():
        pytest.skip(f"needs the log corpus at {CORPUS.name}/ beside the checkout, which is not there")
    return CORPUS


@pytest.fixture
def no_thread_left_behind() -> Iterator[None]:
    """A test leaves none of the engine's threads running; what was left before it is not its doing."""
    before = set(threading.enumerate())
    yield
    left = [one.name for one in set(threading.enumerate()) - before if one.name.startswith("logkit-")]
    assert left == []


@pytest.fixture
def nobody_stays() -> Iterator[None]:
    """A test leaves no thread at all running; one that is on its way out is waited for."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(2)
    assert [thread.name for thread in set(threading.enumerate()) - before] == []


@pytest.fixture(params=SCENES, ids=" ".join)
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    """A log, and each way to watch it."""
    return Scene(tmp_path / "logs", *request.param)


@pytest.fixture(params=WATCHING)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    """A scene that watches its whole folder, rotated names included."""
    return Scene(tmp_path / "logs", "folder", request.param)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
