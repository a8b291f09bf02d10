"""`logkit.explain`: how a file would be read, and why: the formats that were tried, and what does not fit."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass
from typing import Final

import numpy as np

from logkit.errors import PathError
from logkit.formats import Format, Plain, TimeRules, candidates, detect, is_binary
from logkit.formats.block import Block, Lines, records_of, split_lines
from logkit.formats.catalog import entries
from logkit.formats.misfits import misfit
from logkit.sources import handles
from logkit.sources.archives import compression_of
from logkit.sources.discovery import Found, look
from logkit.sources.encodings import encoding_of, transcoded
from logkit.sources.reader import open_source, opened, read_up_to
from logkit.sources.recode import shown
from logkit.sources.remote import is_remote

_HEAD_BYTES: Final = 65_536
_SHOWN: Final = 5  # lines that do not fit, and formats that read some
_LEFT: Final = "style='text-align:left;white-space:nowrap'"
_WIDE: Final = 96  # characters of a line that are shown


@dataclass(frozen=True, slots=True)
class Misfit:
    """A line that the chosen format cannot read: from character `place` on, where `expected` should stand."""

    line: int
    text: str
    place: int
    expected: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a file is read. `candidates` are the formats that read any of its first lines with the share they read;
    `records` of them were looked at, `read` as the chosen format's; `misfits` are the first that it cannot read.
    """

    path: str
    format: Format | None
    title: str
    candidates: tuple[tuple[str, float], ...]
    records: int
    read: int
    misfits: tuple[Misfit, ...]
    example: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        if self.format is None:
            return f"{self.path}: {self.title}"
        lines = [f"{self.path}: {self.format.name} ({self.title})"]
        lines.append(f"  reads {self.read:,} of {self.records:,} records looked at; the first one:")
        lines += [f"    {name:12} {value}" for name, value in self.example]
        others = [f"{name} {share:.0%}" for name, share in self.candidates if name != self.format.name]
        if others:
            lines.append(f"  others that read some: {', '.join(others[:_SHOWN])}")
        for one in self.misfits:
            text, place = _cut(one.text, one.place)
            lines += [f"  line {one.line} does not fit: {one.expected}", f"    {text}", f"    {' ' * place}^"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        if self.format is None:
            return f"<p><b>{_safe(self.path)}</b>: {_safe(self.title)}</p>"
        rows = "".join(
            f"<tr><th {_LEFT}>{_safe(name)}</th><td {_LEFT}>{_safe(value)}</td></tr>" for name, value in self.example
        )
        tried = "".join(
            f"<tr><td {_LEFT}>{_safe(name)}</td><td style='text-align:right'>{share:.0%}</td></tr>"
            for name, share in self.candidates[: 2 * _SHOWN]
        )
        wrong = "".join(map(_marked, self.misfits))
        return (
            f"<div><p><b>{_safe(self.path)}</b> is read as <b>{_safe(self.format.name)}</b> ({_safe(self.title)}): "
            f"{self.read:,} of {self.records:,} records looked at.</p>"
            f"<div style='display:flex;flex-wrap:wrap;gap:2em;align-items:flex-start'>"
            f"<table><caption {_LEFT}>The first record</caption>{rows}</table>"
            f"<table><caption {_LEFT}>Formats that read some</caption>{tried}</table></div>"
            f"{wrong}</div>"
        )


def explain(path: str | os.PathLike[str]) -> Explanation:
    """How a file is read, from its first 64 KiB: the format chosen, what each other one would read, the first record's
    fields, and for lines that do not fit where the match fails. Shows as a table in a notebook.

    Compressed files are inflated as reading does it. Raises `PathError` for what is no file, OSError.
    """
    name = os.path.expanduser(os.fspath(path))
    if not (isinstance(look(name), Found) if is_remote(name) else os.path.isfile(name)):
        raise PathError(
            f"expected a file, found {'a folder' if os.path.isdir(name) else 'nothing'} at {name}", path=name
        )
    raw = _head(name)
    encoding = encoding_of(raw)
    text = shown(transcoded(raw, encoding), encoding)
    refused = is_binary(text)
    if refused or not text.strip():
        return Explanation(name, None, refused or "empty: nothing to tell a format from", (), 0, 0, (), ())
    format = detect(text, os.path.basename(name))
    tried = tuple((one.name, share) for one, share in candidates(text))
    lines = split_lines(Block.of(text.decode("utf-8", "replace").encode()))
    whole = lines if text.endswith(b"\n") or len(lines) < 2 else _first(lines, len(lines) - 1)
    starts = format.starts(whole)
    starts[0] = True
    records = records_of(whole, starts)
    reference = _written_us(name)
    parsed = format.parse(records, TimeRules(reference_us=reference))
    wrong = np.flatnonzero(~parsed.ok)[:_SHOWN]
    first = np.flatnonzero(starts) + 1
    misfits = []
    for row in wrong.tolist():
        line = whole.block.text(int(records.start[row]), int(records.line_stop[row]))
        place, wanted = misfit(format, line) or (0, parsed.reason)
        misfits.append(Misfit(int(first[row]), line, place, wanted))
    good = np.flatnonzero(parsed.ok)
    example = parsed.frame.row(int(good[0]), named=True) if len(good) else {}
    fields = tuple((column, _short(value)) for column, value in example.items() if value is not None)
    return Explanation(name, format, _title(format), tried, len(records), int(parsed.ok.sum()), tuple(misfits), fields)


def _head(path: str) -> bytes:
    with opened(path) as handle:
        compression = compression_of(handles.pread(handle, 16, 0))
    with open_source(path, compression) as reader:
        return read_up_to(reader, _HEAD_BYTES)


def _written_us(path: str) -> int:
    with opened(path) as handle:
        return int(handles.status_of(handle).st_mtime * 1e6)


def _first(lines: Lines, count: int) -> Lines:
    return Lines(lines.block, lines.start[:count], lines.stop[:count], lines.next[:count])


def _title(format: Format) -> str:
    if isinstance(format, Plain):
        return "no format in particular: a time, a level and a name wherever they stand"
    titles = {entry.name: entry.title for entry in entries()}
    titles |= {"json": "JSON lines", "logfmt": "logfmt", "w3c": "W3C extended log", "zeek": "Zeek"}
    around = [_titles(part.split(" + "), titles) for part in format.name.split(" > ")]
    return "; within it: ".join(filter(None, around)) or "your own"


def _titles(names: list[str], titles: dict[str, str]) -> str:
    return "; ".join(titles[name] for name in names if name in titles)


def _short(value: object) -> str:
    """A field's first line, as far as it is shown."""
    text = str(value)
    line = text.partition("\n")[0][:_WIDE]
    return line if line == text else f"{line}…"


def _cut(text: str, place: int) -> tuple[str, int]:
    """A line around a place, short enough to be shown."""
    begin = max(0, place - _WIDE // 2) if len(text) > _WIDE else 0
    shown = text[begin : begin + _WIDE].replace("\t", " ")
    return f"{'…' if begin else ''}{shown}{'…' if begin + _WIDE < len(text) else ''}", place - begin + (begin > 0)


def _marked(one: Misfit) -> str:
    text, place = _cut(one.text, one.place)
    rest = _safe(text[place:]) or "&nbsp;"
    return (
        f"<p style='margin-bottom:0'>Line {one.line} does not fit: {_safe(one.expected)}</p>"
        f"<pre style='margin-top:0'>{_safe(text[:place])}<span style='background:#d55e0033'>{rest}</span></pre>"
    )


def _safe(text: str) -> str:
    return html.escape(text)
