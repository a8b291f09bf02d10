"""A file is known by its content: how it begins, what stands before an offset, and where its text begins."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logkit.sources import identify
from logkit.sources.identity import HEAD_BYTES, HEAD_KEPT_BYTES, same_content
from logkit.sources.span import digest

LINE = b"2026-03-01 12:00:00,001 INFO  [orders] [exec-1] c.e.Orders - accepted\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


@pytest.fixture
def descriptor(log: Path) -> Iterator[int]:
    log.write_bytes(b"")
    descriptor = os.open(log, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_a_path_and_a_descriptor_are_the_same_file(log: Path, descriptor: int) -> None:
    log.write_bytes(LINE * 100)
    found = identify(descriptor, str(log))
    assert found == identify(str(log))
    assert found.head == (LINE * 100)[:HEAD_KEPT_BYTES]
    assert found.head_bytes == len(LINE) * 100
    status = log.stat()
    assert (found.device, found.inode) == (status.st_dev, status.st_ino)
    assert os.lseek(descriptor, 0, os.SEEK_CUR) == 0


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    assert identify(str(tmp_path)).refused == "not a regular file"


@settings(max_examples=150, deadline=None)
@given(
    parts=st.lists(
        st.one_of(
            st.sampled_from(
                [LINE, LINE * 40, LINE.decode().encode("utf-16"), b"\0" * 3000, b"\n", b"\r", b"caf\xe9 \xe0"]
            ),
            st.binary(max_size=30),
        ),
        max_size=8,
    ),
    more=st.binary(max_size=2000),
    final=st.booleans(),
    packed=st.booleans(),
)
def test_the_same_head_gives_the_same_answer_whatever_came_behind_it_since(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], more: bytes, final: bool, packed: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "head.log"
    head = b"".join(parts)

    def look(content: bytes, limit: int | None) -> tuple[object, ...]:
        path.write_bytes(gzip.compress(content, mtime=0) if packed and content else content)
        found = identify(str(path), final=final, head_limit=limit)
        return found.format, found.encoding, found.line_end, found.hole_bytes, found.refused, found.head_bytes

    before = look(head, None)
    assert before[-1] <= len(head)
    assert look(head + more, before[-1]) == before


def test_no_format_before_the_first_line_is_whole_unless_the_file_is_final(log: Path) -> None:
    log.write_bytes(LINE[:-1])
    assert identify(str(log), final=False).format is None
    assert identify(str(log), final=True).format is not None


@pytest.mark.parametrize("hole", [1, 100, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1, 3_000_001])
@pytest.mark.parametrize("packed", [False, True])
def test_a_hole_is_measured_and_the_format_is_that_of_what_follows(hole: int, packed: bool, log: Path) -> None:
    content = bytes(hole) + LINE * 20
    log.write_bytes(gzip.compress(content) if packed else content)
    found = identify(str(log))
    assert found.hole_bytes == hole
    assert found.format is not None
    assert found.format.name == "logback-service"
    assert found.refused is None
    assert found.head == content[:HEAD_KEPT_BYTES]
    assert found.head_bytes == len(content)


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_file_that_is_all_nul_so_far_has_no_hole_yet(size: int, log: Path) -> None:
    log.write_bytes(bytes(size))
    found = identify(str(log), final=False)
    assert (found.hole_bytes, found.format, found.refused) == (0, None, None)
    assert found.head_bytes == size


def test_a_sparse_terabyte_costs_nothing(log: Path) -> None:
    with log.open("wb") as out:
        try:
            out.seek(1 << 40)
            out.write(LINE)
        except OSError:
            pytest.skip("the file system has no files of this size")
    if log.stat().st_blocks * 512 > 1 << 30:
        pytest.skip("the file system has no sparse files")
    began = time.process_time()
    assert identify(str(log)).hole_bytes == 1 << 40
    assert time.process_time() - began < 5


@pytest.mark.parametrize(("encoding", "hole"), [("utf-16-le", 2000), ("utf-16-be", 2000)])
def test_a_hole_before_utf16_counts_units_as_offsets_do(encoding: str, hole: int, log: Path) -> None:
    log.write_bytes(bytes(2 * hole) + (LINE * 20).decode().encode(encoding))
    found = identify(str(log))
    assert (found.encoding, found.hole_bytes) == (encoding, hole)
    assert found.format is not None
    assert found.format.name == "logback-service"


def test_detection_sees_through_encoding_colours_and_line_ends(log: Path) -> None:
    lines = LINE * 5
    for content in (
        b"\x1b[32m" + lines.replace(b"INFO", b"\x1b[1mINFO\x1b[0m"),
        lines.decode().encode("utf-16"),
        lines.decode().encode("utf-16-be"),
        lines.replace(b"accepted", b"angenommen f\xfcr Gr\xf6\xdfe"),
        lines.replace(b"\n", b"\r"),
        LINE + bytes(4000) + lines,
    ):
        log.write_bytes(content)
        found = identify(str(log))
        assert found.refused is None, content
        assert found.format is not None
        assert found.format.name == "logback-service", content
    log.write_bytes("x".encode("utf-32") * 50)
    assert identify(str(log)).refused == "UTF-32"


@pytest.mark.parametrize("packed", [False, True])
def test_content_is_the_same_while_it_begins_and_ends_as_it_did(packed: bool, log: Path, descriptor: int) -> None:
    def put(content: bytes) -> str | None:
        log.write_bytes(gzip.compress(content) if packed else content)
        return "gzip" if packed else None

    content = LINE * 1000
    stop = 50_000
    tail = (stop, 1024, digest(content[stop - 1024 : stop]))
    for now, same in {
        content: True,
        content[:stop]: True,
        content + b"more": True,
        content[: stop - 1]: False,
        content[:1000]: False,
        b"": False,
        b"x" + content[1:]: False,
        content[: stop - 1] + b"x" + content[stop:]: False,
        content[: stop - 1024] + b"x" + content[stop - 1023 :]: False,
    }.items():
        kind = put(now)
        assert same_content(descriptor, kind, "utf-8", content[:1024], tail) is same
    assert same_content(descriptor, put(content[:1024]), "utf-8", content[:1024], None)
    assert same_content(descriptor, put(content), "utf-8", b"", None)


def test_a_torn_archive_is_the_same_content_as_far_as_it_goes(log: Path, descriptor: int) -> None:
    content = b"".join(b"%d\n" % (n * n) for n in range(50_000))
    raw = gzip.compress(content)
    log.write_bytes(raw[: len(raw) // 2])
    tail = (10_000, 1024, digest(content[8976:10_000]))
    assert same_content(descriptor, "gzip", "utf-8", content[:1024], tail)
    stop = len(content)
    late = (stop, 1024, digest(content[stop - 1024 : stop]))
    assert not same_content(descriptor, "gzip", "utf-8", content[:1024], late)


def test_a_utf16_file_has_the_head_it_stores_and_the_tail_of_its_text(log: Path, descriptor: int) -> None:
    text = "\ufeff" + LINE.decode() * 50
    log.write_bytes(text.encode("utf-16-le"))
    read = text.encode()
    tail = (2000, 1024, digest(read[976:2000]))
    head = identify(str(log)).head
    assert head == text.encode("utf-16-le")[:1024]
    assert same_content(descriptor, None, "utf-16-le", head, tail)
    assert not same_content(descriptor, None, "utf-16-le", head, (2000, 1024, digest(read[975:1999])))
