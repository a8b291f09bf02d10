"""`python -m logkit PATH…`: the per-service table in a terminal.

Ends with 0; with 1 when a file could not be read to its end; with 2 and one line on standard error when asked
something that cannot work. Ctrl-C is how `--follow` ends, and ends it with 0; a reading it cuts short ends with 130.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

import logkit
from logkit.errors import LogkitError
from logkit.views.style import count, number, plain, share

if TYPE_CHECKING:
    from logkit.snapshot import Snapshot

FOLLOW_SECONDS: Final = 2.0
"""How often `--follow` looks for something new to print."""

EXIT_FILES, EXIT_USAGE, EXIT_INTERRUPT, EXIT_PIPE = 1, 2, 128 + 2, 128 + 13

_MAX_PROBLEMS: Final = 10  # files that could not be read, told one by one
_READ: Final = ("waiting", "reading", "idle", "done")
_HOME: Final = "\x1b[H\x1b[J"  # cursor to the top left, clear from there
_HEAD: Final = ("service", "events", "errors", "error %", "per second", "p95 ms", "first seen", "last seen (UTC)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code. `argv` is without the program's name."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal may know less than a log writes
    try:
        wanted = _parser().parse_args(argv)
        code = follow(wanted) if wanted.follow else once(wanted)
        sys.stdout.flush()
        return code
    except (LogkitError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # `| head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_PIPE
        _complain(str(error))
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPT


def once(wanted: argparse.Namespace) -> int:
    """Read the paths to their end and print what is in them."""
    snap = logkit.read(wanted.paths, keep_events=0, service=wanted.service, timezone=wanted.timezone)
    _show(snap, sys.stdout, as_json=wanted.json)
    return EXIT_FILES if _problems(snap) else 0


def follow(wanted: argparse.Namespace) -> int:
    """Watch the paths and print again whenever something has changed, until Ctrl-C."""
    clear = _HOME if sys.stdout.isatty() and not wanted.json else ""
    try:
        with logkit.watch(wanted.paths, keep_events=0, service=wanted.service, timezone=wanted.timezone) as monitor:
            monitor.wait_idle(timeout_seconds=FOLLOW_SECONDS)
            for snap in changes(monitor, FOLLOW_SECONDS):
                sys.stdout.write(clear)
                _show(snap, sys.stdout, as_json=wanted.json)
                if not clear and not wanted.json:
                    sys.stdout.write("\n")
                sys.stdout.flush()
    except KeyboardInterrupt:
        return 0
    return EXIT_FILES


def changes(monitor: logkit.Monitor, seconds: float) -> Iterator[Snapshot]:
    """A snapshot now, and one after each pause in which something was read; ends when the monitor does."""
    seen = None
    while True:
        snap = monitor.snapshot()
        if snap.version != seen:
            yield snap
        if snap.state != "running":
            return
        seen = snap.version
        time.sleep(seconds)


def _show(snap: Snapshot, out: TextIO, *, as_json: bool) -> None:
    if as_json:
        print(to_json(snap), file=out)
        return
    for line in lines(snap):
        print(line, file=out)
    for problem in _problems(snap)[:_MAX_PROBLEMS]:
        _complain(problem)


def lines(snap: Snapshot) -> Iterator[str]:
    """What a terminal shows: the services as an aligned table, then levels, files and rejects. Printable text only."""
    services = snap.tables("services")
    yield from _aligned([_HEAD, *(_row(row) for row in services.iter_rows(named=True))])
    levels = snap.tables("levels").drop("service").sum().row(0, named=True) if services.height else {}
    yield ""
    yield "levels   " + (", ".join(f"{plain(name)} {total:,}" for name, total in levels.items() if total) or "none")
    files = snap.tables("files")
    states = files.group_by("state").len().sort("state").iter_rows()
    size = f"{int(files['offset_bytes'].sum()) / 1e6:,.1f} MB read"
    yield f"files    {count(files.height, 'file')}, {size}" + "".join(f", {many} {state}" for state, many in states)
    rejects = int(services["rejects"].sum())
    yield f"rejects  {count(rejects, 'record')} their file's format could not read" if rejects else "rejects  none"


def to_json(snap: Snapshot) -> str:
    """One JSON document on one line, in ASCII; times in ISO 8601 (UTC), null for what is not known."""
    document = {
        "taken_at": snap.taken_at,
        "state": snap.state,
        "events": len(snap),
        "services": snap.tables("services").to_dicts(),
        "levels": snap.tables("levels").to_dicts(),
        "files": snap.tables("files").to_dicts(),
    }
    # The one control character that JSON leaves as it is.
    return json.dumps(_known(document), allow_nan=False).replace("\x7f", "\\u007f")


def _known(value: Any) -> Any:
    """The value as JSON can say it."""
    if isinstance(value, dict):
        return {name: _known(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_known(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return None if isinstance(value, float) and value != value else value


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        plain(row["service"]),
        f"{row['events']:,}",
        f"{row['errors']:,}",
        share(row["error_rate"]),
        number(_known(row["per_second"])),
        number(_known(row["p95_ms"])),
        _moment(row["first_seen"]),
        _moment(row["last_seen"]),
    )


def _moment(value: datetime | None) -> str:
    return "" if value is None else f"{value:%Y-%m-%d %H:%M:%S}"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns side by side: the first to the left, the others to the right."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        pads = [" " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join([row[0] + pads[0], *(pad + cell for pad, cell in zip(pads[1:], row[1:], strict=True))]).rstrip()


def _width(text: str) -> int:
    """Columns a text takes in a terminal."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _problems(snap: Snapshot) -> list[str]:
    """Files that were to be read and could not be, each with its reason."""
    files = snap.tables("files")
    bad = files.filter(~files["state"].is_in([*_READ, "skipped"]))
    return [f"{row['path']}: {row['state']}: {row['error']}" for row in bad.iter_rows(named=True)]


def _complain(message: str) -> None:
    print(f"logkit: {plain(message, 500)}", file=sys.stderr)


class _Usage(LogkitError):
    """Arguments that are none."""


class _Parser(argparse.ArgumentParser):
    """Leaves complaining to `main`."""

    def error(self, message: str) -> NoReturn:
        raise _Usage(f"{message}; try --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m logkit", description="Read logs and print one line per service.")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, a folder (recursive) or a glob")
    parser.add_argument("--follow", action="store_true", help="keep watching and print again, until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="print JSON; with --follow one document per line")
    parser.add_argument(
        "--service", metavar="REGEX", help="take the service from the path: the first group, or the match"
    )
    parser.add_argument("--timezone", default="UTC", metavar="NAME", help="where times without a zone were written")
    return parser


if __name__ == "__main__":
    sys.exit(main())
