"""Which files there are: folders (recursive), globs, files, URLs and lists of them; what is passed over, and why."""

from __future__ import annotations

import fnmatch
import glob
import operator
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from logkit.errors import PathError
from logkit.sources import remote
from logkit.sources.remote import is_remote

PathLike = str | os.PathLike[str]

_NEVER = frozenset({".git", "__pycache__", "node_modules", ".ipynb_checkpoints"})


class Found(NamedTuple):
    """A file at one scan: where, which (device, inode), how large, changed when (seconds since 1970)."""

    path: str
    device: int
    inode: int
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class Skipped:
    """A path that was seen and not taken, with the reason."""

    path: str
    reason: str


@dataclass(slots=True)
class Scan:
    """What one look at the roots saw. A file reachable by several names is taken once, by the first."""

    found: list[Found] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Roots:
    """What the user pointed at, made absolute: existing files and folders, folders yet to be made, globs and URLs."""

    paths: tuple[str, ...]
    _listed: dict[str, list[Found]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, paths: PathLike | Iterable[PathLike], *, missing_ok: bool = False) -> Roots:
        """Resolve a path, a glob or a list of them; `~` is the home folder.

        Raises `PathError` with the nearest folder that does exist, unless `missing_ok`.
        """
        given = _listed(paths)
        if not given:
            raise PathError("expected a path, a glob or a list of them, found an empty list", path="")
        resolved = []
        for one in given:
            if is_remote(os.fspath(one)):
                if not missing_ok:
                    remote.check(os.fspath(one))
                resolved.append(os.fspath(one))
                continue
            text = os.path.abspath(os.path.expanduser(os.fspath(one)))
            there = os.path.exists(text) or (os.path.lexists(text) and not os.path.islink(text))
            if not there and not glob.has_magic(text) and not missing_ok:
                raise _missing(str(one), text)
            if glob.has_magic(text) and not os.path.lexists(text) and not missing_ok:
                _check_glob(str(one), text)
            resolved.append(text)  # a link stays one: it may point elsewhere tomorrow
        return cls(tuple(dict.fromkeys(resolved)))

    @property
    def key(self) -> tuple[str, ...]:
        """What they are by now, links followed: equal for roots that lead to the same files."""
        return tuple(sorted({path if is_remote(path) else os.path.realpath(path) for path in self.paths}))

    def covers(self, path: str) -> bool:
        """Whether a file called so would be among those that are looked at."""
        return any(
            path.startswith(os.path.join(root, ""))
            if os.path.isdir(root) or (is_remote(root) and not glob.has_magic(root))
            else fnmatch.fnmatchcase(path, root)
            for root in (*self.paths, *self.key)
        )

    def folders(self) -> tuple[list[str], bool]:
        """The existing folders in which something can change, for change notification; and whether also below them.

        A path yet to be made is waited for in the nearest folder above it, and never in all that is below that.
        """
        local = [path for path in self.paths if not is_remote(path)]
        deep = [path for path in local if os.path.isdir(path)]
        deep += [str(_nearest(path)) for path in local if "**" in path and not os.path.lexists(path)]
        chosen = deep or [str(_nearest(path)) for path in local]
        return list(dict.fromkeys(chosen)), bool(deep)

    def scan(self) -> Scan:
        """Look at everything now. Never raises for what it meets: it is skipped with a reason."""
        scan, seen = Scan(), set[tuple[int, int]]()
        for path in self.paths:
            if is_remote(path):
                self._list(path, scan, seen)
            elif glob.has_magic(path) and not os.path.lexists(path):
                for name in sorted(glob.iglob(path, recursive=True)):
                    if not os.path.isdir(name):
                        _take(look(name), name, scan, seen)
            elif os.path.isdir(path):
                for entry in _walk(path, scan):
                    _take(_seen(entry), entry.path, scan, seen)
            elif os.path.lexists(path):
                _take(look(path), path, scan, seen)
            else:
                scan.missing.append(path)
        return scan

    def _list(self, url: str, scan: Scan, seen: set[tuple[int, int]]) -> None:
        """What a URL holds; where it cannot be listed now, what it held the last time: it is not gone for that."""
        try:
            self._listed[url] = [Found(*one) for one in remote.listing(url)]
        except OSError as error:
            scan.skipped.append(Skipped(url, f"cannot be listed: {error}"))
        for found in self._listed.get(url, ()):
            reason = _passed_over(found.path.removeprefix(url).split("/"))
            _take(reason or found, found.path, scan, seen)


