"""Which keys of a structured log mean what, judged by their names and by the values in its head."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from logkit.formats import names
from logkit.formats.levels import LETTERS, WORDS
from logkit.schema import NUMBERS

Path = tuple[str, ...]
"""The keys that lead to a value, outermost first."""

Sample = Mapping[Path, object]
"""One record of the head: its scalar values by path."""

Kind = Literal["time", "instant", "moment", "level", "duration", "integer", "text", "line"]
"""How a field's text is read; an `instant` is written as seconds and nanoseconds, a `moment` as a date and a clock,
under a key each; a `line` ends with its newline."""

HEAD_RECORDS: Final = 200
"""How many records of a file's head are looked at."""

_SHARE: Final = 0.7  # of a key's values that must look like what its name promises
_FALLBACKS: Final = 3  # keys that one role may be read from
_DATE: Final = re.compile(
    r"(19|20)\d\d[-/.]?[01]\d[-/.]?[0-3]\d[T _]?|\d{1,2}[ /-][A-Z][a-z]{2}|[A-Z][a-z]{2} +\d{1,2} "
)
_DATE_TIME: Final = re.compile(r"(19|20)\d\d[-/]?[01]\d[-/]?[0-3]\d[T ][0-2]\d:?[0-5]\d")
_CLOCK: Final = re.compile(r"[0-2]?\d:[0-5]\d:[0-5]\d")
_NUMBER: Final = re.compile(r"-?\d{1,19}(\.\d{1,19})?")
_INTEGER: Final = re.compile(r"-?\d{1,18}")
_QUALIFIED: Final = re.compile(r"[.:/]")  # the name of a class or module is not a service's
_DURATION: Final = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?( ?(ns|us|µs|μs|ms|s|sec|m|h)([\d.]+(ns|us|µs|μs|ms|s|m))*)?")
_WORDS: Final = frozenset(" ".join(WORDS.values()).split())
_LETTERS: Final = frozenset(" ".join(LETTERS.values()).split())


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a structured format.

    `paths` are where it is looked for, the first that has a value wins; `key` is the top-level key the
    column accounts for wholly (it is then left out of `attributes`), else None. `detail` is the
    scale of a level, the unit of a duration in milliseconds, or "number" for times that are numbers.
    """

    column: str
    paths: tuple[Path, ...]
    kind: Kind = "text"
    key: str | None = None
    detail: str = ""

    @property
    def timed(self) -> bool:
        """Whether it is read as a time."""
        return self.kind == "time" or self.joined

    @property
    def joined(self) -> bool:
        """Whether its text is put together from the values of two keys."""
        return self.kind in ("instant", "moment")

    @property
    def converted(self) -> bool:
        """Whether the column holds something else than the text that was written."""
        return self.kind not in ("text", "line")


def choose_fields(samples: Sequence[Sample], *, max_fields: int) -> tuple[Field, ...]:
    """The fields of a format from the records of its head: roles first, then at most `max_fields` further keys."""
    values: dict[Path, list[object]] = {}
    for sample in samples:
        for path, value in sample.items():
            values.setdefault(path, []).append(value)
    texts = {path: [as_text(value) for value in found if value is not None] for path, found in values.items()}
    texts = {path: found for path, found in texts.items() if found}
    chosen = [*_roles(texts, len(samples))]
    taken = {field.key for field in chosen}
    used = {field.column for field in chosen}
    spare = [path for path in texts if len(path) == 1 and path[0] not in taken]
    spare.sort(key=lambda path: -len(texts[path]))
    for path in spare:
        if max_fields <= 0:
            break
        name = names.column_name(path[0])
        if name is None or name in used:
            continue
        number = name in NUMBERS
        if number and sum(_INTEGER.fullmatch(text) is not None for text in texts[path]) < _SHARE * len(texts[path]):
            name, number = f"{name}_text", False
        used.add(name)
        max_fields -= 1
        chosen.append(Field(name, (path,), "integer" if number else "text", path[0]))
    return tuple(chosen)


def as_text(value: object) -> str:
    """A scalar of the head as a log would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def looks_like_time(text: str) -> bool:
    """Whether a text may be a time: an epoch of our age in any unit, or something with a date or a clock."""
    if _NUMBER.fullmatch(text):
        return 1e8 <= abs(float(text)) < 1e11 or 1e11 <= float(text) < 9.2e18
    return len(text) <= 64 and (_DATE.search(text) is not None or _CLOCK.search(text) is not None)


def level_scale(key: str, texts: Iterable[str]) -> str | None:
    """What a key's values are, if levels: words, letters, numbers, five, syslog, otel, python or monolog.

    `numbers` are 10 to 60 as in bunyan and pino, `python` 10 to 50, `five` 0 for DEBUG to 4 for FATAL.
    """
    words: Counter[str] = Counter(texts)
    count = words.total()
    if not count:
        return None
    found = {word.lower() for word in words}
    if _share(words, lambda word: word.lower() in _WORDS) >= _SHARE:
        return "words"
    if _share(words, lambda word: word.lower() in _LETTERS) >= _SHARE:
        return "letters"
    if not all(re.fullmatch(r"\d{1,3}", word) for word in found):
        return None
    numbers = {int(word) for word in found}
    plain = names.plain_name(key)
    if "severitynumber" in plain:
        return "otel"
    if max(numbers) <= 7:
        # Somewhere in a head with syslog's numbers stands a notice, an info or a debug.
        return "syslog" if max(numbers) > 4 or plain == "priority" else "five"
    if min(numbers) >= 100 and max(numbers) <= 600:
        return "monolog"
    if min(numbers) < 10 or max(numbers) >= 70:
        return None
    return "python" if plain == "levelno" else "numbers"


