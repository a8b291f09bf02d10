"""The incident tells the truth about itself, and a replay writes it again."""

from __future__ import annotations

import gzip
import re
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest

from logkit import demo
from logkit.demo import Incident, player
from logkit.demo.lines import FILES, ROTATED
from logkit.demo.times import Timed, read_records
from logkit.errors import PathError, SettingError

DEADLINE_SECONDS = 20.0
ERROR = re.compile(rb'"level":"(ERROR|FATAL)"| (ERROR|FATAL)[: ]|HTTP/1.1" 5\d\d ')


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Incident:
    return demo.write_incident(tmp_path_factory.mktemp("demo") / "logs")


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "logkit-replay"] == []


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def logs(folder: Path) -> dict[str, bytes]:
    """Each log as if it had never been rotated."""
    found = contents(folder)
    early = gzip.decompress(found.get(ROTATED, gzip.compress(b"")))
    return {name: (early if name == FILES["orders"] else b"") + found[name] for name in FILES.values()}


def guilty(incident: Incident) -> tuple[int, int]:
    """How many error records of the origin say the cause, within the incident and outside it."""
    name, cause = FILES[incident.service], incident.cause.encode()
    said = [r for r in read_records(incident.folder) if r.file == name and cause in r.text and ERROR.search(r.text)]
    inside = sum(incident.start <= record.at <= incident.end for record in said)
    return inside, len(said) - inside


def test_the_same_seed_gives_the_same_bytes(incident: Incident, tmp_path: Path) -> None:
    again = demo.write_incident(tmp_path / "again")
    assert contents(again.folder) == contents(incident.folder)
    other = demo.write_incident(tmp_path / "other", seed=incident.seed + 1)
    assert contents(other.folder).keys() == contents(incident.folder).keys()
    assert all(logs(other.folder)[name] != log for name, log in logs(incident.folder).items())


def test_five_seeds_begin_in_at_least_three_services_and_each_truth_holds(tmp_path: Path) -> None:
    told = [demo.write_incident(tmp_path / str(seed), seed, minutes=30) for seed in range(1, 6)]
    assert len({incident.service for incident in told}) >= 3
    for incident in told:
        inside, outside = guilty(incident)
        assert inside > 10 * max(1, outside), incident
        assert incident.services[0] == incident.service
        assert "gateway" in incident.services
        assert sum(incident.events.values()) > 5000


def test_every_root_cause_is_told_truly(tmp_path: Path) -> None:
    causes: dict[str, Incident] = {}
    for seed in range(16):
        incident = demo.write_incident(tmp_path / str(seed), seed, minutes=12)
        causes.setdefault(incident.cause, incident)
    assert len(causes) == 6
    for incident in causes.values():
        inside, outside = guilty(incident)
        assert inside > 10, incident
        assert outside == 0, incident


def test_the_default_story_begins_in_the_database_and_reaches_the_gateway(incident: Incident) -> None:
    assert incident.service == "database"
    assert set(incident.services) == {"database", "payments", "orders", "catalog", "gateway"}
    errors = Counter(
        record.file
        for record in read_records(incident.folder)
        if incident.start <= record.at <= incident.end and ERROR.search(record.text)
    )
    assert all(errors[FILES[service]] >= 20 for service in incident.services)
    assert errors[FILES["auth"]] == 0


def test_failed_requests_share_their_trace_from_gateway_to_database(incident: Incident) -> None:
    found = logs(incident.folder)
    failed = set(re.findall(rb'"POST /api/orders HTTP/1.1" 50\d .* trace_id=(\w{32})', found["gateway.log"]))
    assert len(failed) > 20
    for name in ("orders/orders.log", "payments.log", "database.log", "auth/auth.log"):
        assert all(trace in found[name] for trace in list(failed)[:20]), name


def test_counts_are_those_of_the_files(incident: Incident) -> None:
    records = Counter(record.file for record in read_records(incident.folder))
    assert set(incident.events) == set(FILES)
    assert 15_000 <= sum(incident.events.values()) <= 25_000
    # A malformed line is a record of its own where it still begins with a time, else it hangs on the one before.
    surplus = {service: records[name] - incident.events[service] for service, name in FILES.items()}
    assert surplus == {"gateway": 3, "payments": 4, "orders": 0, "catalog": 0, "auth": 0, "database": 0}
    assert incident.malformed == 10


