"""Write a simulated hour to a folder, and say the truth about it."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from logkit.demo.lines import FILES, ROTATED
from logkit.demo.services import Record
from logkit.demo.stories import STORIES
from logkit.demo.traffic import simulate
from logkit.errors import PathError, SettingError

MANIFEST: Final = ".incident.json"
"""The truth, and a digest of each file written; hidden, so that it is no log."""

DEFAULT_SEED: Final = 7
DEFAULT_START: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

_ROTATE_AFTER: Final = 0.35  # of the hour: before any story begins
_MANY_BYTES: Final = 16 * 1024  # malformed lines stay behind the head by which formats are detected


@dataclass(frozen=True, slots=True)
class Incident:
    """The truth about an incident: what a post-mortem of its logs should find.

    `service` is where it began and `cause` a phrase in that service's error records between `start` and `end`
    (UTC, whole seconds, from the first sign of trouble to the last). `services` are all that reported errors
    of it, in the order of their first such error, the origin first. `events` counts the well-formed records written
    per service; the `malformed` lines come on top.
    """

    folder: Path
    seed: int
    service: str
    cause: str
    start: datetime
    end: datetime
    services: tuple[str, ...]
    events: Mapping[str, int] = field(hash=False)
    malformed: int

    def __repr__(self) -> str:
        when = f"{self.start:%Y-%m-%d %H:%M:%S} to {self.end:%H:%M:%S} UTC"
        spread = " → ".join(self.services)
        counts = (
            f"{sum(self.events.values()):,} events of {len(self.events)} services, {self.malformed} malformed lines"
        )
        return f"<Incident seed={self.seed} {self.cause!r} in {spread}, {when}; {counts}, in {str(self.folder)!r}>"


def write_incident(
    folder: str | os.PathLike[str],
    seed: int = DEFAULT_SEED,
    start: datetime = DEFAULT_START,
    minutes: int = 60,
    *,
    requests_per_second: float = 1.35,
) -> Incident:
    """Write the logs of six services through an incident into `folder`, and return the truth about it.

    The same arguments give the same bytes. `start` needs a time zone; `minutes` is 10 to 1440. Modification times
    are set to the end of what a file says, so that times without a year are read in the right one. A folder that
    holds an incident is written anew; one that holds anything else raises `PathError` and is left as it was.

        incident = write_incident("sample_logs")
        incident.service, incident.cause
    """
    _check(start, minutes, requests_per_second)
    root = Path(folder)
    _refuse_strangers(root)
    start = start.astimezone(UTC)
    rng = random.Random(f"{seed}/story")
    story = STORIES[rng.randrange(len(STORIES))]
    records = simulate(story, random.Random(f"{seed}/traffic"), start, minutes * 60, requests_per_second)
    spoil = _Spoiler(random.Random(f"{seed}/malformed"))
    files = _files(records, spoil, start, minutes)
    incident = _truth(root, seed, story.service, story.cause, records, spoil.malformed)
    _write(root, files, incident)
    return incident


def read_truth(folder: str | os.PathLike[str]) -> Incident:
    """The truth about the incident in `folder`, as `write_incident` returned it; `PathError` if there is none."""
    root = Path(folder)
    try:
        told: dict[str, Any] = (_manifest(root) or {})["incident"]
        times = {name: datetime.fromisoformat(told[name]) for name in ("start", "end")}
        return Incident(**{**told, **times, "folder": root, "services": tuple(told["services"])})
    except (KeyError, TypeError, ValueError) as error:
        raise _no_incident(root) from error


def restore_times(folder: str | os.PathLike[str]) -> None:
    """Set the files' modification times as they were written: a checkout or a copy gives them its own.

    Times without a year (syslog) are read in the year nearest to the modification time.
    """
    root = Path(folder)
    truth = _manifest(root)
    if truth is None:
        raise _no_incident(root)
    for name, facts in truth["files"].items():
        if name in _NAMES:
            os.utime(root / name, (facts["modified"], facts["modified"]))


def _no_incident(root: Path) -> PathError:
    return PathError(
        f"expected an incident in {str(root)!r}, found no readable {MANIFEST}; try demo.write_incident() first",
        path=str(root),
    )


_NAMES: Final = frozenset({*FILES.values(), ROTATED})
_FOLDERS: Final = frozenset({"orders", "auth"})


def _check(start: datetime, minutes: int, requests_per_second: float) -> None:
    if start.tzinfo is None:
        raise SettingError(
            f"expected start with a time zone, found {start}; try start.replace(tzinfo=UTC)",
            setting="start",
            value=start,
        )
    if not 10 <= minutes <= 1440:
        raise SettingError(
            f"expected minutes from 10 to 1440, found {minutes}; try 60", setting="minutes", value=minutes
        )
    if not 0.2 <= requests_per_second <= 20:
        raise SettingError(
            f"expected requests_per_second from 0.2 to 20, found {requests_per_second}; try 1.35",
            setting="requests_per_second",
            value=requests_per_second,
        )


def _truth(root: Path, seed: int, service: str, cause: str, records: list[Record], malformed: int) -> Incident:
    """What the records themselves show of the story."""
    faults = [record for record in records if record.fault]
    errors = [record.service for record in faults if record.level in ("ERROR", "FATAL")]
    others = [name for name in dict.fromkeys(errors) if name != service]
    whole = timedelta(microseconds=faults[-1].at.microsecond)
    return Incident(
        folder=root,
        seed=seed,
        service=service,
        cause=cause,
        start=faults[0].at.replace(microsecond=0),
        end=faults[-1].at - whole + timedelta(seconds=1),
        services=(service, *others),
        events=dict(sorted(Counter(record.service for record in records).items())),
        malformed=malformed,
    )


class _Spoiler:
    """Puts malformed lines between the records of a file, and counts them."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.malformed = 0

    def bytes_of(self, records: list[Record]) -> bytes:
        """A file's content: one record after another, and a few lines that a crash or a bad disk left."""
        service = records[0].service
        texts = [record.text.encode() for record in records]
        size, head = 0, 0
        while head < len(texts) and size < _MANY_BYTES:
            size, head = size + len(texts[head]), head + 1
        count = {"payments": 4, "gateway": 3, "database": 0}.get(service, 1)
        for _ in range(count if head + 1 < len(texts) else 0):
            at = self.rng.randrange(head + 1, len(texts) + 1)
            texts.insert(at, self._malformed(service, texts[at - 1]))
            self.malformed += 1
        return b"\n".join(texts) + b"\n"

    def _malformed(self, service: str, text: bytes) -> bytes:
        first = text.split(b"\n", 1)[0]
        if service == "catalog":
            return b"\xff\xfe\x81 " + bytes(self.rng.randrange(0x21, 0x7F) for _ in range(24))
        if service == "orders":
            return first[-self.rng.randrange(20, 40) :]
        if service == "auth":
            return first[: self.rng.randrange(8, 14)]
        return first[: self.rng.randrange(45, len(first) * 2 // 3)]


def _files(records: list[Record], spoil: _Spoiler, start: datetime, minutes: int) -> dict[str, tuple[bytes, int]]:
    """Content and modification time (seconds since 1970) of each file."""
    rotation = start + timedelta(minutes=minutes * _ROTATE_AFTER)
    end = int((start + timedelta(minutes=minutes)).timestamp())
    files: dict[str, tuple[bytes, int]] = {}
    for service, name in FILES.items():
        own = [record for record in records if record.service == service]
        if service == "orders":
            early = "\n".join(record.text for record in own if record.at < rotation) + "\n"
            rotated = int(rotation.timestamp())
            files[ROTATED] = gzip.compress(early.encode(), mtime=rotated), rotated
            own = [record for record in own if record.at >= rotation]
        files[name] = spoil.bytes_of(own), end
    return files


def _write(root: Path, files: dict[str, tuple[bytes, int]], incident: Incident) -> None:
    told = {name: getattr(incident, name) for name in Incident.__slots__ if name != "folder"}
    told |= {"start": incident.start.isoformat(), "end": incident.end.isoformat()}
    digests = {}
    for name, (content, modified) in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (modified, modified))
        digests[name] = {"sha256": hashlib.sha256(content).hexdigest(), "modified": modified}
    text = json.dumps({"incident": told, "files": digests}, indent=1) + "\n"
    (root / MANIFEST).write_text(text, encoding="utf-8", newline="\n")


def _manifest(root: Path) -> dict[str, Any] | None:
    """What was written to `root`; None where nothing was, or where the manifest is not one of ours."""
    try:
        found = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("files"), dict) else None


