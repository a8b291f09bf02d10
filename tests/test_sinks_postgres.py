"""PostgreSQL as a sink, against a server of the tests' own."""

from __future__ import annotations

import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import logkit
from logkit.errors import SettingError, SinkError
from tests.scenario_tools import DEADLINE, Scene, eventually, read
from tests.servers import PASSWORD, Cluster, postgres_programs

pytestmark = pytest.mark.usefixtures("no_thread_left_behind")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("needs PostgreSQL (the Debian package postgresql), which is not installed")
    cluster = Cluster(programs)
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def table(request: pytest.FixtureRequest) -> str:
    return f"t_{zlib.crc32(request.node.nodeid.encode())}"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "logs")


def sink(cluster: Cluster, table: str, **given: Any) -> logkit.sinks.Postgres:
    return logkit.sinks.Postgres(cluster.dsn, table=table, **given)


def messages(cluster: Cluster, table: str) -> Counter[str]:
    return Counter(message for (message,) in cluster.sql(f"SELECT message FROM {table}"))


def test_rows_are_there_once_and_again_only_what_is_new(cluster: Cluster, table: str, scene: Scene) -> None:
    scene.write(3_000)
    for _ in range(3):
        snap = read(scene.folder, sinks=[sink(cluster, table)])
        assert len(snap) == len(scene.written)  # the snapshot is of all that is there
        assert messages(cluster, table) == Counter(scene.written)
        scene.write(5)
    assert read(scene.folder, sinks=[sink(cluster, table)]).sinks["events"].to_list() == [5]


def test_every_character_arrives(cluster: Cluster, table: str, tmp_path: Path) -> None:
    log = tmp_path / "x.json"
    texts = [
        'a \\" quote, a comma',
        "two\\n\\\\.\\nlines",
        "\\u0000 nul",
        "\\\\N",
        "",
        "é 😀 \\u2028",
        "';drop table x;--",
    ]
    lines = [
        f'{{"time":"2026-03-01T00:00:0{at}Z","level":"error","message":"{text}","status":{500 + at},"who":"{text}"}}'
        for at, text in enumerate(texts)
    ]
    log.write_text("\n".join([*lines, '{"level":"info","message":"without a time"}', ""]))
    read(log, sinks=[sink(cluster, table)])
    rows = cluster.sql(f'SELECT message, level, timestamp, attributes FROM {table} ORDER BY "offset"')
    snap = read(log)
    assert [row[0] for row in rows] == [text.replace("\0", "\ufffd") for text in snap.events["message"]]
    assert [row[3]["who"] for row in rows[:-1]] == [row[0] for row in rows[:-1]]
    assert rows[0][1:3] == ("ERROR", snap.events["timestamp"][0].to_pydatetime())
    assert [row[3] and row[3]["status"] for row in rows] == [500, 501, 502, 503, 504, 505, 506, None]
    assert rows[-1][2] is None


def test_a_table_of_ones_own_gets_the_columns_it_has(cluster: Cluster, table: str, tmp_path: Path) -> None:
    log = tmp_path / "x.json"
    log.write_text('{"message":"one","status":500,"duration_ms":1.5}\n{"message":"two","status":200,"duration_ms":2}\n')
    cluster.sql(f"CREATE TABLE {table} (id bigserial, message text NOT NULL, status integer, team text DEFAULT 'us')")
    read(log, sinks=[sink(cluster, table)])
    assert cluster.sql(f"SELECT id, message, status, team FROM {table} ORDER BY id") == [
        (1, "one", 500, "us"), (2, "two", 200, "us"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            "(message text, timestamp text)",
            "'timestamp' .* to be timestamp with time zone, found text; try ALTER TABLE",
        ),
        ("(message text, level integer)", "'level' .* to be text, found integer"),
        ("(message text, place point NOT NULL)", r"'place' .*point.* to have a default"),
        ("(colour text)", "to have one of timestamp, level"),
    ],
)
def test_a_table_that_cannot_take_the_rows_says_so(
    cluster: Cluster, table: str, scene: Scene, made: str, said: str
) -> None:
    scene.write(1)
    cluster.sql(f"DROP TABLE IF EXISTS {table}")
    cluster.sql(f"CREATE TABLE {table} {made}")
    with pytest.raises(SinkError, match=said) as refused:
        read(scene.folder, sinks=[sink(cluster, table)])
    assert not refused.value.temporary


