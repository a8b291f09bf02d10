"""When each record of a demo file was written: one small rule per format, for a replay that keeps the order of time."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from logkit.demo.lines import MONTHS
from logkit.errors import PathError


@dataclass(frozen=True, slots=True)
class Timed:
    """One record as it stands in its file, line ends included, and when it was written (UTC)."""

    at: datetime
    file: str
    text: bytes


@dataclass(frozen=True, slots=True)
class _Rule:
    """How a format writes its time: group 1 of `pattern`, at the start of a record.

    `read` gives the time nearest to an instant (only formats without a year need it), `write` the text.
    """

    pattern: re.Pattern[bytes]
    read: Callable[[str, datetime], datetime]
    write: Callable[[datetime], str]
    has_year: bool = True

    def time_of(self, line: bytes, near: datetime) -> datetime | None:
        """The time a record begins with; None for a line that begins no record, or with no such date."""
        found = self.pattern.match(line)
        with suppress(ValueError):  # 31 February: a malformed line, which belongs to the record before
            return self.read(found[1].decode(), near) if found else None
        return None


def _read_iso(text: str, near: datetime) -> datetime:
    return datetime.fromisoformat(text.replace(",", ".")).replace(tzinfo=UTC)


def _read_syslog(text: str, near: datetime) -> datetime:
    month, day = _month(text[:3]), int(text[4:6])
    hour, minute, second = map(int, text[7:].split(":"))
    candidates = []
    for year in (near.year - 1, near.year, near.year + 1):
        with suppress(ValueError):  # 29 February is not in every year
            candidates.append(datetime(year, month, day, hour, minute, second, tzinfo=UTC))
    return min(candidates, key=lambda at: abs(at - near))


def _read_access(text: str, near: datetime) -> datetime:
    hour, minute, second = map(int, text[12:].split(":"))
    return datetime(int(text[7:11]), _month(text[3:6]), int(text[:2]), hour, minute, second, tzinfo=UTC)


def _month(name: str) -> int:
    return MONTHS.index(name) + 1


def _iso(separator: str, point: str) -> Callable[[datetime], str]:
    return lambda at: f"{at:%Y-%m-%d}{separator}{at:%H:%M:%S}{point}{at.microsecond // 1000:03d}"


_RULES: Final = (
    _Rule(re.compile(rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})"), _read_iso, _iso(" ", ",")),
    _Rule(re.compile(rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) UTC"), _read_iso, _iso(" ", ".")),
    _Rule(re.compile(rb'\{"timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})Z'), _read_iso, _iso("T", ".")),
    _Rule(
        re.compile(rb"\S+ \S+ \S+ \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d) \+0000\]"),
        _read_access,
        lambda at: f"{at.day:02d}/{MONTHS[at.month - 1]}/{at.year}:{at:%H:%M:%S}",
    ),
    _Rule(
        re.compile(rb"([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) "),
        _read_syslog,
        lambda at: f"{MONTHS[at.month - 1]} {at.day:2d} {at:%H:%M:%S}",
        has_year=False,
    ),
)


def read_records(folder: Path) -> list[Timed]:
    """All records of a folder that `write_incident` filled, in time order; each file keeps its own order.

    A rotated file (`orders.log.1.gz`) comes before the one it was rotated from, under that one's name. A line without
    a time belongs to the record before it. Raises `PathError` where there is no such log, or one in another format.
    """
    contents = _contents(folder)
    rules = {name: _rule_of(folder / name, content) for name, content in contents.items()}
    near = datetime.now(UTC)
    for name in sorted(contents, key=lambda name: rules[name].has_year):
        # Those without a year come first here, so that the last word is a time that has one, if any has.
        near = _records(name, contents[name], rules[name], near)[0].at
    records = [record for name in contents for record in _records(name, contents[name], rules[name], near)]
    return sorted(records, key=lambda record: record.at)


def _contents(folder: Path) -> dict[str, bytes]:
    """The bytes of each log by its name without rotation, the oldest part first."""
    if not folder.is_dir():
        raise PathError(
            f"expected a folder, found none at {str(folder)!r}; try demo.write_incident()", path=str(folder)
        )
    parts: dict[str, list[tuple[int, bytes]]] = {}
    for path in sorted(folder.rglob("*.log*")):
        named = re.fullmatch(r"(.+?\.log)(?:\.(\d+))?(\.gz)?", path.relative_to(folder).as_posix())
        if named and path.is_file():
            data = gzip.decompress(path.read_bytes()) if named[3] else path.read_bytes()
            parts.setdefault(named[1], []).append((-int(named[2] or 0), data))
    contents = {name: b"".join(data for _, data in sorted(found)) for name, found in parts.items()}
    if not any(contents.values()):
        raise PathError(f"expected logs in {str(folder)!r}, found none; try demo.write_incident()", path=str(folder))
    return {name: content for name, content in contents.items() if content}


def _rule_of(path: Path, content: bytes) -> _Rule:
    for line in content[:16384].splitlines():
        for rule in _RULES:
            if rule.pattern.match(line):
                return rule
    raise PathError(
        f"expected a log in one of the demo's formats, found {str(path)!r} in another; "
        "try a folder filled by demo.write_incident()",
        path=str(path),
    )


def _records(name: str, content: bytes, rule: _Rule, near: datetime) -> list[Timed]:
    """The records of one file; a clock that jumps back does not change their order."""
    records: list[Timed] = []
    for line in content.splitlines(keepends=True):
        at = rule.time_of(line, near)
        if records and at is None:
            last = records[-1]
            records[-1] = Timed(last.at, name, last.text + line)
        else:
            at = at or near
            records.append(Timed(max(at, records[-1].at) if records else at, name, line))
    return records


def shifted(record: Timed, by: timedelta) -> Timed:
    """The record, and the time it writes, moved by `by` (whole seconds)."""
    for rule in _RULES:
        found, own = rule.pattern.match(record.text), rule.time_of(record.text, record.at)
        if found and own:
            written = rule.write(own + by).encode()
            text = record.text[: found.start(1)] + written + record.text[found.end(1) :]
            return Timed(record.at + by, record.file, text)
    return Timed(record.at + by, record.file, record.text)