def _share(words: Counter[str], test: Callable[[str], bool]) -> float:
    return sum(count for word, count in words.items() if test(word)) / words.total()


def _roles(texts: Mapping[Path, list[str]], size: int) -> Iterable[Field]:
    """The common columns, then the other names we know."""
    for role, test in _TESTS.items():
        ranked = _ranked(texts, role)
        paths = [path for path in ranked if test(texts[path])]
        if not paths and role == "timestamp":
            paths = _times_by_value(texts)
        if not paths and role == "service":
            paths = [path for path in _ranked(texts, "logger") if not any(map(_QUALIFIED.search, texts[path]))][:1]
            if paths:
                yield Field("service", tuple(paths))
            continue
        if paths:
            yield _role_field(role, _covering(paths, texts, size), texts)
    yield from _durations(texts)


def _role_field(role: str, paths: tuple[Path, ...], texts: Mapping[Path, list[str]]) -> Field:
    first = paths[0]
    key = first[0] if len(first) == 1 else None
    if role == "level":
        scale = level_scale(first[-1], texts[first]) or "words"
        same = tuple(path for path in paths if level_scale(path[-1], texts[path]) == scale)
        return Field(role, same, "level", key, scale)
    if role == "timestamp":
        nanos = (*first[:-1], "nanoOfSecond")
        if first[-1] == "epochSecond" and nanos in texts:
            return Field(role, (first, nanos), "instant", None, "number")
        date = _other(texts, first, "date")
        if date is not None and all(map(_CLOCK.match, texts[first])) and all(map(_DATE.fullmatch, texts[date])):
            return Field(role, (date, first), "moment")
        return Field(role, paths, "time", key, "number" if _NUMBER.fullmatch(texts[first][0]) else "")
    return Field(role, paths, "line" if first == ("log",) else "text", key)


def _other(texts: Mapping[Path, list[str]], path: Path, name: str) -> Path | None:
    """The path of the key beside another one that is called so."""
    return next((one for one in texts if one[:-1] == path[:-1] and names.plain_name(one[-1]) == name), None)


def _ranked(texts: Mapping[Path, list[str]], role: str) -> list[Path]:
    """The paths whose name is one of the role's, best first; a whole path before a wrapped key."""
    aliases = names.ALIASES[role]
    found: list[tuple[int, int, Path]] = []
    for path in texts:
        whole = names.plain_name(".".join(path))
        if whole in aliases:
            found.append((aliases.index(whole), len(path), path))
        elif len(path) == 2 and names.plain_name(path[0]) in names.WRAPPERS:
            inner = names.plain_name(path[1])
            if inner in aliases:
                found.append((100 + aliases.index(inner), 2, path))
    return [path for _, _, path in sorted(found, key=lambda entry: entry[:2])]


def _covering(paths: list[Path], texts: Mapping[Path, list[str]], size: int) -> tuple[Path, ...]:
    """The first path, and further ones only while records of the head are left without a value."""
    chosen: list[Path] = []
    covered = 0
    for path in paths[:_FALLBACKS]:
        if covered >= size:
            break
        chosen.append(path)
        covered += len(texts[path])
    return tuple(chosen)


def _times_by_value(texts: Mapping[Path, list[str]]) -> list[Path]:
    """Keys nobody told us about: those that sound like a time before those that only look like one."""
    named = [path for path in texts if names.sounds_like_time(path[-1]) and _all_times(texts[path])]
    if named:
        return named[:1]
    return [path for path, found in texts.items() if all(_DATE_TIME.match(text) for text in found)][:1]


def _durations(texts: Mapping[Path, list[str]]) -> Iterable[Field]:
    for path, found in texts.items():
        known, unit = names.duration_unit(names.plain_name(".".join(path)))
        if not known or sum(_DURATION.fullmatch(text) is not None for text in found) < _SHARE * len(found):
            continue
        if unit is None:
            # Seconds are written with a fraction (zap, Caddy, nginx), milliseconds mostly without.
            fractions = sum("." in text for text in found) > len(found) / 2
            unit = 1e3 if fractions and names.plain_name(path[-1]) != "responsetime" else 1.0
        yield Field("duration_ms", (path,), "duration", path[0] if len(path) == 1 else None, repr(unit))
        return


def _all_times(found: list[str]) -> bool:
    return sum(looks_like_time(text) for text in found) >= _SHARE * len(found)


def _is_name(found: list[str]) -> bool:
    return sum(len(text) <= 200 for text in found) >= _SHARE * len(found)


_TESTS: Final[dict[str, Callable[[list[str]], bool]]] = {
    "timestamp": _all_times,
    "level": lambda found: level_scale("", found) is not None,
    "message": lambda found: True,
    "service": _is_name,
    "trace_id": _is_name,
    "span_id": _is_name,
    "logger": _is_name,
    "host": _is_name,
    "thread": _is_name,
}
"""What a role's values must look like."""
