"""`sftp://` against a real SFTP server: a filesystem that belongs to one host, and whose objects have no versions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

import logkit
from logkit.sources import remote
from tests.outside import lines, until
from tests.sftp import PASSWORD, served


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setitem(fsspec.config.conf, "sftp", {"password": PASSWORD})
    monkeypatch.setattr(remote, "_PAUSES", (0.001, 0.001, 0.001))
    (tmp_path / "logs" / "deep").mkdir(parents=True)
    (tmp_path / "logs" / "a.log").write_bytes(lines(2000))
    (tmp_path / "logs" / "deep" / "b.log").write_bytes(lines(300))
    with served(tmp_path) as url:
        yield url
        fsspec.get_filesystem_class("sftp").clear_instance_cache()


def test_what_is_on_another_host_reads_like_files_here(server: str, tmp_path: Path) -> None:
    local = logkit.read(tmp_path / "logs", progress=False)
    found = logkit.read(f"{server}/logs", span_bytes=40_000, progress=False)
    assert found.stats == local.stats
    assert found.files["path"].tolist() == [f"{server}/logs/a.log", f"{server}/logs/deep/b.log"]
    assert found.audit()["balanced"].all()
    row = found.events.iloc[1234]
    assert f"accepted order {1234}" in str(found.locate(row))
    assert len(logkit.read(f"{server}/logs/*.log", progress=False)) == 2000


def test_watching_another_host_sees_its_logs_grow(server: str, tmp_path: Path) -> None:
    with logkit.watch(f"{server}/logs", poll_seconds=0.05) as monitor:
        assert monitor.wait_idle(20)
        with (tmp_path / "logs" / "a.log").open("ab") as log:
            log.write(lines(7))
        snap = until(monitor, lambda snap: len(snap) >= 2307)
    assert len(snap) == 2307
    assert snap.audit()["balanced"].all()


def test_a_host_that_is_not_there_is_said_to_be(server: str) -> None:
    with pytest.raises(logkit.errors.PathError, match=r"found nothing at 'sftp://reader@127.*/none'"):
        logkit.read(f"{server}/none", progress=False)
    with pytest.raises(logkit.errors.PathError, match=r"expected to look at 'sftp://127\.0\.0\.1:1/logs'"):
        logkit.read("sftp://127.0.0.1:1/logs", progress=False)


@pytest.mark.parametrize("url", ["sftp://reader:secret@host/logs", "https://reader:secret@host/a.log"])
def test_a_password_is_no_part_of_a_path(url: str) -> None:
    with pytest.raises(logkit.errors.PathError, match=r"found one in '\w+://reader:\*\*\*@host.*fsspec") as failed:
        logkit.read(url, progress=False)
    assert "secret" not in str(failed.value)
    assert "secret" not in str(failed.value.path)
