"""The catalogue: every sample of every entry, and what goes for all of them."""

from __future__ import annotations

import pickle
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from logkit.errors import FormatError
from logkit.formats import Format, Parsed, TimeRules, catalog, detect, named
from logkit.formats.base import Counting, Facts
from logkit.formats.block import Block, records_of, split_lines
from logkit.formats.catalog import Entry, entries
from logkit.formats.manyline import ManyLine
from logkit.formats.template import Template
from logkit.schema import STATS_FIELDS
from logkit.stats import Stats

RULES = TimeRules(reference_us=1_772_452_800_000_000)  # 2026-03-02T12:00:00Z
SAMPLES = [(entry, sample) for entry in entries() for sample in entry.samples]
JSON = {entry.name for entry in entries() if entry.json}
IDS = [f"{entry.name}-{number}" for entry in entries() for number in range(len(entry.samples))]


def parse(format: Format, text: str, *, stats_only: bool = False) -> Parsed:
    if format.name in JSON:
        format = detect(text.encode())  # what it reads is told by a file's head
    block = Block.of(text.encode())
    lines = split_lines(block)
    starts = format.starts(lines)
    starts[:1] = True
    return format.parse(records_of(lines, starts), RULES, stats_only=stats_only)


@pytest.mark.parametrize(("entry", "sample"), SAMPLES, ids=IDS)
def test_every_sample_gives_its_fields(entry: Entry, sample: dict[str, Any]) -> None:
    parsed = parse(entry.format, sample["line"])
    assert parsed.ok.tolist() == [True]
    row = parsed.frame.row(0, named=True)
    expected = {name: value for name, value in sample.items() if name not in ("line", "timestamp", "timestamp_noyear")}
    assert {name: row.get(name) for name in expected} == expected
    if "timestamp" in sample:
        assert row["timestamp"] == datetime.fromisoformat(sample["timestamp"])
    if "timestamp_noyear" in sample:
        assert row["timestamp"].strftime("%m-%dT%H:%M:%S.%f").startswith(sample["timestamp_noyear"])


@pytest.mark.parametrize(("entry", "sample"), SAMPLES, ids=IDS)
def test_every_sample_starts_a_record_and_is_detected_alone(entry: Entry, sample: dict[str, Any]) -> None:
    line = sample["line"]
    assert entry.format.starts(split_lines(Block.of(line.encode()))).tolist() == [True] + [False] * line.count("\n")
    assert detect(line.encode() + b"\n" * ("\n" in line)).name.split(" > ")[0] == entry.name


@pytest.mark.parametrize(("entry", "sample"), SAMPLES, ids=IDS)
def test_statistics_alone_are_the_same_columns(entry: Entry, sample: dict[str, Any]) -> None:
    light = parse(entry.format, sample["line"], stats_only=True).frame
    assert set(light.columns) <= set(STATS_FIELDS)
    assert light.equals(parse(entry.format, sample["line"]).frame.select(light.columns))


@pytest.mark.parametrize("entry", entries(), ids=[entry.name for entry in entries()])
def test_every_format_travels_to_other_processes(entry: Entry) -> None:
    assert isinstance(entry.format, Format)
    assert pickle.loads(pickle.dumps(entry.format)) == entry.format
    assert hash(entry.format) == hash(pickle.loads(pickle.dumps(entry.format)))


@pytest.mark.parametrize("entry", [entry for entry in entries() if not entry.json], ids=lambda entry: entry.name)
def test_no_format_reads_what_is_not_its_own(entry: Entry) -> None:
    parsed = parse(entry.format, "plain words that no program logs\n")
    assert parsed.ok.tolist() == [False]
    assert parsed.reason


@pytest.mark.parametrize(
    "entry", [entry for entry in entries() if entry.format.multiline], ids=lambda entry: entry.name
)
def test_a_stack_trace_belongs_to_the_record_before_it(entry: Entry) -> None:
    sample = entry.samples[0]
    parsed = parse(
        entry.format, f"{sample['line']}\nTraceback (most recent call last):\n  File 'x'\n{sample['line']}\n"
    )
    assert parsed.ok.tolist() == [True, True]
    if not isinstance(entry.format, ManyLine):  # which may take its message from a part of the record
        assert parsed.frame["message"][0].endswith("\nTraceback (most recent call last):\n  File 'x'")


def test_names_are_unique_and_plain_is_the_last() -> None:
    names = [format.name for format in catalog()]
    assert len(set(names)) == len(names)
    assert names[-1] == "plain"


def test_a_format_is_found_by_its_name() -> None:
    assert named("nginx-error") in catalog()
    with pytest.raises(FormatError, match=r"'nginx-err'.*try one of.*nginx-error"):
        named("nginx-err")


def test_a_malformed_request_line_still_reads() -> None:
    line = '10.0.0.9 - - [01/Mar/2026:12:00:00 +0000] "quit" 400 0 "-" "-"'
    row = parse(named("access-combined"), line).frame.row(0, named=True)
    assert (row["message"], row["status"], row["method"], row["path"]) == ("quit", 400, None, None)


@pytest.mark.parametrize(
    ("extra", "duration_ms", "trace_id"),
    [
        ("rt=0.25 trace_id=4bf92f35", 250.0, "4bf92f35"),
        ("request_time=1.5", 1500.0, None),
        ('"trace-7" duration=12ms traceid="ab-12"', 12.0, "ab-12"),
        ("took_ms=3.5", 3.5, None),
        ("0.040 0.039 .", 40.0, None),
        ("4711", None, None),
        ("nothing to see", None, None),
    ],
)
def test_timings_behind_an_access_line_are_read(extra: str, duration_ms: float | None, trace_id: str | None) -> None:
    line = f'10.0.0.9 - - [01/Mar/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl" {extra}'
    row = parse(named("access-timed"), line).frame.row(0, named=True)
    assert (row["duration_ms"], row["trace_id"]) == (duration_ms, trace_id)


def test_every_record_of_many_is_read_by_itself() -> None:
    lines = [sample["line"] for entry in entries() if entry.name == "logcat" for sample in entry.samples] * 40
    assert np.all(parse(named("logcat"), "\n".join(lines)).ok)


COUNTING = [
    (entry, sample) for entry, sample in SAMPLES if isinstance(getattr(entry.format, "inner", entry.format), Template)
]


@pytest.mark.parametrize(("entry", "sample"), COUNTING, ids=lambda what: getattr(what, "name", ""))
def test_facts_are_what_the_frame_says(entry: Entry, sample: dict[str, Any]) -> None:
    assert isinstance(entry.format, Counting)
    lines = split_lines(Block.of(f"{sample['line']}\nno such line\n{sample['line']}\n".encode()))
    starts = entry.format.starts(lines)
    starts[:1] = True
    records = records_of(lines, starts)
    facts = entry.format.facts(records, RULES)
    if facts is None:  # what stands behind the usual fields takes a frame
        assert "extra" in entry.format.fields
        return
    parsed = entry.format.parse(records, RULES)
    assert (facts.ok == parsed.ok).all()
    rows = np.flatnonzero(facts.ok)
    named = np.where(facts.service < 0, len(facts.services), facts.service)[rows]
    facts = Facts(facts.us[rows], facts.level[rows], [*facts.services, ""], named, _at(facts, rows), facts.ok[rows], "")
    assert Stats.of_facts(facts) == Stats.of(parsed.frame[rows])


def _at(facts: Facts, rows: np.ndarray) -> np.ndarray | None:
    return None if facts.duration_ms is None else facts.duration_ms[rows]
