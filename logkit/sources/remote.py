"""Objects of other machines (`s3://`, `gs://`, `sftp://`, `https://`, `memory://` …), listed and fetched in ranges.

The only module that knows fsspec, which is loaded on first use. Where a filesystem gives objects a version (an ETag, a
generation), that version is part of who an object is: another one at the same URL is another file, and every range is
checked after it was fetched to be of the version that was opened. Where it gives none (SFTP, memory) objects may grow
like files, and are known again by their content.

Every request is tried again with growing pauses. Credentials and endpoints are fsspec's own configuration.
"""

from __future__ import annotations

import errno
import hashlib
import re
import stat
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeVar

from logkit.errors import LogkitError, PathError

T = TypeVar("T")

WINDOW_BYTES: Final = 1 << 20
"""The least that is fetched of an object with a version: a small one comes in one piece, and stays at hand."""

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PASSWORD: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^/@:]*):[^/@]*@")
_PAUSES: Final = (0.1, 0.2, 0.4)  # seconds before a request is made again
_FINAL: Final = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_VERSIONS: Final = ("ETag", "etag", "generation", "Content-MD5", "md5Hash")
_TIMES: Final = ("LastModified", "last_modified", "mtime", "modified", "updated", "Last-Modified", "created")


class ContentChanged(LogkitError):
    """What is read no longer begins or goes on as it did: the file was truncated, or is another one."""


class Status(NamedTuple):
    """What `os.fstat` tells of a file, of an object."""

    st_mode: int
    st_dev: int
    st_ino: int
    st_size: int
    st_mtime: float


def is_remote(path: str) -> bool:
    """Whether it is a URL and not a path of this machine."""
    return _URL.match(path) is not None


class RemoteFile:
    """An object, open to be read by position. Any thread may read; each request stands for itself.

    Raises OSError, and `ContentChanged` once it has another version than when it was opened.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._info = _info(url)
        self._version = version_of(self._info)
        self._window = (0, b"")  # swapped as one reference

    def stat(self) -> Status:
        """What it is; the size it has now where it may grow."""
        if self._version is None:
            self._info = _info(self.url)
        return status_of(self.url, self._info)

    def pread(self, size: int, at: int) -> bytes:
        """Bytes from `at` on, fewer only at its end."""
        start, data = self._window
        if start <= at and at + size <= start + len(data):
            return data[at - start : at - start + size]
        if self._version is None and at + size > self._size:
            self._info = _info(self.url)
        stop = min(at + size, self._size)
        if at >= stop:
            return b""
        if self._version is None or size >= WINDOW_BYTES:
            return self._fetch(at, stop)
        data = self._fetch(at, min(at + WINDOW_BYTES, self._size))
        self._window = at, data
        return data[:size]

    def intact(self, size: int, head: bytes) -> bool:
        """Whether it still is at least so long and begins so."""
        if self._version is not None:
            return True  # every range that was fetched has been checked
        return self.stat().st_size >= size and self.pread(len(head), 0) == head

    @property
    def _size(self) -> int:
        return int(self._info["size"] or 0)

    def _fetch(self, start: int, stop: int) -> bytes:
        fs, path = _filesystem(self.url)
        data: bytes = _tried(lambda: fs.cat_file(path, start=start, end=stop))
        if self._version is not None and version_of(_info(self.url)) != self._version:
            raise ContentChanged(f"expected {self.url!r} as it was opened, found another version; it is read anew")
        if len(data) > stop - start:
            data = data[start:stop]  # a server without ranges sends all of it
        if len(data) < stop - start and self._version is not None:
            raise OSError(errno.EIO, f"expected {stop - start} bytes, found {len(data)}", self.url)
        return data


def look(url: str) -> tuple[str, int, int, int, float] | str | None:
    """Path, device, inode, size and time of one object now; a reason where it is not to be read, None where it is
    gone."""
    try:
        info = _info(url)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"cannot be looked at: {error}"
    if info.get("type") != "file":
        return f"not a file but a {info.get('type')}"
    return _found(url, info)


def listing(url: str) -> list[tuple[str, int, int, int, float]]:
    """As `look`, all objects below a URL, or that it matches where it is a glob, sorted. Raises OSError."""
    fs, path = _filesystem(url)
    is_glob = "*" in path or "[" in path
    if not (is_glob or url.endswith("/")) and (info := _info(url)).get("type") == "file":
        return [_found(url, info)]  # over HTTP, listing a log would look for links in it
    fs.invalidate_cache()
    found = _tried(lambda: fs.glob(path, detail=True) if is_glob else fs.find(path, detail=True))
    objects = ((_url(fs, url, name), info) for name, info in found.items() if info.get("type") == "file")
    told = ((one, info if info.get("size") is not None else _info(one)) for one, info in objects)
    return sorted(_found(one, info) for one, info in told)


def check(url: str) -> None:
    """Raises `PathError` where nothing can be found at a URL, or where it has a password, which paths must not show."""
    if (found := _PASSWORD.match(url)) is not None:
        hidden, scheme = f"{found[1]}:***@{url[found.end() :]}", url.partition("://")[0]
        raise PathError(
            f"expected a URL without a password, found one in {hidden!r}: paths stand in the ledger, in stores and in "
            f"reports; try fsspec's configuration, as fsspec.config.conf[{scheme!r}] = {{'password': …}}",
            path=hidden,
        )
    try:
        fs, path = _filesystem(url)
        fs.invalidate_cache()
        there = bool(listing(url)) if "*" in path or "[" in path else _tried(lambda: fs.exists(path))
    except OSError as error:
        raise PathError(f"expected to look at {url!r}, found {error}; try again, or check access", path=url) from error
    if not there:
        raise PathError(f"expected an object, a folder or a glob, found nothing at {url!r}", path=url)


def version_of(info: Mapping[str, Any]) -> str | None:
    """What changes with an object's content, as its filesystem tells it."""
    return next((str(info[name]) for name in _VERSIONS if info.get(name)), None)


