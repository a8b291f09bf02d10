"""Level words, numbers and statuses become one order of severities."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logkit.formats.block import Block, Text
from logkit.formats.levels import (
    LETTERS,
    POSTGRES,
    WORDS,
    LevelWords,
    levels_from_numbers,
    levels_from_otel,
    levels_from_status,
    levels_from_syslog,
    read_levels,
)
from logkit.schema import LEVEL


def texts(values: list[bytes], between: bytes = b"|") -> Text:
    stops = np.cumsum([len(value) + len(between) for value in values]) - len(between)
    starts = stops - np.array([len(value) for value in values])
    return Text(Block.of(between.join(values)), starts.astype(np.int64), stops.astype(np.int64))


def levels(*words: str, kind: LevelWords = "words") -> list[str | None]:
    return read_levels(texts([word.encode() for word in words]), kind).to_list()


ALL = [(word, level) for level, names in WORDS.items() for word in names.split()]


@pytest.mark.parametrize(("word", "level"), ALL)
def test_every_word_reads_in_any_case(word: str, level: str) -> None:
    assert levels(word, word.upper(), word.title(), word[:1] + word[1:].upper()) == [level] * 4


@pytest.mark.parametrize("word", ["", "x", "infos", "inf0", "warn ", "informationalx", "emergencyy", "error-handler-9"])
def test_other_words_are_null(word: str) -> None:
    assert levels(word) == [None]


def test_a_word_is_judged_by_its_own_bytes_and_not_by_those_behind_it() -> None:
    assert read_levels(texts([b"INFO", b"INFO", b"ERR"], between=b"R")).to_list() == ["INFO", "INFO", "ERROR"]


def test_single_letters_are_levels_only_where_asked_for() -> None:
    letters = [(letter, level) for level, names in LETTERS.items() for letter in names.split()]
    assert levels(*(letter for letter, _ in letters)) == [None] * len(letters)
    assert levels(*(letter.upper() for letter, _ in letters), kind="letters") == [level for _, level in letters]
    assert levels("warning", kind="letters") == ["WARN"]


def test_pino_numbers_are_levels_only_where_asked_for() -> None:
    assert levels("30", "60") == [None, None]
    numbers = ["10", "20", "30", "40", "50", "60", "70", "5", "error"]
    assert levels(*numbers, kind="numbers") == ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", None, None, "ERROR"]


def test_postgresql_words_are_levels_only_where_asked_for() -> None:
    words = " ".join(POSTGRES.values()).split()
    assert levels(*words) == [None] * len(words)
    assert levels(*words, kind="postgres") == ["INFO"] * len(words)
    assert levels("LOG", "DEBUG1", "DEBUG5", "PANIC", kind="postgres") == ["INFO", "DEBUG", "DEBUG", "FATAL"]


def test_syslog_severities_and_priorities_read_alike() -> None:
    expected = ["FATAL", "FATAL", "FATAL", "ERROR", "WARN", "INFO", "INFO", "DEBUG"]
    assert levels_from_syslog(pl.Series(range(8))).to_list() == expected
    assert levels_from_syslog(pl.Series([str(20 * 8 + severity) for severity in range(8)])).to_list() == expected
    assert levels_from_syslog(pl.Series(["-1", "192", "x", None])).to_list() == [None] * 4


def test_http_statuses_read_as_access_logs_mean_them() -> None:
    statuses = pl.Series(["200", "304", "399", "400", "499", "500", "599", "-", None])
    assert levels_from_status(statuses).to_list() == ["INFO"] * 3 + ["WARN"] * 2 + ["ERROR"] * 2 + [None] * 2


def test_numbers_between_two_levels_read_as_the_lower_one() -> None:
    assert (
        levels_from_numbers(pl.Series([9, 10, 35, 69, 70, None])).to_list()
        == [None, "TRACE", "INFO", "FATAL"] + [None] * 2
    )


def test_opentelemetry_numbers_read_in_fours() -> None:
    numbers = pl.Series([0, 1, 4, 5, 9, 13, 17, 21, 24, 25])
    levels = [None, "TRACE", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "FATAL", None]
    assert levels_from_otel(numbers).to_list() == levels


def test_no_record_is_an_empty_series_of_levels() -> None:
    series = read_levels(Text(Block.of(b""), np.zeros(0, np.int64), np.zeros(0, np.int64)))
    assert series.dtype == LEVEL
    assert len(series) == 0


@settings(deadline=None)
@given(st.lists(st.one_of(st.sampled_from([word.encode() for word, _ in ALL]), st.binary(max_size=20))))
def test_levels_are_those_of_a_plain_lookup_whatever_the_bytes(values: list[bytes]) -> None:
    known = {word.encode(): level for word, level in ALL}
    plain = [known.get(value.lower()) for value in values]
    fast = read_levels(texts(values)).to_list()
    # Lower-casing by one bit may let a control byte pass for a digit: only DEBUG1 to DEBUG5 have digits.
    assert [a for a, v in zip(fast, values, strict=True) if v[:5].lower() != b"debug"] == [
        b for b, v in zip(plain, values, strict=True) if v[:5].lower() != b"debug"
    ]