def _refuse_strangers(root: Path) -> None:
    """Raise `PathError` where writing would touch, or mix with, anything that is not an incident's."""
    if root.exists() and not root.is_dir():
        raise PathError(f"expected a folder, found the file {str(root)!r}; try another path", path=str(root))
    stranger = _stranger(root, root, (_manifest(root) or {"files": {}})["files"]) if root.exists() else None
    if stranger:
        raise PathError(
            f"expected an empty folder or an incident as it was written, found {str(stranger)!r}; "
            "try a new folder, or delete this one yourself",
            path=str(stranger),
            nearest=root,
        )


def _stranger(folder: Path, root: Path, files: dict[str, Any]) -> Path | None:
    """The first entry that is not an incident's own, unchanged; folders it does not have are not entered."""
    for path in folder.iterdir():
        name = path.relative_to(root).as_posix()
        if path.is_symlink() or not (path.is_dir() if name in _FOLDERS else _is_ours(path, name, files)):
            return path
        if name in _FOLDERS and (deeper := _stranger(path, root, files)):
            return deeper
    return None


def _is_ours(path: Path, name: str, files: dict[str, Any]) -> bool:
    if name == MANIFEST:
        return True
    if name not in _NAMES or name not in files or not path.is_file():
        return False
    digest: object = files[name]["sha256"]
    return hashlib.sha256(path.read_bytes()).hexdigest() == digest