def look(path: str) -> Found | str | None:
    """One file now; a reason where it is not to be read, None where it is gone."""
    if is_remote(path):
        found = remote.look(path)
        return Found(*found) if isinstance(found, tuple) else found
    try:
        return _judged(path, os.stat(path))
    except OSError as error:
        return _unseen(path, error)


def _listed(paths: object) -> list[PathLike]:
    given = [paths] if isinstance(paths, (str, os.PathLike)) else paths
    if not isinstance(given, Iterable) or isinstance(given, bytes):
        raise PathError(f"expected a path, a glob or a list of them, found {paths!r}", path=repr(paths))
    listed = list(given)
    wrong = [one for one in listed if not isinstance(one, (str, os.PathLike)) or not os.fspath(one)]
    if wrong:
        raise PathError(f"expected a path, a glob or a list of them, found {wrong[0]!r}", path=repr(wrong[0]))
    return listed


def _seen(entry: os.DirEntry[str]) -> Found | str | None:
    """As `look`, of an entry of a listing."""
    try:
        return _judged(entry.path, entry.stat())
    except OSError as error:
        return _unseen(entry.path, error)


def _judged(path: str, status: os.stat_result) -> Found | str:
    if not stat.S_ISREG(status.st_mode):
        return f"not a file but a {_kind(status.st_mode)}"
    return Found(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime)


def _unseen(path: str, error: OSError) -> str | None:
    if isinstance(error, FileNotFoundError):
        return "a link to nothing" if os.path.islink(path) else None
    return f"cannot be looked at: {error.strerror}"


def _take(found: Found | str | None, path: str, scan: Scan, seen: set[tuple[int, int]]) -> None:
    if isinstance(found, str):
        scan.skipped.append(Skipped(path, found))
    elif found is not None:
        if (found.device, found.inode) in seen:
            scan.skipped.append(Skipped(path, "another name of a file already taken"))
            return
        seen.add((found.device, found.inode))
        scan.found.append(found)


def _walk(root: str, scan: Scan) -> Iterator[os.DirEntry[str]]:
    """The files below a folder, sorted; links to folders are followed, once each."""
    visited = set[tuple[int, int]]()
    todo = [root]
    while todo:
        folder = todo.pop()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in visited:
                continue  # a link back to a folder above, or a second way to it
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=_name)
        except OSError as error:
            scan.skipped.append(Skipped(folder, f"folder cannot be listed: {error.strerror}"))
            continue
        below = []
        for entry in entries:
            if reason := _passed_over([entry.name]):
                scan.skipped.append(Skipped(entry.path, reason))
            elif _is_folder(entry):
                below.append(entry.path)
            else:
                yield entry
        todo.extend(reversed(below))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads back to itself: what is wrong with it is told when it is looked at


def _passed_over(names: Iterable[str]) -> str | None:
    """Why nothing with such names on its way is looked at; None where it is."""
    for name in names:
        if name.startswith("."):
            return "hidden"
        if name in _NEVER:
            return "no place for logs"
    return None


_name = operator.attrgetter("name")


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}
    return kinds.get(stat.S_IFMT(mode), "folder" if stat.S_ISDIR(mode) else "special file")


def _nearest(path: str) -> Path:
    """The path itself if it is a folder, else the closest folder above it that exists."""
    here = Path(path)
    while not os.path.isdir(here):  # unlike Path.is_dir(), no error for a name that is too long
        here = here.parent
    return here


def _missing(given: str, path: str) -> PathError:
    nearest = _nearest(path)
    names = sorted(entry.name for entry in nearest.iterdir() if not entry.name.startswith("."))[:5]
    holds = f"it holds {', '.join(repr(name) for name in names)}" if names else "it is empty"
    return PathError(
        f"expected a file, a folder or a glob, found nothing at {given!r}; the nearest folder that exists is "
        f"{str(nearest)!r} ({holds}); try one of those, or watch(..., missing_ok=True) for a folder yet to be made",
        path=given,
        nearest=nearest,
    )


def _check_glob(given: str, path: str) -> None:
    if next(glob.iglob(path, recursive=True), None) is None:
        fixed = path[: next(i for i, char in enumerate(path) if char in "*?[")]
        nearest = _nearest(fixed)
        raise PathError(
            f"expected files that match {given!r}, found none; the nearest folder that exists is {str(nearest)!r}; "
            f"try logkit.read({str(nearest)!r}) for everything below it",
            path=given,
            nearest=nearest,
        )