def status_of(url: str, info: Mapping[str, Any]) -> Status:
    """An object as a file: its device is the filesystem, its inode the URL and the version."""
    scheme = url.partition("://")[0]
    inode = _number(f"{url}\n{version_of(info) or ''}")
    kind = stat.S_IFREG if info.get("type") == "file" else stat.S_IFDIR
    return Status(kind, _number(scheme), inode, int(info.get("size") or 0), _modified(info))


def _found(url: str, info: Mapping[str, Any]) -> tuple[str, int, int, int, float]:
    status = status_of(url, info)
    return url, status.st_dev, status.st_ino, status.st_size, status.st_mtime


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1


def _modified(info: Mapping[str, Any]) -> float:
    """Seconds since 1970; 0 where it is not told."""
    found = next((info[name] for name in _TIMES if info.get(name)), 0.0)
    if isinstance(found, str):
        try:
            found = datetime.fromisoformat(found)
        except ValueError:
            return 0.0
    if isinstance(found, datetime):
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return float(found)


def _url(fs: Any, root: str, name: str) -> str:
    """The URL of what was found below a root; a filesystem of one host names it without the host."""
    if "host" not in fs.storage_options:
        return str(fs.unstrip_protocol(name))
    scheme, _, rest = root.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/{name.lstrip('/')}"


def _info(url: str) -> dict[str, Any]:
    fs, path = _filesystem(url)

    def ask() -> dict[str, Any]:
        fs.invalidate_cache()
        found: dict[str, Any] = fs.info(path)
        return found

    return _tried(ask)


def _filesystem(url: str) -> tuple[Any, str]:
    """The filesystem of a URL, one per thread and kept by fsspec, and the path in it. Raises `PathError`."""
    try:
        import fsspec

        fs, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise PathError(
            f"expected a URL that fsspec can open, found {url!r}: {error}; try pip install 'logkit[remote]', "
            "and what fsspec names for this protocol",
            path=url,
        ) from error
    return fs, path


def _tried(ask: Callable[[], T]) -> T:
    """What is asked for, asked for again after a failure; whatever a backend raises comes as OSError in the end."""
    for pause in _PAUSES:
        try:
            return ask()
        except _FINAL:
            raise
        except Exception:
            time.sleep(pause)
    try:
        return ask()
    except OSError:
        raise
    except Exception as error:
        raise OSError(errno.EIO, f"{type(error).__name__}: {error}") from error