def test_an_incident_is_small_and_its_files_carry_their_own_time(incident: Incident) -> None:
    assert sum(map(len, contents(incident.folder).values())) <= 3_000_000
    end = datetime(2026, 3, 2, 10, 0, tzinfo=UTC).timestamp()
    assert all((incident.folder / name).stat().st_mtime == end for name in FILES.values())
    assert (incident.folder / ROTATED).stat().st_mtime < incident.start.timestamp()


def test_times_are_utc_whatever_zone_start_is_given_in(incident: Incident, tmp_path: Path) -> None:
    there = datetime(2026, 3, 2, 14, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    again = demo.write_incident(tmp_path / "again", start=there)
    assert again.start == incident.start
    assert again.start.tzinfo is UTC
    assert contents(again.folder) == contents(incident.folder)


def test_the_truth_can_be_read_back_and_times_restored(incident: Incident, tmp_path: Path) -> None:
    again = demo.write_incident(tmp_path / "again", seed=3, minutes=10)
    assert demo.read_truth(again.folder) == again
    before = (again.folder / "auth/auth.log").stat().st_mtime
    (again.folder / "auth/auth.log").touch()
    demo.restore_times(again.folder)
    assert (again.folder / "auth/auth.log").stat().st_mtime == before
    with pytest.raises(PathError, match=r"try demo\.write_incident"):
        demo.read_truth(tmp_path)
    with pytest.raises(PathError, match=r"try demo\.write_incident"):
        demo.restore_times(tmp_path)


def test_an_incident_is_written_anew_over_itself_only(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    demo.write_incident(folder, seed=1, minutes=10)
    again = demo.write_incident(folder, seed=2, minutes=10)
    assert demo.read_truth(folder) == again
    log = folder / "gateway.log"
    changed = log.read_bytes() + b"mine\n"
    log.write_bytes(changed)
    with pytest.raises(PathError, match=r"gateway\.log.*try a new folder"):
        demo.write_incident(folder, minutes=10)
    assert log.read_bytes() == changed


@pytest.mark.parametrize("name", ["gateway.log", "notes.txt", "orders/mine.log", ".incident.json.bak", "deep/er/x"])
def test_a_folder_with_files_of_others_is_left_as_it_was(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(PathError, match="try a new folder") as caught:
        demo.write_incident(tmp_path)
    assert caught.value.nearest == tmp_path
    assert contents(tmp_path) == {name: b"mine"}


def test_nothing_is_written_through_links_or_at_the_word_of_a_manifest(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "logs"
    outside.mkdir()
    folder.mkdir()
    (folder / "orders").symlink_to(outside)
    with pytest.raises(PathError, match="orders"):
        demo.write_incident(folder)
    (folder / "orders").unlink()
    (outside / "victim").write_text("mine")
    before = (outside / "victim").stat().st_mtime
    (folder / ".incident.json").write_text('{"incident": {}, "files": {"../outside/victim": {"modified": 0}}}')
    demo.restore_times(folder)
    demo.write_incident(folder, minutes=10)
    assert (outside / "victim").stat().st_mtime == before
    assert [path.name for path in outside.iterdir()] == ["victim"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("start", datetime(2026, 3, 2)), ("minutes", 5), ("minutes", 100_000), ("requests_per_second", float("nan"))],
)
def test_a_setting_that_cannot_work_is_named(tmp_path: Path, setting: str, value: object) -> None:
    with pytest.raises(SettingError, match="try") as caught:
        demo.write_incident(tmp_path / "logs", **{setting: value})  # type: ignore[arg-type]
    assert caught.value.setting == setting
    assert not (tmp_path / "logs").exists()


def test_the_repr_says_what_happened(incident: Incident) -> None:
    assert repr(incident).startswith("<Incident seed=7 'lock timeout' in database → ")
    assert "2026-03-02 09:" in repr(incident)


def test_a_replay_writes_the_same_bytes(incident: Incident, tmp_path: Path) -> None:
    with demo.replay(incident, tmp_path / "live", speed=1e6) as live:
        assert live.wait(DEADLINE_SECONDS)
        assert live.done
        assert live.progress == 1.0
        assert repr(live).startswith("<Replay done")
    assert contents(live.into) == logs(incident.folder)


def test_records_are_whole_and_in_the_order_of_time(incident: Incident) -> None:
    records = read_records(incident.folder)
    assert all(a.at <= b.at for a, b in pairwise(records))
    assert all(record.text.endswith(b"\n") for record in records)
    assert not any(record.text.startswith((b"\tat ", b"Caused by", b"Traceback")) for record in records)


def test_a_replay_keeps_the_pace_of_the_clock_and_resumes_none(incident: Incident, tmp_path: Path) -> None:
    records = read_records(incident.folder)
    due = [record for record in records if record.at - records[0].at <= timedelta(minutes=10)]
    frozen, calls = threading.Event(), Counter[str]()

    def clock() -> float:
        calls["clock"] += 1
        if calls["clock"] == len({record.at for record in due}) + 2:  # the first call, each due instant, one not due
            frozen.set()
        return 0.0 if calls["clock"] == 1 else 10.0

    live = demo.replay(incident.folder, tmp_path, speed=60, clock=clock)
    assert frozen.wait(DEADLINE_SECONDS)
    assert repr(live).startswith("<Replay running")
    assert live.stop(DEADLINE_SECONDS)
    assert live.progress == len(due) / len(records)
    assert not live.done
    assert live.wait(0) is False
    written = contents(tmp_path)
    for name in FILES.values():
        assert written[name] == b"".join(record.text for record in due if record.file == name)


def test_a_replay_stops_within_its_deadline_and_twice(incident: Incident, tmp_path: Path) -> None:
    stop = threading.Event()
    live = demo.replay(incident, tmp_path, speed=0.001, stop=stop)
    assert "logkit-replay" in [thread.name for thread in threading.enumerate() if thread.daemon]
    stop.set()
    assert live.wait(1.0) is False
    assert live.stop(1.0)
    assert live.stop(0)
    assert repr(live).startswith("<Replay stopped")


def test_a_replay_shifted_to_now_ends_now_and_changes_only_times(incident: Incident, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    with demo.replay(incident, tmp_path, speed=1e6, shift_to_now=True) as live:
        assert live.wait(DEADLINE_SECONDS)
    then, now = read_records(incident.folder), read_records(tmp_path)
    assert timedelta(seconds=-2) <= now[-1].at - before <= timedelta(seconds=2)
    moved = {b.at - a.at for a, b in zip(then, now, strict=True)}
    assert len(moved) == 1
    assert [(r.file, len(r.text), r.text[-33:]) for r in then] == [(r.file, len(r.text), r.text[-33:]) for r in now]


def test_a_year_that_is_not_written_is_that_of_the_other_logs(tmp_path: Path) -> None:
    eve = datetime(2027, 12, 31, 23, 55, tzinfo=UTC)
    folder = demo.write_incident(tmp_path / "logs", start=eve, minutes=10).folder
    auth = [record.at for record in read_records(folder) if record.file == FILES["auth"]]
    assert {at.year for at in auth} == {2027, 2028}
    assert eve <= auth[0] < auth[-1] <= eve + timedelta(minutes=10)


def test_a_replay_that_cannot_write_says_so(
    incident: Incident, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: object, text: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(player, "_append", full)
    live = demo.replay(incident, tmp_path)
    with pytest.raises(OSError, match="No space left"):
        live.wait(DEADLINE_SECONDS)
    assert live.stop(1.0)
    assert repr(live).startswith("<Replay failed: OSError(28")


def test_a_replay_refuses_what_it_cannot_do(incident: Incident, tmp_path: Path) -> None:
    with pytest.raises(PathError, match=r"try demo\.write_incident"):
        demo.replay(tmp_path / "nowhere", tmp_path / "live")
    with pytest.raises(PathError, match=r"try demo\.write_incident"):
        demo.replay(tmp_path, tmp_path / "live")
    with pytest.raises(PathError, match="try a new folder"):
        demo.replay(incident, incident.folder)
    with pytest.raises(SettingError, match="try 60"):
        demo.replay(incident, tmp_path / "live", speed=0)
    (tmp_path / "other.log").write_text("no time in here\n")
    with pytest.raises(PathError, match="in another"):
        demo.replay(tmp_path, tmp_path / "live")
    assert not (tmp_path / "live").exists()


def test_a_malformed_date_belongs_to_the_record_before(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_bytes(b"2026-02-28 10:00:00,000 - a\n2026-02-31 10:00:00,000 - b\nrest")
    at = datetime(2026, 2, 28, 10, 0, tzinfo=UTC)
    whole = (tmp_path / "x.log").read_bytes()
    assert read_records(tmp_path) == [Timed(at, "x.log", whole)]