def test_a_missing_table_says_so_when_none_is_to_be_made(cluster: Cluster, table: str, scene: Scene) -> None:
    scene.write(1)
    with pytest.raises(SinkError, match="found none of that name; try create=True"):
        read(scene.folder, sinks=[sink(cluster, table, create=False)])


def test_wrong_password_database_and_server_say_so_without_the_password(cluster: Cluster, scene: Scene) -> None:
    scene.write(1)
    for dsn, said in [
        (cluster.dsn.replace(PASSWORD, "wrong-secret"), "password authentication failed"),
        (cluster.dsn.replace("dbname=postgres", "dbname=nowhere"), "another dbname"),
        (f"postgresql://logkit:wrong-secret@127.0.0.1:{_unused_port()}/postgres", "onnection refused"),
    ]:
        given = logkit.sinks.Postgres(dsn, begin_seconds=0.1)
        with pytest.raises(SinkError, match=said) as refused:
            read(scene.folder, sinks=[given])
        for text in (str(refused.value), repr(refused.value), repr(given)):
            assert "wrong-secret" not in text
            assert PASSWORD not in text
    with pytest.raises(SettingError) as unreadable:
        logkit.sinks.Postgres("host=x password='top secret")
    assert "top secret" not in f"{unreadable.value!s}{unreadable.value!r}{unreadable.value.__cause__!r}"


def test_names_of_tables_are_no_sql(cluster: Cluster) -> None:
    for table in ("x; drop table y", 'x"', "", "a.b.c"):
        with pytest.raises(SettingError, match="expected table="):
            sink(cluster, table)


def test_two_that_write_as_the_same_sink_are_told(cluster: Cluster, table: str, scene: Scene) -> None:
    scene.write(1)
    with scene.watch(sinks=[sink(cluster, table)]) as monitor:
        assert monitor.wait_idle(DEADLINE)
        with pytest.raises(SinkError, match="another session writing as it"):
            read(scene.folder, sinks=[sink(cluster, table, begin_seconds=0.1)])


def test_a_server_that_is_killed_is_waited_for_and_every_line_is_there_once(table: str, scene: Scene) -> None:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("needs PostgreSQL (the Debian package postgresql), which is not installed")
    cluster = Cluster(programs)
    try:
        scene.write(100)
        with scene.watch(sinks=[sink(cluster, table)], retry_seconds=0.02, max_retry_seconds=0.1) as monitor:
            assert monitor.wait_idle(DEADLINE)
            cluster.kill()
            scene.write(1_000)
            assert not monitor.wait_idle(0.3)
            eventually(monitor, lambda snap: snap.sinks["state"][0] == "retrying")
            assert len(monitor.snapshot()) == 1_100  # reading goes on
            cluster.start()
            assert monitor.wait_idle(DEADLINE)
            status = monitor.snapshot().sinks.iloc[0]
            assert (status["state"], status["error"], status["waiting_events"]) == ("idle", None, 0)
            assert status["failures"] > 0
        read(scene.folder, sinks=[sink(cluster, table)])
        assert messages(cluster, table) == Counter(scene.written)
    finally:
        cluster.stop()


def test_a_commit_whose_answer_is_lost_is_not_written_again(cluster: Cluster, table: str, scene: Scene) -> None:
    class Cut(logkit.sinks.Postgres):
        cuts = 0

        def commit(self, memory: Any) -> None:
            super().commit(memory)
            if self.cuts < 3:
                self.cuts += 1
                raise ConnectionError("the answer was lost")

    scene.write(50)
    given = Cut(cluster.dsn, table=table)
    read(scene.folder, sinks=[given])
    assert given.cuts == 3
    assert messages(cluster, table) == Counter(scene.written)


def test_a_database_that_has_forgotten_is_said(cluster: Cluster, table: str, scene: Scene) -> None:
    scene.write(10)
    given = sink(cluster, table)
    with scene.watch(sinks=[given], retry_seconds=0.02) as monitor:
        assert monitor.wait_idle(DEADLINE)
        cluster.sql("DELETE FROM logkit_sinks WHERE sink = %s", given.name)
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
        cluster.sql(end, f"logkit {given.name}")
        scene.write(1)
        monitor.wait_idle(0.2)
        eventually(monitor, lambda snap: "less than before" in str(snap.sinks["error"][0]))


def test_the_threads_are_named_after_the_sink(cluster: Cluster, table: str, scene: Scene) -> None:
    scene.write(1)
    with scene.watch(sinks=[sink(cluster, table, name="audit")]):
        assert "logkit-sink-audit" in [thread.name for thread in threading.enumerate()]


def _unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
