"""From a row back to the bytes it was read from."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from logkit.analysis.columns import PLACE, columns, need_rows, place_at
from logkit.analysis.conditions import Condition
from logkit.errors import EvidenceLost, SettingError
from logkit.sources.encodings import encoding_of, line_end_of, transcoded
from logkit.sources.reader import open_source, read_up_to

if TYPE_CHECKING:
    from logkit.capture import SourceStatus
    from logkit.snapshot import Snapshot

_HEAD_BYTES: Final = 4096
_LINE_BYTES: Final = 4096  # a line of context is expected to be no longer
_CAT: Final = {None: "cat", "gzip": "zcat", "bzip2": "bzcat", "xz": "xzcat", "zstd": "zstdcat"}
_PLACE: Final = ("file", "source", "generation", "offset", "length_bytes", "message")
_ESCAPES: Final = re.compile("\x1b(\\[[ -?]{0,32}[@-~]|[ -/][0-~])")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A record as it stands in its file: bytes [start, stop) of the decompressed content, read anew.

    `text` is the record without its last line end, `before` and `after` are the lines around it; bytes that are no
    text are shown as U+FFFD. `compression` is that of the file ("gzip", …) or None.
    """

    file: str
    generation: int
    start: int
    stop: int
    text: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    compression: str | None
    encoding: str

    @property
    def command(self) -> str:
        """A shell command that prints the record's bytes (of a UTF-16 file those of another encoding: its offsets are
        those of its text in UTF-8)."""
        file, first, length = shlex.quote(self.file), self.start + 1, self.stop - self.start
        wide = self.encoding.startswith("utf-16")
        if self.compression is None and not wide:
            return f"tail -c +{first} -- {file} | head -c {length}"
        convert = f" | iconv -f {self.encoding.upper()} -t UTF-8" if wide else ""
        return f"{_CAT[self.compression]} -- {file}{convert} | tail -c +{first} | head -c {length}"

    def __str__(self) -> str:
        place = f"{self.file}, bytes {self.start:,} to {self.stop:,}"
        lines = [*(f"  {line}" for line in self.before), *(f"> {line}" for line in self.text.split("\n"))]
        return "\n".join([place, *lines, *(f"  {line}" for line in self.after)])


def locate(snapshot: Snapshot, row: Any, context: int) -> Evidence:
    """See `Snapshot.locate`."""
    place = _place(snapshot, row)
    status = _status(snapshot, place)
    start, stop = int(place["offset"]), int(place["offset"]) + int(place["length_bytes"])
    early = max(start - context * _LINE_BYTES, 0)
    raw, encoding, line_end = _read(status, place["file"], early, stop + context * _LINE_BYTES)
    if len(raw) < stop - early:
        raise _lost(place, f"the file ends at byte {early + len(raw):,}")
    before, own, after = raw[: start - early], raw[start - early : stop - early], raw[stop - early :]
    text = _text(own, encoding, line_end).rstrip("\n")
    if not _is_of(place["message"], text):
        raise _lost(place, "other text stands there")
    lines = _text(before, encoding, line_end).split("\n")[:-1]
    later = _text(after, encoding, line_end).split("\n")
    whole = later if len(after) < context * _LINE_BYTES else later[:-1]
    return Evidence(
        file=str(place["file"]),
        generation=int(place["generation"]),
        start=start,
        stop=stop,
        text=text,
        before=tuple((lines if early == 0 else lines[1:])[-context:] if context else ()),
        after=tuple([line for at, line in enumerate(whole) if line or at < len(whole) - 1][:context]),
        compression=status.compression if status else None,
        encoding=encoding,
    )


def _place(snapshot: Snapshot, row: Any) -> dict[str, Any]:
    """Where the row's record is: by the position in `snap.events`, or by what the row itself says."""
    if isinstance(row, int) or (hasattr(row, "__index__") and not hasattr(row, "keys")):
        need_rows(snapshot, "locate")
        position = _position(int(row), len(snapshot) - snapshot.dropped_events)
        return dict(_records(snapshot, place_at(snapshot, position)).row(0, named=True))
    if not (isinstance(row, Mapping) or hasattr(row, "keys")):
        raise SettingError(
            f"expected a row of snap.events or its position, found {row!r}; try snap.events.iloc[0]",
            setting="row",
            value=row,
        )
    given = {name: row[name] for name in _PLACE if name in row.keys()}  # noqa: SIM118 - a Series' `in` is its index
    if len(given) == len(_PLACE):
        return given
    if not {"file", "offset"} <= given.keys():
        raise SettingError(
            f"expected a row with file and offset, found one with {', '.join(map(str, row.keys()))}; "
            "try a row of snap.events or of snap.trace(...)",
            setting="row",
            value=row,
        )
    found = _records(snapshot, {name: given[name] for name in ("file", *PLACE) if name in given})
    if not found.height:
        raise SettingError(
            f"expected a record at byte {given['offset']:,} of {given['file']!r}, found none among the rows kept; "
            "try a row of snap.events",
            setting="row",
            value=row,
        )
    return dict(found.row(-1, named=True))


def _records(snapshot: Snapshot, place: Mapping[str, Any]) -> pl.DataFrame:
    return columns(snapshot, _PLACE, Condition({name: (value,) for name, value in place.items()}))


def _position(row: int, height: int) -> int:
    if not -height <= row < height:
        raise SettingError(
            f"expected a position below {height:,}, the rows of snap.events, found {row:,}", setting="row", value=row
        )
    return row % height


def _status(snapshot: Snapshot, place: Mapping[str, Any]) -> SourceStatus | None:
    wanted = (place["source"], place["generation"])
    return next((s for s in snapshot.capture.sources if (s.source, s.generation) == wanted), None)


def _read(status: SourceStatus | None, path: str, start: int, stop: int) -> tuple[bytes, str, bytes]:
    """Bytes [start, stop) as far as they are there, and how they are written."""
    compression = status.compression if status else None
    try:
        with open_source(path, compression) as reader:
            head = read_up_to(reader, _HEAD_BYTES)
        encoding = encoding_of(head)
        with open_source(path, compression, start, encoding=encoding, final=True) as reader:
            return read_up_to(reader, stop - start), encoding, line_end_of(transcoded(head, encoding))
    except OSError as error:
        raise EvidenceLost(
            f"expected the file of the record at {path!r}, found that {error.strerror or error}; "
            "try to put it back where it was read from",
            path=path,
            offset=start,
        ) from error


def _text(raw: bytes, encoding: str, line_end: bytes) -> str:
    text = raw.decode("latin-1" if encoding == "latin-1" else "utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n") if line_end == b"\r" else text.replace("\r\n", "\n")


def _is_of(message: str | None, text: str) -> bool:
    """Whether the record may be the one that was read: the longest word of the message's first line is in it."""
    words = re.findall(r"[A-Za-z0-9]+", (message or "").split("\n", 1)[0][:500])
    return not words or max(words, key=len) in _ESCAPES.sub("", text)


def _lost(place: Mapping[str, Any], found: str) -> EvidenceLost:
    return EvidenceLost(
        f"expected the record at byte {place['offset']:,} of {place['file']!r}, found that {found}; "
        "the file was rotated or rewritten since the snapshot was taken: try its rotated copy",
        path=str(place["file"]),
        offset=int(place["offset"]),
    )
