"""The yardstick: a threaded log analyser as a textbook writes it.

Four threads take paths from a queue; each loops over the lines of its file, matches a compiled regular expression,
makes a dict of the line, and counts it under one lock. It is asked for no more than logkit's table of levels says
(events per service and level): times are matched but not parsed, and no line is kept. Both favour it.
"""

from __future__ import annotations

import json
import queue
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

Record = dict[str, str]
Counts = dict[str, dict[str, int]]

_LOGBACK = re.compile(
    r"(?P<timestamp>\S+ \S+) +(?P<level>[A-Z]+) +\[(?P<service>[^\]]*)\] \[(?P<thread>[^\]]*)\] "
    r"(?P<logger>\S+) - (?P<message>.*)"
)
_ACCESS = re.compile(
    r'(?P<client>\S+) \S+ \S+ \[(?P<timestamp>[^\]]+)\] "(?P<method>\S+) (?P<path>\S+) [^"]*" '
    r'(?P<status>\d{3}) (?P<bytes>\S+) "(?P<referrer>[^"]*)" "(?P<agent>[^"]*)"'
)


def parse_logback(line: str) -> Record | None:
    match = _LOGBACK.match(line)
    return match.groupdict() if match else None


def parse_access(line: str) -> Record | None:
    match = _ACCESS.match(line)
    if match is None:
        return None
    record = match.groupdict()
    status = int(record["status"])
    record["level"] = "ERROR" if status >= 500 else "WARN" if status >= 400 else "INFO"
    record["service"] = "access"
    return record


def parse_json(line: str) -> Record | None:
    try:
        record: Record = json.loads(line)
    except ValueError:
        return None
    return record


PARSERS: dict[str, Callable[[str], Record | None]] = {
    "logback": parse_logback,
    "access": parse_access,
    "json": parse_json,
}


class Analyser:
    """Counts events per service and level in some files, with some threads."""

    def __init__(self, paths: Iterable[Path], parse: Callable[[str], Record | None], threads: int = 4) -> None:
        self.parse = parse
        self.queue: queue.Queue[Path] = queue.Queue()
        for path in paths:
            self.queue.put(path)
        self.lock = threading.Lock()  # guards: counts, unread
        self.counts: Counts = {}
        self.unread = 0
        self.threads = [threading.Thread(target=self.work, name=f"analyser-{n}", daemon=True) for n in range(threads)]

    def run(self) -> Counts:
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()
        return self.counts

    def work(self) -> None:
        while True:
            try:
                path = self.queue.get_nowait()
            except queue.Empty:
                return
            with path.open(encoding="utf-8", errors="replace") as file:
                for line in file:
                    self.count(self.parse(line))
            self.queue.task_done()

    def count(self, record: Record | None) -> None:
        with self.lock:
            if record is None:
                self.unread += 1
                return
            levels = self.counts.setdefault(record["service"], {})
            levels[record["level"]] = levels.get(record["level"], 0) + 1
