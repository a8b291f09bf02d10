"""What is found, what is passed over and why."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from logkit.errors import PathError
from logkit.sources.discovery import Roots


def names(folder: Path, pattern: str | None = None) -> list[str]:
    return [Path(found.path).name for found in Roots.of(pattern or folder).scan().found]


def reasons(folder: Path) -> dict[str, str]:
    return {Path(skipped.path).name: skipped.reason for skipped in Roots.of(folder).scan().skipped}


def test_a_folder_is_read_to_its_depths_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.log.d" / "deep").mkdir(parents=True)
    for name in ("z.log", "a.log", "b.log.d/c.log", "b.log.d/deep/d.log"):
        (tmp_path / name).write_text("x\n")
    assert names(tmp_path) == ["a.log", "z.log", "c.log", "d.log"]


def test_hidden_and_special_files_are_skipped_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_text("x")
    os.mkfifo(tmp_path / "pipe.log")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.log"))
        assert reasons(tmp_path) == {
            ".hidden": "hidden",
            "pipe.log": "not a file but a FIFO",
            "socket.log": "not a file but a socket",
        }
        assert names(tmp_path) == []


def test_a_link_loop_ends_and_a_second_name_is_taken_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.log").write_text("x\n")
    os.link(tmp_path / "in" / "a.log", tmp_path / "in" / "b.log")
    (tmp_path / "in" / "loop").symlink_to(tmp_path)
    (tmp_path / "in" / "gone.log").symlink_to(tmp_path / "nowhere")
    assert names(tmp_path) == ["a.log"]
    assert reasons(tmp_path)["b.log"] == "another name of a file already taken"
    assert reasons(tmp_path)["gone.log"] == "a link to nothing"


def test_a_glob_finds_files_and_never_folders(tmp_path: Path) -> None:
    (tmp_path / "x.log").mkdir()
    (tmp_path / "x.log" / "y.log").write_text("y\n")
    assert names(tmp_path, str(tmp_path / "**/*.log*")) == ["y.log"]


def test_a_name_with_newline_spaces_and_bytes_that_are_no_text_is_found(tmp_path: Path) -> None:
    odd = os.fsdecode(b"a b\n\xff[1].log")
    (tmp_path / odd).write_text("x\n")
    assert names(tmp_path) == [odd]
    assert names(tmp_path, str(tmp_path / odd)) == [odd]


def test_a_missing_path_names_the_nearest_folder_and_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "app.log").write_text("x\n")
    with pytest.raises(PathError, match=r"nearest folder that exists is .*logs' \(it holds 'app.log'\)") as caught:
        Roots.of(tmp_path / "logs" / "nope" / "deeper")
    assert caught.value.nearest == tmp_path / "logs"
    with pytest.raises(PathError, match="found none"):
        Roots.of(str(tmp_path / "*.txt"))
    with pytest.raises(PathError, match="empty list"):
        Roots.of([])


def test_missing_ok_waits_for_a_folder_yet_to_be_made(tmp_path: Path) -> None:
    roots = Roots.of(tmp_path / "later", missing_ok=True)
    assert roots.scan().missing == [str(tmp_path / "later")]
    assert roots.folders() == ([str(tmp_path)], False)
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "a.log").write_text("x\n")
    assert [Path(found.path).name for found in roots.scan().found] == ["a.log"]


def test_home_is_expanded_and_equal_paths_are_one_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Roots.of(["~", tmp_path, str(tmp_path) + "/."]).paths == (str(tmp_path.resolve()),)
