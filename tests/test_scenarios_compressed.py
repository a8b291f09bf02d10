"""Compressed logs: several members, tears, growth, and compression told by content and not by name."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.outside import assert_nothing_lost
from tests.scenario_tools import (
    CODECS,
    Scene,
    assert_balanced,
    compressed,
    messages,
    read,
    settle,
)

pytestmark = pytest.mark.usefixtures("no_thread_left_behind")


@pytest.fixture
def scene(folder: Scene) -> Scene:
    """Here every scene watches its whole folder."""
    return folder


def test_gzip_with_several_members(scene: Scene) -> None:
    with scene.watch() as monitor:
        scene.rotated("app.log.gz").write_bytes(b"".join(gzip.compress(scene.text(n)) for n in (5, 0, 7)))
        scene.came(settle(monitor))


def test_gzip_members_that_end_within_a_line(scene: Scene) -> None:
    text = scene.text(10)
    with scene.watch() as monitor:
        scene.rotated("app.log.gz").write_bytes(gzip.compress(text[:133]) + gzip.compress(text[133:]))
        scene.came(settle(monitor))


@pytest.mark.parametrize("codec", CODECS)
def test_a_compressed_log_that_grows_by_whole_members(codec: str, scene: Scene) -> None:
    with scene.watch() as monitor, scene.appending(scene.rotated(f"app.log.{codec}")) as out:
        for count in (5, 1, 50):
            out.write(compressed(scene.text(count), codec))
            scene.came(settle(monitor))


TEARS = {"header": 5, "data": 0.5, "footer": -4}
"""Where a compressed file is torn: after so many bytes, at that part of it, or so many bytes before its end."""


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("where", TEARS)
def test_torn_archive_is_resumed_when_the_rest_arrives(where: str, codec: str, scene: Scene) -> None:
    if where == "header" and codec in ("bz2", "xz"):
        pytest.skip("so few bytes do not tell that it is an archive; they are read as a line")
    data = compressed(scene.text(3000), codec)
    tear = TEARS[where]
    at = int(len(data) * tear) if isinstance(tear, float) else tear
    with scene.watch() as monitor, scene.appending(scene.rotated(f"app.log.{codec}")) as out:
        out.write(data[:at])
        snap = settle(monitor)
        assert len(set(messages(snap))) == len(snap) <= 3000
        assert_balanced(snap)
        out.write(data[at:])
        scene.came(settle(monitor))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("where", TEARS)
def test_torn_archive_is_read_up_to_its_tear_and_said_to_be_torn(where: str, codec: str, tmp_path: Path) -> None:
    # What stands behind the tear is not there. The last line before it may be cut.
    scene = Scene(tmp_path)
    data = compressed(scene.text(3000), codec)
    tear = TEARS[where]
    scene.rotated(f"app.log.{codec}").write_bytes(data[: int(len(data) * tear) if isinstance(tear, float) else tear])
    scene.write(3)
    snap = read(tmp_path)
    torn = snap.files[snap.files["path"].str.endswith(codec)].iloc[0]
    assert torn["error"]
    assert set(scene.written[-3:]) <= set(messages(snap))
    assert len(set(messages(snap))) == len(snap)
    assert len(set(messages(snap)) - set(scene.written)) <= 1
    assert_balanced(snap)
    if where == "footer" and codec == "gz":
        scene.came(snap)


def test_zeros_behind_an_archive_are_no_tear(tmp_path: Path) -> None:
    # Padding to a block, as tapes and some tools leave it; gzip passes over it too.
    scene = Scene(tmp_path)
    scene.rotated("app.log.gz").write_bytes(gzip.compress(scene.text(5)) + b"\0" * 1024)
    scene.came(read(tmp_path))


@pytest.mark.parametrize("codec", CODECS)
def test_compression_is_told_by_content_and_not_by_name(codec: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.rotated("packed.log").write_bytes(compressed(scene.text(5), codec))
    scene.write(5, scene.rotated(f"plain.log.{codec}"))
    snap = read(tmp_path)
    scene.came(snap)
    assert snap.files["error"].isna().all()


@pytest.mark.parametrize("codec", CODECS)
def test_compressed_logs_are_read_and_their_offsets_count_decompressed_bytes(codec: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    text = scene.text(2000)
    half = len(text) // 2
    packed = compressed(text[:half], codec) + compressed(text[half:], codec)
    scene.rotated(f"app.log.{codec}").write_bytes(packed)
    snap = read(tmp_path, block_bytes=4096, span_bytes=8192)
    scene.came(snap)
    assert snap.files["offset_bytes"].tolist() == [len(text)]
    assert_nothing_lost(snap)


@pytest.mark.parametrize("codec", CODECS)
def test_an_archive_of_nothing_and_an_empty_one(codec: str, scene: Scene) -> None:
    scene.rotated(f"nothing.log.{codec}").write_bytes(compressed(b"", codec))
    scene.rotated(f"empty.log.{codec}").touch()
    with scene.watch() as monitor:
        assert len(settle(monitor)) == 0
        scene.rotated(f"empty.log.{codec}").write_bytes(compressed(scene.text(3), codec))
        scene.came(settle(monitor))
