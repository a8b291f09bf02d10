"""A format small enough to check by eye, and a reading of it without blocks or spans to compare with."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from logkit.formats.base import Parsed, TimeRules
from logkit.formats.block import DELETE, Block, Lines, Mask, Records
from logkit.schema import LEVEL, TIMESTAMP
from logkit.sources.chunks import Chunk, read_chunks, read_from
from logkit.sources.span import ReadOptions, Span


@dataclass(frozen=True, slots=True)
class Tiny:
    """Records begin with "R"; with `multiline` other lines go on from them, else each line is a record."""

    multiline: bool = True
    splittable: bool = True
    name: str = "tiny"

    def starts(self, lines: Lines) -> Mask:
        if not self.multiline:
            return ~lines.blank()
        return (lines.stop > lines.start) & (lines.block.bytes[lines.start] == ord("R"))

    def parse(self, records: Records, times: TimeRules, *, stats_only: bool = False) -> Parsed:
        message = records.whole().series("message")
        if (message == "poison").any():
            raise ValueError("poison")
        if (message == "deadly").any():
            raise SystemExit("deadly")
        size = len(records)
        frame = pl.DataFrame(
            {
                "timestamp": pl.Series([None], dtype=TIMESTAMP).new_from_index(0, size),
                "level": pl.Series([None], dtype=LEVEL).new_from_index(0, size),
                "service": pl.Series([None], dtype=pl.String).new_from_index(0, size),
                "message": message,
            }
        )
        return Parsed(frame, np.ones(size, np.bool_), "not tiny")


class Bytes(io.BytesIO):
    """A reader over bytes."""

    def readinto(self, view: memoryview) -> int:
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


def chunks_of(
    data: bytes,
    start: int,
    stop: int | None,
    *,
    format: Tiny,
    block_bytes: int = 1 << 16,
    max_record_bytes: int = 1 << 20,
    final: bool = True,
    aligned: bool = False,
    continues: int | None = None,
    encoding: str = "utf-8",
    line_end: bytes = b"\n",
) -> list[Chunk]:
    """The chunks of one span over `data`."""
    span = Span(
        source=0,
        generation=0,
        path="tiny",
        format=format,
        start=start,
        stop=stop,
        limit=len(data),
        times=TimeRules(),
        aligned=aligned or start == 0,
        final=final,
        continues=continues,
        encoding=encoding,
        line_end=line_end,
    )
    reader = Bytes(data)
    reader.seek(read_from(span))
    return [kept(chunk) for chunk in read_chunks(span, reader, ReadOptions(block_bytes, max_record_bytes))]


def kept(chunk: Chunk) -> Chunk:
    """The chunk with memory of its own: that of a block is used again for the next one."""
    found = chunk.records
    block = Block(bytes(found.block.data), found.block.size)
    return replace(chunk, records=Records(block, found.start, found.line_stop, found.stop))


Event = tuple[int, int, int, str]
"""Offset, length, continues, text."""


def events_of(chunks: list[Chunk], *, held: bool = True) -> list[Event]:
    """The events of chunks as plain tuples, in the order given."""
    events = []
    for chunk in chunks:
        if chunk.held and not held:
            continue
        texts = chunk.records.whole().series().to_list()
        lengths = np.diff(chunk.offset)[: len(texts)]
        events += list(
            zip(
                chunk.offset[:-1].tolist()[: len(texts)],
                lengths.tolist(),
                chunk.continues.tolist(),
                texts,
                strict=True,
            )
        )
    return events


def reference(data: bytes, multiline: bool = True, encoding: str = "utf-8") -> list[tuple[int, str]]:
    """Offsets and texts of all records as a slow reader finds them, line by line and byte by byte."""
    if data == b"\xef\xbb\xbf":
        return []  # a byte order mark alone waits for the text it belongs to
    mark = b"\xef\xbb\xbf".decode(encoding) if data.startswith(b"\xef\xbb\xbf") else ""
    records: list[tuple[int, bytes]] = []
    at = 0
    for raw in re.findall(rb"[^\n]*\n|[^\n]+", data):
        line = _shown(raw, encoding)
        if at == 0:
            line = line.removeprefix(mark)
        start = line.startswith("R") if multiline else bool(line.strip(" \t\r\n\f\v"))
        if start or not records:
            records.append((at, raw))
        else:
            records[-1] = records[-1][0], records[-1][1] + raw
        at += len(raw)
    texts = [_shown(raw, encoding) for _, raw in records]
    texts[:1] = [text.removeprefix(mark) for text in texts[:1]]
    return [(offset, re.sub(r"(\r?\n)+\Z", "", text)) for (offset, _), text in zip(records, texts, strict=True)]


def _shown(raw: bytes, encoding: str) -> str:
    """What lines are shown as: no escape sequences, no NUL that begins a line or follows another, nothing invalid."""
    text = re.sub("(?<![^\n\0])\0", "", raw.decode(encoding, "surrogateescape"))
    text = re.sub("\x1b(\\[[ -?]{0,32}[@-~]|[ -/][0-~])", "", text)
    return re.sub(f"[\0{DELETE}\udc80-\udcff]", "\ufffd", text)
