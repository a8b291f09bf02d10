"""Which of the files that are there now are the ones known already, and where those went that are missing.

The watcher's own book of names and inodes: no lock, one thread. A file is its device and inode, wherever it is called;
whether an inode still is the same file is told by its content, which a worker looks at.
"""

from __future__ import annotations

import itertools
import os
import re
from collections import OrderedDict
from collections.abc import Iterable

from logkit.engine.known import Key
from logkit.engine.progress import Progress
from logkit.sources import Found
from logkit.sources.discovery import look
from logkit.sources.service import service_of_path

File = tuple[int, int]

_MAX_DEPARTED = 10_000
_MAX_CANDIDATES = 1000
_ROTATION = re.compile(
    r"(?:[._-]\d{1,5}|[._-]?\d{4}[-_.]?\d{2}[-_.]?\d{2}(?:[-_.T]?\d{2}(?:[-_.:]?\d{2}){0,2})?|\.(?:gz|bz2|xz|zst|old|bak))+$"
)


class Census:
    """Files by device and inode, sources by path and by what their names have in common."""

    def __init__(self) -> None:
        self.known: dict[File, Key] = {}
        self.by_path: dict[str, Key] = {}
        self.missing: dict[File, float] = {}  # known, but not found by scans: followed since
        self._last: dict[str, Found] = {}
        self._departed: OrderedDict[File, Key] = OrderedDict()
        self._stems: dict[str, dict[Key, int]] = {}  # sources by what their names have in common: since which look
        self._stem_of: dict[Key, str] = {}
        self._looks = 0  # at folders: scans, and those at what is beside a file

    def news(self, found: Iterable[Found]) -> tuple[list[Found], list[File]]:
        """Of the files of a scan those that are new or changed, and the known ones that are not among them."""
        self.look_anew()
        last, changed, present = self._last, [], set[File]()
        current: dict[str, Found] = {}
        for one in found:
            present.add((one.device, one.inode))
            current[one.path] = one
            if self.missing.pop((one.device, one.inode), None) is not None or last.get(one.path) != one:
                changed.append(one)
        self._last = current
        return changed, [file for file in self.known if file not in present]

    def look_anew(self) -> None:
        """From here on files are found by a later look, so that they may be copies of what is known."""
        self._looks += 1

    def enter(self, key: Key, found: Found, *, was_there: bool = False) -> None:
        """A source is at this file now. Files that appear later may be copies of it.

        `was_there`: the file is no new one, only what it holds, so that also a file of this look may be.
        """
        self.known[found.device, found.inode] = key
        self.by_path[found.path] = key
        self._departed.pop((found.device, found.inode), None)
        if key not in self._stem_of:
            self._stem_of[key] = service_of_path(found.path)
            self._stems.setdefault(self._stem_of[key], {})[key] = self._looks - was_there

    def remove(self, key: Key) -> None:
        """This is no source of its own."""
        del self._stems[self._stem_of.pop(key)][key]

    def rename(self, key: Key, path: str, *, unknown: bool) -> None:
        """Nothing is known of a source but its name, and that is another now, be it by an inode that was used again.

        So it is as if it had appeared now, at least where nobody can know (`unknown`) that it is the same file.
        """
        if unknown or self._stem_of[key] != service_of_path(path):
            self.remove(key)

    def depart(self, file: File) -> None:
        """A known file is given up; should it come back, it is recognised."""
        self.missing.pop(file, None)
        self._departed[file] = self.known.pop(file)
        if len(self._departed) > _MAX_DEPARTED:
            self._departed.popitem(last=False)

    def replace(self, file: File) -> None:
        """This inode holds other content now: what was known of it is of the past."""
        self.known.pop(file, None)
        self.missing.pop(file, None)
        self._departed.pop(file, None)

    def returned(self, found: Found) -> Key | None:
        """The source that was given up with this inode, if any."""
        return self._departed.get((found.device, found.inode))

    def originals(self, key: Key) -> list[Key]:
        """Sources with a related name that were known before this one appeared, the newest first."""
        related = self._stems[self._stem_of[key]]
        if next(iter(related.values())) == related[key]:
            return []  # all of them came with one look, be they thousands
        earlier = (one for one, since in reversed(related.items()) if since < related[key])
        return list(itertools.islice(earlier, _MAX_CANDIDATES))


def rotated_from(path: str) -> str:
    """A file's name without what rotation puts behind it: `app.log.2.gz` was `app.log`."""
    name = os.path.basename(path)
    return _ROTATION.sub("", name) or name


def unrotated(path: str) -> str:
    """The path of a rotated file before it was rotated, where that only renamed it."""
    return os.path.join(os.path.dirname(path), rotated_from(path))


def beside(path: str, other: str) -> bool:
    """Whether one of two files lies in the other's folder or below it, where rotation may put it."""
    one, two = os.path.dirname(path) + os.sep, os.path.dirname(other) + os.sep
    return one.startswith(two) or two.startswith(one)


def whereabouts(progress: Progress, known: Iterable[File]) -> tuple[Found | None, list[Found]]:
    """Where a missing file went inside its folder, by its inode; and files beside it that came after it by the same
    rotation without ever having been seen: with names that continue its own, written after it was."""
    folder, name = os.path.split(progress.first_path or progress.path)
    name, taken, place, siblings = rotated_from(name), set(known), None, []
    try:
        with os.scandir(folder or ".") as listing:
            entries = [(entry.name, entry.inode(), entry.path) for entry in listing]
    except OSError:
        return None, []
    for entry_name, inode, path in entries:
        related = entry_name != name and rotated_from(entry_name) == name
        if not related and (progress.file is None or inode != progress.file[1]):
            continue
        found = look(path)
        if not isinstance(found, Found):
            continue
        if (found.device, found.inode) == progress.file:
            place = found
        elif related and (found.device, found.inode) not in taken and found.modified >= progress.verified:
            siblings.append(found)
    return place, siblings
