"""URLs are read like files: listed, fetched in ranges, retried, and never half of one version and half of another."""

from __future__ import annotations

import functools
import gzip
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest
from distributed import Client
from moto.server import ThreadedMotoServer

import logkit
from logkit.sources import Roots, remote
from logkit.sources.remote import ContentChanged, RemoteFile
from tests.outside import lines

FAST: dict[str, Any] = {"progress": False, "retry_seconds": 0.01}


@pytest.fixture
def memory() -> Iterator[Any]:
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    yield fs
    fs.store.clear()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_PAUSES", (0.001, 0.001, 0.001))


# -- memory://: objects without versions, which may grow


def test_a_url_gives_what_its_files_would(memory: Any, tmp_path: Path) -> None:
    for name, data in {
        "a.log": lines(2000),
        "deep/b.log": lines(500, 9000),
        "c.log.gz": gzip.compress(lines(300)),
        "wide.log": ("\ufeff" + lines(50).decode()).encode("utf-16-le"),
        "empty.log": b"",
        ".hidden.log": lines(5),
        "deep/.git/config.log": lines(5),
        "program.bin": bytes(range(256)) * 16,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(data)
        memory.pipe(f"/logs/{name}", data)
    local = logkit.read(tmp_path, span_bytes=40_000, progress=False)
    found = logkit.read("memory://logs", span_bytes=40_000, progress=False)
    assert found.stats == local.stats
    columns = ["timestamp", "level", "service", "message", "offset", "length_bytes"]
    assert found.events[columns].equals(local.events[columns])
    assert found.audit()["balanced"].all()
    assert found.files["state"].tolist() == local.files["state"].tolist()
    assert len(logkit.read("memory://logs/*.log", progress=False)) == 2050
    assert len(logkit.read("memory://logs/a.log", progress=False)) == 2000
    assert len(logkit.read([tmp_path / "a.log", "memory://logs/deep"], progress=False)) == 2500


def test_watching_polls_for_what_is_added_grown_replaced_and_removed(memory: Any) -> None:
    memory.pipe("/logs/a.log", lines(100))
    with logkit.watch("memory://logs", poll_seconds=0.02) as monitor:
        assert monitor.wait_idle()
        assert len(monitor.snapshot()) == 100
        memory.pipe("/logs/a.log", lines(150))  # as a file that was written on
        memory.pipe("/logs/b.log", lines(7))
        assert monitor.wait_idle()
        assert monitor.snapshot().files["events"].tolist() == [150, 7]
        memory.pipe("/logs/a.log", lines(3, 5000))
        memory.rm("/logs/b.log")
        assert monitor.wait_idle()
        files = monitor.snapshot().files
        assert files["events"].tolist() == [150, 3, 7]
        assert files["generation"].tolist() == [0, 1, 0]
        assert files["state"].tolist() == ["gone", "idle", "gone"]
        assert monitor.snapshot().audit()["balanced"].all()


def test_a_listing_that_fails_makes_nothing_gone(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.pipe("/logs/a.log", lines(10))
    with logkit.watch("memory://logs", poll_seconds=0.02) as monitor:
        assert monitor.wait_idle()

        def unreachable(url: str) -> Any:
            raise OSError("no route to host")

        monkeypatch.setattr(remote, "listing", unreachable)
        assert monitor.wait_idle()
        snap = monitor.snapshot()
        assert snap.files["state"].tolist() == ["idle"]
        assert snap.skipped["reason"].tolist() == ["cannot be listed: no route to host"]


def test_a_request_is_tried_again_with_growing_pauses(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.pipe("/logs/a.log", lines(1000))
    pauses: list[float] = []
    monkeypatch.setattr(remote, "_PAUSES", (0.1, 0.2, 0.4))
    monkeypatch.setattr(remote.time, "sleep", pauses.append)
    fetch, failures = type(memory).cat_file, [RuntimeError("reset"), TimeoutError("slow")]

    def flaky(self: Any, *args: Any, **kwargs: Any) -> Any:
        if failures:
            raise failures.pop()
        return fetch(self, *args, **kwargs)

    monkeypatch.setattr(type(memory), "cat_file", flaky)
    assert len(logkit.read("memory://logs/a.log", workers=1, **FAST)) == 1000
    assert pauses == [0.1, 0.2]


def test_what_never_answers_is_an_error_of_its_file_alone(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.pipe("/logs/a.log", lines(10))
    memory.pipe("/logs/b.log", lines(10))
    fetch = type(memory).cat_file

    def broken(self: Any, path: str, **kwargs: Any) -> Any:
        if path.endswith("b.log"):
            raise RuntimeError("the bucket is on fire")
        return fetch(self, path, **kwargs)

    monkeypatch.setattr(type(memory), "cat_file", broken)
    snap = logkit.read("memory://logs", **FAST)
    assert len(snap) == 10
    assert snap.files["state"].tolist() == ["idle", "failed"]
    assert "RuntimeError: the bucket is on fire" in snap.files["error"][1]


def test_explain_locate_and_a_store_take_urls(memory: Any, tmp_path: Path) -> None:
    memory.pipe("/logs/a.log", lines(100))
    assert logkit.explain("memory://logs/a.log").read == 100
    with pytest.raises(logkit.PathError, match="found nothing"):
        logkit.explain("memory://logs/b.log")
    snap = logkit.read("memory://logs", progress=False, store=tmp_path / "a.duckdb")
    assert snap.locate(snap.events.iloc[7]).text == lines(1, 7).decode().replace(":00,", ":07,").rstrip()
    memory.pipe("/logs/a.log", lines(150))
    assert len(logkit.read("memory://logs", progress=False, store=tmp_path / "a.duckdb")) == 150


@pytest.mark.parametrize("url", ["memory://nowhere", "memory://nowhere/*.log"])
def test_nothing_at_a_url_is_a_path_error(memory: Any, url: str) -> None:
    with pytest.raises(logkit.PathError, match="found nothing at"):
        logkit.read(url, progress=False)


def test_a_protocol_nobody_knows_is_a_path_error() -> None:
    with pytest.raises(logkit.PathError, match=r"expected a URL that fsspec can open.*logkit\[remote\]"):
        logkit.read("carrier-pigeon://coop", progress=False)


# -- http://: a server that knows no ranges


def test_a_log_is_read_over_http(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_bytes(lines(3000))
    (tmp_path / "old.log").write_bytes(lines(20))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        found = logkit.read(f"{url}/app.log", span_bytes=100_000, progress=False)
        both = logkit.read(f"{url}/", progress=False)
        server.shutdown()
        thread.join(5)
    local = logkit.read(tmp_path / "app.log", span_bytes=100_000, progress=False)
    columns = ["timestamp", "message", "offset", "length_bytes"]
    assert found.events[columns].equals(local.events[columns])
    assert len(both) == 3020


# -- s3://: objects with versions, over HTTP on loopback


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    given = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    fs = fsspec.filesystem("s3")
    fs.mkdir("s3://logs")
    yield fs
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
    server.stop()


@contextmanager
def replaced_after(fetches: int, path: str, data: bytes, monkeypatch: pytest.MonkeyPatch, fs: Any) -> Iterator[None]:
    """Another object is put in the place of one when so many ranges of it were fetched."""
    fetch, seen, turn = RemoteFile._fetch, [0], threading.Lock()

    def fetched(self: RemoteFile, start: int, stop: int) -> bytes:
        with turn:
            if self.url.endswith(path):
                seen[0] += 1
                if seen[0] == fetches:
                    fs.pipe(path, data)
        return fetch(self, start, stop)

    with monkeypatch.context() as patch:
        patch.setattr(RemoteFile, "_fetch", fetched)
        yield
    assert seen[0] >= fetches


def test_an_object_is_read_in_parallel_ranges(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = lines(30_000)
    (tmp_path / "big.log").write_bytes(data)
    s3.pipe("logs/parallel/big.log", data)
    s3.pipe("logs/parallel/old.log.gz", gzip.compress(lines(1000)))
    ranges: list[tuple[int, int]] = []
    fetch = RemoteFile._fetch

    def fetched(self: RemoteFile, start: int, stop: int) -> bytes:
        ranges.append((start, stop))
        return fetch(self, start, stop)

    monkeypatch.setattr(RemoteFile, "_fetch", fetched)
    found = logkit.read("s3://logs/parallel", span_bytes=1 << 20, block_bytes=1 << 20, progress=False)
    expected = logkit.read(tmp_path / "big.log", progress=False).events
    rows = found.events[found.events["file"].str.endswith("big.log")].reset_index(drop=True)
    columns = ["timestamp", "level", "service", "message", "offset", "length_bytes"]
    assert rows[columns].equals(expected[columns])
    assert len(found) == 31_000
    assert found.audit()["balanced"].all()
    assert len({start for start, _ in ranges}) >= 3
    assert max(stop - start for start, stop in ranges) <= 1 << 20


def test_an_object_that_changes_while_it_is_read_is_never_half_of_each(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = lines(30_000), lines(30_000, first=50_000)  # of one size
    s3.pipe("logs/changing/app.log", old)
    # its format takes the first fetch, blocks the next ones
    with replaced_after(3, "logs/changing/app.log", new, monkeypatch, s3):
        snap = logkit.read("s3://logs/changing", workers=1, block_bytes=1 << 20, **FAST)
    files = snap.files
    assert files["generation"].tolist() == [0, 1]
    assert files["state"].tolist() == ["gone", "idle"]
    for generation, content in enumerate((old, new)):
        rows = snap.events[snap.events["generation"] == generation]
        numbers = rows["message"].str.extract(r"order (\d+)", expand=False).astype(int).tolist()
        first = 50_000 * generation
        assert numbers == list(range(first, first + len(numbers)))
        assert rows["length_bytes"].sum() <= len(content)
    assert 0 < files["events"][0] < 30_000
    assert files["events"][1] == 30_000
    assert snap.audit()["balanced"].all()


def test_an_object_that_changes_under_a_cluster_is_read_anew(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = lines(30_000), lines(20_000, first=50_000)
    s3.pipe("logs/cluster/app.log", old)
    s3.pipe("logs/cluster/calm.log", lines(10))
    few: dict[str, Any] = {"span_bytes": 1 << 20, "block_bytes": 1 << 18, **FAST}
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0") as client:
        calm = logkit.read("s3://logs/cluster", cluster=client, **few)
        assert calm.stats == logkit.read("s3://logs/cluster", **few).stats
        with replaced_after(3, "logs/cluster/app.log", new, monkeypatch, s3):
            snap = logkit.read("s3://logs/cluster", cluster=client, **few)
        s3.pipe("logs/cluster/app.log", old)
        with replaced_after(3, "logs/cluster/app.log", new, monkeypatch, s3):
            counted = logkit.read("s3://logs/cluster", cluster=client, keep_events=0, **few)
        assert counted.files["events"].tolist()[1:] == [20_000, 10]
        assert len(counted) == counted.files["events"].sum()
    files = snap.files
    assert files["generation"].tolist() == [0, 1, 0]
    assert files["state"].tolist() == ["gone", "idle", "idle"]
    assert files["events"].tolist()[1:] == [20_000, 10]
    rows = snap.events
    later = rows["message"].str.extract(r"order (\d+)", expand=False).astype(int) >= 50_000
    assert later.equals(rows["generation"] == 1)
    assert snap.audit()["balanced"].all()


def test_another_version_found_by_watching_is_another_generation(s3: Any) -> None:
    s3.pipe("logs/versions/app.log", lines(10))
    with logkit.watch("s3://logs/versions", poll_seconds=0.02) as monitor:
        assert monitor.wait_idle()
        s3.pipe("logs/versions/app.log", lines(20))
        assert monitor.wait_idle()
        files = monitor.snapshot().files
        assert files[["generation", "events", "state"]].values.tolist() == [[0, 10, "gone"], [1, 20, "idle"]]
        assert monitor.snapshot().audit()["balanced"].all()


def test_a_handle_refuses_another_version_than_it_was_opened_with(s3: Any) -> None:
    s3.pipe("logs/pinned/app.log", lines(10))
    file = RemoteFile("s3://logs/pinned/app.log")
    s3.pipe("logs/pinned/app.log", lines(10, 100))
    with pytest.raises(ContentChanged, match="found another version"):
        file.pread(10, 0)


def test_a_listing_of_5000_objects(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from moto.backends import get_backend

    backend = get_backend("s3")["123456789012"]["aws"]
    for number in range(5000):  # by the server's own hand: putting them over HTTP takes minutes
        backend.put_object("logs", f"many/{number % 50:02}/{number:04}.log", lines(1, number))
    roots = Roots.of("s3://logs/many")
    scan = roots.scan()
    assert len(scan.found) == 5000
    assert [one.path for one in scan.found] == sorted(one.path for one in scan.found)
    assert {one.size for one in scan.found} == {len(lines(1, number)) for number in (0, 10, 100, 1000)}
    assert len({one.inode for one in scan.found}) == 5000
    assert len(logkit.read("s3://logs/many/07/0*.log", progress=False)) == 20
