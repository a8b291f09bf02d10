"""Real logs of many programs, read by detection alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import logkit
from logkit.formats import is_binary
from tests.bench.fields import FIELDS, read, scores

LEAST = {"timestamp": 98.0, "level": 97.0, "service": 92.0, "message": 92.0}
"""Per cent of the stated fields that must be right."""


@pytest.mark.parametrize("field", FIELDS)
def test_most_stated_fields_are_read_right(corpus: Path, field: str) -> None:
    table = scores(corpus / "cases.jsonl")
    right = sum(score.right[field] for score in table.values())
    stated = sum(score.stated[field] for score in table.values())
    assert 100 * right / stated >= LEAST[field]


def test_every_file_is_read_to_its_last_record(corpus: Path) -> None:
    for path in sorted((corpus / "lines").iterdir()):
        raw = path.read_bytes()[:200_000]
        if not raw or is_binary(raw):
            continue
        format, frame = read(raw, path.name)
        offsets = frame["offset"].to_list()
        assert offsets[0] == 0, (path.name, format)
        assert offsets == sorted(set(offsets)), (path.name, format)
        assert frame["message"].null_count() == 0, (path.name, format)


def test_nothing_in_the_corpus_is_taken_for_binary(corpus: Path) -> None:
    found = {path.name: is_binary(path.read_bytes()) for path in sorted((corpus / "lines").iterdir())}
    assert {name: reason for name, reason in found.items() if reason} == {}


def test_lines_that_belong_together_are_one_record(corpus: Path, tmp_path: Path) -> None:
    for number, line in enumerate((corpus / "multiline.jsonl").read_text(encoding="utf-8").splitlines()):
        case = json.loads(line)
        path = tmp_path / f"{number}.log"
        path.write_text("".join(text if text.endswith("\n") else f"{text}\n" for text in case["input"]))
        expected = [record.rstrip("\n") for record in case["records"]]
        for small in ({}, {"block_bytes": 500, "span_bytes": 1000}):
            snap = logkit.read(path, progress=False, **small)
            assert snap.events["message"].str.rstrip("\n").tolist() == expected, (case["name"], small)
            assert snap.audit()["balanced"].all()
