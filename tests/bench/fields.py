"""How much of real logs is read right: `python -m tests.bench.fields` prints a table per format of the corpus.

Every format of `cases.jsonl` becomes one file, read by automatic detection alone. A message counts as right
where the stated one is the end of ours; times without a zone are UTC, times without a year are compared by
month, day and time.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from logkit.formats import Plain, detect
from logkit.formats.base import Format, TimeRules
from logkit.formats.block import Block, Text, records_of, split_lines
from logkit.formats.levels import read_levels

CORPUS = next(
    (found for above in Path(__file__).resolve().parents if (found := above / "shared" / "corpus").is_dir()),
    Path("shared/corpus"),
)
"""Where the corpus is: beside this checkout, or beside a folder it is in."""
FIELDS = ("timestamp", "level", "service", "message")
GOALS = {"timestamp": 98.0, "level": 97.0, "service": 92.0, "message": 92.0}
REFERENCE_US = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z

_OTHER_LEVELS = {
    "*": "INFO", "#": "WARN", "In": "INFO", "Wa": "WARN", "Db": "DEBUG", "Er": "ERROR",
    # SSSD's debug levels, as sssd.conf(5) names them
    "0x0010": "FATAL", "0x0020": "FATAL", "0x0040": "ERROR", "0x0100": "INFO", "0x0400": "DEBUG",
}  # fmt: skip


@dataclass(slots=True)
class Score:
    """Right and stated fields of one format's cases, and the format detection chose."""

    format: str
    right: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIELDS, 0))
    stated: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIELDS, 0))
    wrong: list[tuple[str, str, Any, Any]] = field(default_factory=list)


def read(raw: bytes, filename: str = "") -> tuple[Format, pl.DataFrame]:
    """Events of a whole file: its format's columns, `plain`'s where that refuses a record, and `offset`."""
    chosen = detect(raw, filename)
    block = Block.of(raw.decode("utf-8", "replace").encode())
    lines = split_lines(block)
    starts = getattr(chosen, "edges", chosen.starts)(lines)
    starts[0] = True
    records = records_of(lines, starts)
    rules = TimeRules(reference_us=REFERENCE_US)
    parsed = chosen.parse(records, rules)
    rest = np.flatnonzero(~parsed.ok)
    offset = pl.Series("offset", records.start)
    frame = parsed.frame.with_columns(offset).filter(parsed.ok)
    plain = Plain().parse(records.take(rest), rules).frame.with_columns(offset.gather(rest))
    return chosen, pl.concat([frame, plain], how="diagonal_relaxed").sort("offset")


def scores(cases: Path) -> dict[str, Score]:
    """One score for each format of the cases."""
    grouped: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in cases.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        grouped[case["format"]].append(case)
    return {name: _score(group) for name, group in grouped.items()}


def _score(cases: list[dict[str, Any]]) -> Score:
    pieces = [case["line"].encode("utf-8", "replace") + b"\n" for case in cases]
    chosen, frame = read(b"".join(pieces))
    rows = {row["offset"]: row for row in frame.iter_rows(named=True)}
    score = Score(chosen.name)
    at = 0
    for case, piece in zip(cases, pieces, strict=True):
        row = rows.get(at, dict.fromkeys(FIELDS))
        at += len(piece)
        for name, stated, ours, right in _compare(case["expected"], row):
            score.stated[name] += 1
            score.right[name] += right
            if not right:
                score.wrong.append((name, case["line"], stated, ours))
    return score


def _compare(expected: dict[str, str], row: dict[str, Any]) -> Iterator[tuple[str, Any, Any, bool]]:
    ours = row["timestamp"]
    if "timestamp" in expected:
        stated = _instant(expected["timestamp"])
        yield "timestamp", stated, ours, ours == stated
    elif "timestamp_noyear" in expected:
        stated = _instant(f"2024-{expected['timestamp_noyear']}")
        yield "timestamp", stated, ours, ours is not None and ours.replace(year=2024) == stated
    if word := expected.get("level") or expected.get("level_text"):
        level = _level(word)
        yield "level", word, row["level"], row["level"] is not None and row["level"] == level
    if "service" in expected:
        yield "service", expected["service"], row["service"], row["service"] == expected["service"]
    if "message" in expected:
        message = row["message"] or ""
        yield "message", expected["message"], message, message.rstrip().endswith(expected["message"].strip())


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _level(word: str) -> str | None:
    word = word.partition("(")[0]
    if word in _OTHER_LEVELS:
        return _OTHER_LEVELS[word]
    raw = word.encode()
    text = Text(Block.of(raw), np.array([0]), np.array([len(raw)]))
    level: str | None = read_levels(text, "letters")[0]
    return level


def main() -> None:
    """Print the table; `--wrong` lists every field read wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, default=CORPUS / "cases.jsonl")
    parser.add_argument("--wrong", action="store_true", help="list the fields that were read wrong")
    options = parser.parse_args()
    table = scores(options.cases)
    print(f"{'format':26} {'read as':18}" + "".join(f"{name:>14}" for name in FIELDS))
    for name, score in table.items():
        cells = (f"{score.right[key]}/{score.stated[key]}" if score.stated[key] else "" for key in FIELDS)
        print(f"{name:26} {score.format:18}" + "".join(f"{cell:>14}" for cell in cells))
    print(f"{'right, of those stated':45}", end="")
    for key in FIELDS:
        right, stated = (sum(getattr(score, part)[key] for score in table.values()) for part in ("right", "stated"))
        print(f"{100 * right / max(stated, 1):13.1f}%", end="")
    print(f"\n{'goal':45}" + "".join(f"{GOALS[key]:13.1f}%" for key in FIELDS))
    for score in table.values() if options.wrong else ():
        for name, line, stated, ours in score.wrong:
            print(f"\n{name} ({score.format}): {line!r}\n   stated {stated!r}\n   read   {ours!r}")


if __name__ == "__main__":
    main()
