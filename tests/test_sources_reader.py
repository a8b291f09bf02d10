"""Bytes come in order, from any offset, inflated where they must be."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from logkit.sources.reader import TornArchive, compression_of, open_source

DATA = b"".join(b"line %d of many\n" % i for i in range(50_000))


def read_all(path: Path, compression: str | None, offset: int = 0, step: int = 65_536) -> bytes:
    out = b""
    with open_source(str(path), compression, offset) as reader:
        while True:
            view = bytearray(step)
            got = reader.readinto(memoryview(view))
            if not got:
                return out
            out += view[:got]


def read_into(got: bytearray, path: Path) -> None:
    with open_source(str(path), "gzip", 0) as reader:
        view = bytearray(1000)
        while count := reader.readinto(memoryview(view)):
            got += view[:count]


@pytest.mark.parametrize("offset", [0, 1, 700_000, len(DATA), len(DATA) + 5])
def test_any_offset_of_a_plain_or_compressed_file_reads_the_same(tmp_path: Path, offset: int) -> None:
    plain, packed = tmp_path / "a.log", tmp_path / "b"
    plain.write_bytes(DATA)
    packed.write_bytes(gzip.compress(DATA))
    assert compression_of(packed.read_bytes()) == "gzip"
    assert read_all(plain, None, offset) == DATA[offset:]
    assert read_all(packed, "gzip", offset) == DATA[offset:]


def test_several_members_and_zero_padding_are_one_stream(tmp_path: Path) -> None:
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(DATA[:1000]) + gzip.compress(DATA[1000:]) + bytes(512))
    assert read_all(packed, "gzip") == DATA
    packed.write_bytes(gzip.compress(b""))
    assert read_all(packed, "gzip") == b""


@pytest.mark.parametrize("cut", [5, 2000, -4])
def test_a_torn_archive_gives_what_stands_before_the_tear_and_then_says_so(tmp_path: Path, cut: int) -> None:
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(DATA)[:cut])
    got = bytearray()
    with pytest.raises(TornArchive, match="whole gzip file"):
        read_into(got, packed)
    assert DATA.startswith(got)
    assert (len(got) == len(DATA)) is (cut == -4)


def test_damage_in_the_middle_is_a_torn_archive(tmp_path: Path) -> None:
    raw = bytearray(gzip.compress(DATA))
    raw[len(raw) // 2 :] = b"\xff" * (len(raw) - len(raw) // 2)
    (tmp_path / "a.gz").write_bytes(raw)
    with pytest.raises(TornArchive):
        read_all(tmp_path / "a.gz", "gzip")
