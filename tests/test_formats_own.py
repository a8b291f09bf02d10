"""Formats of the user's own: written, from a file, from examples, registered for a session."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import logkit
from logkit.formats import registry

LINES = "~{} 2026-03-01 12:00:0{} ~ shop ~ {} ~ item {} sold\n"
TEXT = "".join(LINES.format("!" if n % 2 else ".", n, "pay", n) for n in range(6))
PATTERN = "~{level} {timestamp} ~ {service:w} ~ {channel:w} ~ {message}"
LEVELS = {"!": "ERROR", ".": "INFO"}


@pytest.fixture(autouse=True)
def nothing_stays_registered() -> Iterator[None]:
    yield
    for format in registry.registered():
        registry.unregister(format.name)


def test_a_registered_format_reads_what_the_catalogue_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "own.log"
    path.write_text(TEXT)
    assert logkit.read(path, progress=False).files["format"].tolist() == ["plain"]
    mine = logkit.Format(PATTERN, name="mine", levels=LEVELS).register()
    snap = logkit.read(path, progress=False)
    row = snap.events.iloc[1]
    assert snap.files["format"].tolist() == ["mine"]
    assert (row["level"], row["service"], row["channel"], row["message"]) == ("ERROR", "shop", "pay", "item 1 sold")
    assert row["timestamp"] == datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC)
    assert mine.unregister()
    assert not mine.unregister()
    assert logkit.read(path, progress=False).files["format"].tolist() == ["plain"]


def test_a_registered_format_comes_before_those_of_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("2026-03-01 12:00:00.123 [main] INFO com.example.Main - ready\n" * 3)
    logkit.Format("{timestamp} [{thread}] {level:w} {service:w} - {message}", name="ours").register()
    assert logkit.read(tmp_path, progress=False).files["format"].tolist() == ["ours"]


def test_formats_come_from_a_toml_file(tmp_path: Path) -> None:
    path = tmp_path / "formats.toml"
    path.write_text(
        f"[[format]]\nname = 'mine'\npattern = '{PATTERN}'\nlevels = {{ '!' = 'ERROR' }}\n"
        "[[format]]\nname = 'other'\nregex = '^#(?P<message>.*)$'\n"
    )
    mine, other = logkit.Format.from_toml(path)
    assert mine.read(LINES.format("!", 1, "pay", 1))["level"] == "ERROR"  # type: ignore[index]
    assert other.read("#x") == {"message": "x"}
    assert other.read("x") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = ", "an error"),
        ("x = 1", "none"),
        ("[[format]]\nname='a'\npatern='x'", "'patern'"),
        ("[[format]]\nname='a'", "neither"),
        ("[[format]]\npattern='{a}{b}'", "no literal|none"),
        ("[[format]]\npattern='{level}'\nlevels={x='LOUD'}", "'LOUD'"),
    ],
)
def test_a_wrong_file_is_said_to_be_wrong(tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "formats.toml"
    path.write_text(text)
    with pytest.raises(logkit.FormatError, match=found):
        logkit.Format.from_toml(path)


@pytest.mark.parametrize(
    ("lines", "pattern"),
    [
        (
            [
                "2026-03-01 12:00:00,1 INFO [main] com.example.Main - ready",
                "2026-03-01 12:00:01,1 WARN [x-1] a.B - c: d",
            ],
            "{timestamp} {level:w} [{thread}] {logger:w} - {message}",
        ),
        (["[2026/03/01 12:00:00] (shop) warn | low stock"], "[{timestamp}] ({thread}) {level:w} | {message}"),
        (["Mar  1 12:00:00 web1 sshd[71]: hello you"], "{timestamp} {host:w} {service}[{pid:d}]: {message}"),
        (["12:00:00.5 ERROR shop.cart: bad {thing}"], "{timestamp} {level:w} {logger:w}: {message}"),
        (["2026-03-01T12:00:00Z level=info user=ann did it"], "{timestamp} level={level:w} user={user:w} {message}"),
    ],
)
def test_a_template_is_proposed_from_examples(lines: list[str], pattern: str) -> None:
    found = logkit.Format.from_examples(lines)
    assert found.pattern == pattern
    assert all(found.read(line) for line in lines)


@pytest.mark.parametrize("lines", [[], ["only words"], ["INFO: one", "two"]])
def test_examples_without_a_common_head_are_refused(lines: list[str]) -> None:
    with pytest.raises(logkit.FormatError, match="expected"):
        logkit.Format.from_examples(lines)


def test_a_line_is_told_where_it_stops_fitting() -> None:
    made = logkit.Format("{timestamp} <{level}> {service:w}: {message}")
    assert made.explain("2026-03-01 12:00:00 <INFO> shop: x") is None
    place, wanted = made.explain("2026-03-01 12:00:00 <INFO> shop x") or (0, "")
    assert (place, "{service}" in wanted) == (27, True)
    place, wanted = logkit.Format(regex=r"(?P<level>[A-Z]+) \[(?P<pid>\d+)\] (?P<message>.*)").explain(
        "INFO [x] y"
    ) or (0, "")
    assert (place, wanted) == (6, r"expected pid, as (?P<pid>[0-9]+)")


def test_a_format_needs_either_a_pattern_or_a_regex_and_travels() -> None:
    with pytest.raises(logkit.FormatError, match="neither"):
        logkit.Format()
    with pytest.raises(logkit.FormatError, match="both"):
        logkit.Format("{message}", regex="(?P<message>.*)")
    made = logkit.Format("{level:w} {message}", name="x")
    assert pickle.loads(pickle.dumps(made)) == made
    assert repr(made) == "logkit.Format('{level:w} {message}', name='x')"


def test_explain_says_what_was_chosen_and_what_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    good = "2026-03-01 12:00:0%d.123 [main] INFO com.example.Main - <ready>\n"
    path.write_text("".join(good % n for n in range(5)) + "2026-03-01 12:00:06.123 main INFO\n")
    found = logkit.explain(path)
    assert found.format is not None
    assert (found.format.name, found.records, found.read) == ("logback", 6, 5)
    (wrong,) = found.misfits
    assert (wrong.line, wrong.place) == (6, 23)
    assert dict(found.candidates)["logback"] == 5 / 6
    text = repr(found)
    assert "line 6 does not fit" in text
    assert text.splitlines()[-1].index("^") == 4 + 23
    assert "&lt;ready&gt;" in found._repr_html_()


@pytest.mark.parametrize("raw", [b"", b"\x7fELF\x02\x01" + bytes(range(256))])
def test_explain_has_an_answer_for_what_is_no_log(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(raw)
    found = logkit.explain(path)
    assert found.format is None
    assert found.title in repr(found)
    assert found._repr_html_()


def test_explain_wants_a_file(tmp_path: Path) -> None:
    with pytest.raises(logkit.PathError, match="found a folder"):
        logkit.explain(tmp_path)
    with pytest.raises(logkit.PathError, match="found nothing"):
        logkit.explain(tmp_path / "no")


ACCESS = '10.0.0.9 - ann [01/Mar/2026:12:00:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl"\n'


@pytest.mark.parametrize("line", [ACCESS, '{"time":"2026-03-01T12:00:00Z","msg":"m","user":"ann","x":1}\n', TEXT])
def test_only_the_columns_asked_for_are_kept(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.log"
    path.write_text(line * 3)
    whole = logkit.read(path, progress=False).events
    some = logkit.read(path, progress=False, columns=["timestamp", "message", "user"]).events
    own = [name for name in whole.columns if name in ("user",)]
    common = list(some.columns[: len(some.columns) - len(own)])
    assert list(some.columns) == [*common, *own]
    assert some.equals(whole[some.columns])
    bare = logkit.read(path, progress=False, columns=["timestamp"]).events
    assert bare["message"].isna().all()
    assert bare["timestamp"].equals(whole["timestamp"])
    assert bare["level"].equals(whole["level"])


def test_columns_are_names() -> None:
    for wrong in ("message", 7, [1]):
        with pytest.raises(logkit.SettingError, match="columns="):
            logkit.Settings(columns=wrong)  # type: ignore[arg-type]
