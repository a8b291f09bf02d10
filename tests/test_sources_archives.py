"""Compressed files are told by their content and read to their end, or to the tear: every byte before it comes out."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import random
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logkit.sources import identify
from logkit.sources.archives import TornArchive, compression_of
from logkit.sources.reader import Reader, reader_for

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DATA = b"".join(b"line %d of many, %d\n" % (i, i * i % 9973) for i in range(40_000))
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}
KINDS = pytest.mark.parametrize("kind", PACK)
SKIPPED = b"\x5a\x2a\x4d\x18" + (7).to_bytes(4, "little") + b"ignored"
"""A skippable Zstandard frame, as parallel compressors write them."""


class Opened:
    """An archive on disk, held open for readers, that can grow."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind
        path.write_bytes(b"")
        self.descriptor = os.open(path, os.O_RDONLY)

    def reader(self, offset: int = 0) -> Reader:
        return reader_for(self.descriptor, str(self.path), self.kind, "utf-8", offset)

    def grow(self, raw: bytes) -> None:
        with self.path.open("ab") as out:
            out.write(raw)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    made: list[Opened] = []

    def make(kind: str, raw: bytes = b"") -> Opened:
        made.append(Opened(tmp_path / f"{len(made)}.log", kind))
        made[-1].grow(raw)
        return made[-1]

    yield make
    for one in made:
        os.close(one.descriptor)


def drain(reader: Reader, step: int = 10_000) -> tuple[bytes, TornArchive | None]:
    """All that comes out, and the tear it ends with."""
    out, view = bytearray(), memoryview(bytearray(step))
    try:
        while got := reader.readinto(view):
            out += view[:got]
    except TornArchive as tear:
        return bytes(out), tear
    return bytes(out), None


