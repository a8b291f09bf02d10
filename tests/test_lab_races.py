"""Races, orders of steps and deadlocks of the lab: the same in every run, whatever the machine does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from math import factorial, prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logkit import lab
from logkit.errors import LabError, SettingError
from logkit.lab.racing import Increment, NoLock, Shared
from logkit.lab.stage import Stage, StagedLock

LOCKS: dict[str, Callable[[], object]] = {"Lock": threading.Lock, "RLock": threading.RLock}

pytestmark = pytest.mark.usefixtures("nobody_stays")


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_without_a_lock_updates_are_lost_in_100_of_100_runs(threads: int) -> None:
    found = [lab.race(threads=threads, rounds=3) for _ in range(100)]
    assert {race.found for race in found} == {3}
    assert {race.lost for race in found} == {3 * (threads - 1)}
    assert all(len(race.overwritten()) == race.lost for race in found)


@pytest.mark.parametrize("kind", LOCKS)
@pytest.mark.parametrize("threads", [2, 3, 8])
def test_with_a_lock_updates_are_lost_in_0_of_100_runs(threads: int, kind: str) -> None:
    found = [lab.race(LOCKS[kind](), threads=threads, rounds=3) for _ in range(100)]  # type: ignore[arg-type]
    assert {race.lost for race in found} == {0}
    assert {race.guard for race in found} == {kind}
    assert all(race.overwritten() == [] for race in found)


def twice_locked(shared: Shared, lock: StagedLock | NoLock) -> None:
    with lock:
        found = shared.value
    with lock:
        shared.value = found + 1


def nested(shared: Shared, lock: StagedLock | NoLock) -> None:
    with lock, lock:
        shared.value += 1


def never_released(shared: Shared, lock: StagedLock | NoLock) -> None:
    lock.acquire()
    shared.value += 1


def locked_too_late(shared: Shared, lock: StagedLock | NoLock) -> None:
    found = shared.value
    with lock:
        shared.value = found + 1


@pytest.mark.parametrize("increment", [twice_locked, locked_too_late])
def test_a_lock_held_too_short_loses_updates_in_every_run(increment: Increment) -> None:
    assert {lab.race(threading.Lock(), threads=3, increment=increment).lost for _ in range(30)} == {6}


def test_a_lock_taken_twice_is_a_deadlock_and_an_rlock_is_none() -> None:
    (wait,) = lab.race(threading.Lock(), increment=nested).deadlock
    assert wait.thread == wait.owner
    assert lab.race(threading.RLock(), increment=nested).lost == 0


def test_a_lock_that_is_never_given_back_is_found_when_its_thread_is_gone() -> None:
    race = lab.race(threading.Lock(), increment=never_released, rounds=1)
    assert [wait.owner != wait.thread for wait in race.deadlock] == [True]
    assert "found a deadlock" in repr(race)


def test_an_error_of_the_increment_is_raised_and_no_thread_stays() -> None:
    def wrong(shared: Shared, lock: StagedLock | NoLock) -> None:
        raise ZeroDivisionError(shared.value)

    with pytest.raises(ZeroDivisionError):
        lab.race(increment=wrong)


def test_a_lock_the_stage_does_not_know_is_said_to_be_the_reason() -> None:
    stage, mine = Stage(deadline_seconds=0.2), threading.Lock()

    def part() -> None:
        with mine:
            stage.meet()

    with pytest.raises(LabError, match="try the lock that was handed in") as caught:
        stage.run(part, part)
    assert len(caught.value.threads) == 1


def test_a_race_tells_its_steps_in_text_and_in_a_frame() -> None:
    race = lab.race(threads=2, rounds=1)
    assert "2 threads, 1 updates each, no lock: expected 2, found 1: 1 lost" in repr(race)
    assert "<- one update is lost" in repr(race)
    assert race.frame["op"].tolist() == ["read", "read", "write", "write"]
    assert race.frame["value"].tolist() == [0, 0, 1, 1]
    assert str(race.frame["value"].dtype) == "Int64"
    waits = lab.race(threading.Lock()).frame.query("op == 'block'")
    assert set(waits["what"]) == {"the lock"}


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"threads": 17}, {"rounds": 0}])
def test_a_race_that_cannot_work_says_what_to_try(wrong: dict[str, int]) -> None:
    with pytest.raises(SettingError, match="from 1 to"):
        lab.race(**wrong)  # type: ignore[arg-type]


# -- orders of steps


def count_of(lengths: list[int]) -> int:
    return factorial(sum(lengths)) // prod(map(factorial, lengths))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=3))
def test_interleavings_are_as_many_as_the_multinomial_says_and_all_different(lengths: list[int]) -> None:
    programs = ["; ".join(["read", "add", "write"][:length]) for length in lengths]
    found = lab.interleavings(programs)
    assert len(found) == found.multinomial == count_of(lengths)
    assert len({schedule.order for schedule in found}) == len(found)


@pytest.mark.parametrize(
    ("program", "threads", "losing"),
    [("read; add; write", 2, 18), ("read; add; write", 1, 0), ("read; add; write", 3, 1674), ("add", 3, 0)],
)
def test_how_many_interleavings_lose_an_update(program: str, threads: int, losing: int) -> None:
    found = lab.interleavings(program, threads)
    assert len(found.losing) == losing
    assert len(found.losing) + len(found.keeping) == len(found)


def test_threads_that_keep_every_update_run_one_after_the_other() -> None:
    found = lab.interleavings("read; add; write", threads=3)
    orders = {tuple(thread for thread in one.order[::3]) for one in found.keeping}
    assert len(found.keeping) == len(orders) == factorial(3)


def test_with_a_lock_only_whole_sections_interleave_and_none_loses() -> None:
    found = lab.interleavings("lock a; read; add; write; unlock a", threads=3)
    assert (len(found), found.losing, found.stuck) == (6, (), ())
    assert "without the locks there would be 756,756" in repr(found)


def test_locks_in_opposite_order_get_stuck_in_exactly_the_crossed_interleavings() -> None:
    found = lab.interleavings(["lock a; lock b; unlock b; unlock a", "lock b; lock a; unlock a; unlock b"])
    assert [schedule.order for schedule in found.stuck] == [(0, 1), (1, 0)]
    assert {wait.owner for wait in found.stuck[0].stuck} == {"lab-1", "lab-2"}
    same = lab.interleavings(["lock a; lock b; unlock b; unlock a"] * 2)
    assert same.stuck == ()


def test_every_schedule_replayed_on_threads_comes_to_what_it_foretold() -> None:
    programs = ["lock a; lock b; read; add; write; unlock b; unlock a", "lock b; lock a; read; unlock a; unlock b"]
    for found in (lab.interleavings(), lab.interleavings(programs)):
        for schedule in found:
            replayed = lab.replay(schedule)
            assert replayed.agrees
            assert replayed.steps == schedule.steps
            assert len(set(replayed.thread_ids)) == 2


def test_a_schedule_reads_as_a_story() -> None:
    schedule = lab.interleavings()[5]
    assert repr(schedule) == (
        "ends with 1, 1 lost: lab-1 reads 0; lab-2 reads 0; lab-1 adds; lab-2 adds; lab-1 writes 1; lab-2 writes 1"
    )
    assert repr(lab.replay(schedule)).startswith("2 real threads came to 1, as foretold\n  lab-1 reads 0")
    frame = lab.interleavings().frame
    assert frame["lost"].sum() == 18
    assert frame["order"][0] == "1 1 1 2 2 2"


@pytest.mark.parametrize("wrong", ["jump", "lock", "read twice", "unlock a"])
def test_a_step_that_is_none_is_named(wrong: str) -> None:
    with pytest.raises(SettingError, match="try"):
        lab.interleavings(wrong)


def test_too_many_interleavings_are_counted_before_they_are_made() -> None:
    with pytest.raises(SettingError, match="369,600"):
        lab.interleavings("read; add; write", threads=4)


# -- deadlocks


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_locks_in_opposite_order_deadlock_in_every_run_and_every_thread_is_freed(threads: int) -> None:
    for _ in range(20):
        found = lab.deadlock(threads=threads)
        assert found.detected
        assert found.seconds < 5
        assert len(found.circle) == threads
        owners = {wait.owner for wait in found.circle}
        assert owners == {wait.thread for wait in found.circle}
        assert dict(found.holds)[found.circle[0].lock] == found.circle[0].owner
        assert found.finished == ()


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_locks_in_the_same_order_never_deadlock(threads: int) -> None:
    for _ in range(20):
        found = lab.deadlock("same", threads=threads)
        assert not found.detected
        assert len(found.finished) == threads
        assert found.waits  # it was tried: somebody had to wait


def test_a_lock_taken_twice_waits_for_itself_and_an_rlock_counts() -> None:
    assert "the lock, held by itself" in repr(lab.twice(threading.Lock()))
    found = lab.twice(threading.RLock())
    assert not found.detected
    assert found.holds == (("the lock", "lab-1"),)
    assert repr(found) == "RLock taken twice by one thread: no deadlock, 1 of 1 threads came through"


def test_a_deadlock_reads_as_a_circle() -> None:
    lines = repr(lab.deadlock()).splitlines()
    assert lines[0] == "2 threads, opposite order: deadlock"
    assert lines[1:3] == [
        "  lab-1 waits for lock B, held by lab-2",
        "  lab-2 waits for lock A, held by lab-1",
    ]
    with pytest.raises(SettingError, match="try threads=2"):
        lab.deadlock(threads=1)
