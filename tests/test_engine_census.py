"""The watcher's book of files: what a scan tells it, and what it remembers of files that are missing."""

from __future__ import annotations

from logkit.engine.census import Census, rotated_from
from logkit.sources import Found

LOG = Found("/logs/app.log", 1, 2, 100, 5.0)


def test_a_file_that_came_back_is_news_once_and_missing_no_longer() -> None:
    census = Census()
    assert census.news([LOG]) == ([LOG], [])
    census.enter((0, 0), LOG)
    assert census.news([]) == ([], [(1, 2)])
    census.missing[1, 2] = 7.0
    assert census.news([LOG]) == ([LOG], [])
    assert census.missing == {}  # else, missing again, it would count as quiet since the first time
    assert census.news([LOG]) == ([], [])


def test_originals_are_those_known_before_the_newest_first_whatever_they_are_called_by_now() -> None:
    census = Census()
    for number in range(3):
        census.news([])
        census.enter((number, 0), Found(f"/logs/app.log.{number}", 1, number, 1, 1.0))
    census.enter((0, 0), Found("/logs/other.log", 1, 0, 1, 1.0))
    assert census.originals((2, 0)) == [(1, 0), (0, 0)]
    assert census.originals((0, 0)) == []
    census.remove((0, 0))
    assert census.originals((2, 0)) == [(1, 0)]


def test_names_lose_what_rotation_puts_behind_them_and_nothing_else() -> None:
    names = ("app.log", "app.log.1", "app.log.12.gz", "app.log-20260301", "app.log-2026-03-01.xz", "app.log.old")
    assert {rotated_from(f"/logs/{name}") for name in names} == {"app.log"}
    assert [rotated_from(name) for name in ("pod-1.log", "pod-2.log", ".1")] == ["pod-1.log", "pod-2.log", ".1"]