@KINDS
def test_content_tells_the_compression_not_the_name(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(PACK[kind](DATA))
    (tmp_path / "b.gz").write_bytes(DATA)
    assert identify(str(tmp_path / "a.log")).compression == kind
    assert identify(str(tmp_path / "a.log")).head == DATA[:1024]
    assert identify(str(tmp_path / "b.gz")).compression is None
    assert compression_of(PACK[kind](b"")[:16]) == kind
    assert compression_of(b"BZhou wrote this\n") is None


@KINDS
@pytest.mark.parametrize("offset", [0, 1, 300_000, len(DATA), len(DATA) + 5])
def test_reading_may_begin_at_any_offset(kind: str, offset: int, opened: Callable[..., Opened]) -> None:
    assert drain(opened(kind, PACK[kind](DATA)).reader(offset)) == (DATA[offset:], None)


@KINDS
def test_several_streams_empty_ones_and_zero_padding_are_one_file(kind: str, opened: Callable[..., Opened]) -> None:
    pack = PACK[kind]
    raw = pack(b"") + pack(DATA[:1000]) + bytes(512) + pack(DATA[1000:]) + pack(b"") + bytes(100_000)
    assert drain(opened(kind, raw).reader()) == (DATA, None)
    assert drain(opened(kind, pack(b"")).reader()) == (b"", None)


def test_skippable_frames_hold_nothing(opened: Callable[..., Opened]) -> None:
    raw = SKIPPED + zstd.compress(DATA[:999]) + SKIPPED * 2 + zstd.compress(DATA[999:]) + SKIPPED
    assert compression_of(raw[:16]) == "zstd"
    assert drain(opened("zstd", raw).reader()) == (DATA, None)


@KINDS
@pytest.mark.parametrize("at", [3, 9, 0.3, 0.9, -9, -1])
def test_a_torn_archive_gives_all_before_the_tear_and_goes_on_when_the_rest_arrives(
    kind: str, at: float, opened: Callable[..., Opened]
) -> None:
    raw = PACK[kind](DATA[:700]) + PACK[kind](DATA[700:])
    cut = int(len(raw) * at) if isinstance(at, float) else at % len(raw)
    one = opened(kind, raw[:cut])
    reader = one.reader()
    before, tear = drain(reader)
    assert tear is not None
    assert tear.offset == len(before)
    assert kind in str(tear)
    assert DATA.startswith(before)
    one.grow(raw[cut:])
    assert (before + drain(reader)[0], None) == (DATA, None)
    assert drain(one.reader(len(before))) == (DATA[len(before) :], None)


@KINDS
@settings(max_examples=15, deadline=None)
@given(share=st.floats(0, 1), step=st.integers(1, 5000))
def test_the_same_comes_before_a_tear_whatever_is_asked_for_at_a_time(kind: str, share: float, step: int) -> None:
    raw = PACK[kind](random.Random(1).randbytes(3000) + DATA[:60_000])
    path = Path(f"/proc/self/fd/{(descriptor := os.memfd_create('torn'))}")
    try:
        path.write_bytes(raw[: int(share * len(raw))])
        whole = drain(reader_for(descriptor, "torn", kind, "utf-8", 0), 1 << 20)
        pieces = drain(reader_for(descriptor, "torn", kind, "utf-8", 0), step)
    finally:
        os.close(descriptor)
    assert pieces[0] == whole[0]
    assert (pieces[1] is None) == (whole[1] is None)


def test_not_one_byte_before_a_tear_is_kept_back(opened: Callable[..., Opened]) -> None:
    raw = gzip.compress(DATA)
    before, _ = drain(opened("gzip", raw[: len(raw) // 2]).reader())
    assert before == zlib.decompressobj(wbits=31).decompress(raw[: len(raw) // 2])


@KINDS
def test_damage_is_a_tear_too_and_stays_one(kind: str, opened: Callable[..., Opened]) -> None:
    raw = bytearray(PACK[kind](DATA))
    raw[len(raw) // 2 :] = b"\xff" * (len(raw) - len(raw) // 2)
    reader = opened(kind, bytes(raw)).reader()
    before, tear = drain(reader)
    assert tear is not None
    assert before[:1000] == DATA[: min(1000, len(before))]  # what comes close before the damage may be wrong, unnoticed
    assert drain(reader)[0] == b""


@KINDS
def test_what_follows_a_stream_and_is_none_is_named(kind: str, opened: Callable[..., Opened]) -> None:
    before, tear = drain(opened(kind, PACK[kind](DATA) + b"something else entirely").reader())
    assert before == DATA
    assert tear is not None


@KINDS
def test_memory_for_a_bomb_is_bounded(kind: str, opened: Callable[..., Opened]) -> None:
    size = 100 << 20
    one = opened(kind, PACK[kind](bytes(size)))
    assert one.path.stat().st_size < size // 100
    tracemalloc.start()
    try:
        reader, total, view = one.reader(), 0, memoryview(bytearray(1 << 16))
        while got := reader.readinto(view):
            total += got
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    assert total == size


def test_a_window_larger_than_the_limit_is_refused_not_allocated(opened: Callable[..., Opened]) -> None:
    wide = {zstd.CompressionParameter.window_log: 30, zstd.CompressionParameter.content_size_flag: 0}
    packer = zstd.ZstdCompressor(options=wide)
    before, tear = drain(opened("zstd", packer.compress(DATA) + packer.flush()).reader())
    assert before == b""
    assert "memory" in str(tear)


def test_an_error_of_the_disk_is_no_tear(opened: Callable[..., Opened], monkeypatch: pytest.MonkeyPatch) -> None:
    reader = opened("bzip2", bz2.compress(DATA)).reader()

    def fails(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.pread", fails)
    with pytest.raises(OSError, match="Input/output"):
        drain(reader)


@pytest.mark.parametrize(
    ("raw", "said"), [(b"PK\x03\x04rest", "ZIP archive: unpack"), (b"7z\xbc\xaf\x27\x1crest", "7-Zip archive: unpack")]
)
def test_archives_of_many_files_are_refused_with_a_way_out(raw: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(raw)
    assert said in (identify(str(tmp_path / "a.log")).refused or "")


def test_an_odd_byte_at_the_end_of_compressed_utf16_is_not_lost(opened: Callable[..., Opened]) -> None:
    one = opened("gzip", gzip.compress("ab\n".encode("utf-16-le") + b"x"))
    assert drain(reader_for(one.descriptor, "", "gzip", "utf-16-le", 0)) == (b"ab\n\xff", None)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_is_refused_compressed_or_not(mode: str, tmp_path: Path) -> None:
    import tarfile

    (tmp_path / "inner.log").write_bytes(DATA)
    with tarfile.open(tmp_path / "a.log", mode) as archive:  # type: ignore[call-overload]
        archive.add(tmp_path / "inner.log", "inner.log")
    assert "tar archive: unpack" in (identify(str(tmp_path / "a.log")).refused or "")
