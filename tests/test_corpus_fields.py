"""Real logs of many programs, read by detection alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from logkit.formats import is_binary
from tests.bench.fields import FIELDS, read, scores

LEAST = {"timestamp": 98.0, "level": 95.0, "service": 92.0, "message": 92.0}
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
