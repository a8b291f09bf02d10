"""The report: what it says, that log text in it is only ever text, what is redacted, and how a browser takes it."""

from __future__ import annotations

import html.parser
import re
import shutil
import threading
from pathlib import Path

import pytest
from matplotlib.axes import Axes

import logkit
from logkit.demo import write_incident
from logkit.errors import PathError, SettingError
from logkit.snapshot import Snapshot
from logkit.views.plots import Plots
from logkit.views.report.aside import aside
from logkit.views.report.figures import figure
from logkit.views.report.html import tag
from logkit.views.report.markdown import _code, _plain
from logkit.views.report.prepare import shown
from logkit.views.report.redact import Redactor
from tests.captures import NOON, SECOND, part, rows, snapshot

HOSTILE = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "</style><script>document.title='owned'</script>",
    "</pre></figure><svg onload=alert(1)>",
    "javascript:alert(1) [x](javascript:alert(1)) `code` | bar | <b>",
    "\u202egnp.exe \u2066 and \x1b[31m red \x00 \x07",
    "```\n# not a heading\n```",
    "A" * 300_000,
    "&lt;already&gt; $x^2$ %s {0} ${env}",
)


def hostile() -> Snapshot:
    """An incident made of lines that would like to be more than text; names and fields are no better."""
    events = [
        {"timestamp": NOON + at * SECOND, "message": f"fine {at % 3}", "service": f"svc {HOSTILE[at % 3]}"}
        for at in range(600)
    ]
    for at in range(240):
        line = HOSTILE[at % len(HOSTILE)]
        events.append(
            {
                "timestamp": NOON + 200 * SECOND + at * SECOND // 2,
                "level": "ERROR",
                "service": f"svc {HOSTILE[at % 3]}",
                "message": line,
                "trace_id": f"<script>{at // 3:08d}</script>",
                "host": HOSTILE[at % 2],
            }
        )
    return snapshot(part(rows(*events))).mark("2026-03-01 12:03:20", "<script>document.title='owned'</script>")


class Elements(html.parser.HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return Path(hostile().report(folder / "hostile.html", title="<b>Title</b> & more", notes="<i>note</i>"))


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    folder = tmp_path_factory.mktemp("logs") / "logs"
    write_incident(folder, 6)
    return logkit.read(folder, progress=False)


def test_no_line_of_a_log_becomes_an_element(page: Path) -> None:
    found = Elements(page.read_text(encoding="utf-8"))
    assert not found.tags & {"script", "svg", "iframe", "object", "embed", "form", "link", "i"}
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    links = [value or "" for name, value in found.attributes if name in ("href", "src", "srcset")]
    assert all(link.startswith(("#", "data:image/svg+xml;base64,")) for link in links)
    assert page.read_text(encoding="utf-8").count("<style>") == 1


def test_hostile_lines_can_be_read(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "&lt;script&gt;document.title=&#x27;owned&#x27;&lt;/script&gt;" in text
    assert "\\u202e" in text
    assert "\u202e" not in text
    assert "&lt;b&gt;Title&lt;/b&gt; &amp; more" in text
    assert "more characters)" in text


def test_a_report_is_small(page: Path, incident: Snapshot, tmp_path: Path) -> None:
    assert page.stat().st_size < 3 << 20
    assert Path(incident.report(tmp_path / "report.html")).stat().st_size < 3 << 20


def test_a_browser_without_network_shows_it_and_runs_nothing(page: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright to open a browser")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium, which is not there")
    said: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for width in (1280, 390):
            context = browser.new_context(viewport={"width": width, "height": 844}, offline=True)
            tab = context.new_page()
            tab.on("console", lambda message: said.append(message.text))
            tab.on("pageerror", lambda error: said.append(str(error)))
            tab.on("dialog", lambda dialog: said.append(dialog.message))
            tab.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
            tab.goto(page.as_uri())
            assert tab.title() == "<b>Title</b> & more"
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert tab.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
            context.close()
        browser.close()
    assert said == []


def test_it_says_what_happened(incident: Snapshot, tmp_path: Path) -> None:
    text = Path(incident.report(tmp_path / "report.md", title="Locks", notes=["First.", "Second."])).read_text()
    assert text.startswith("# Locks\n")
    assert "It began in database" in text
    assert "canceling statement due to lock timeout" in text
    for heading in ("Summary", "Notes", "Timeline", "Impact", "What changed", "First seen", "How it spread", "Evidence",
                    "Ledger", "How this was made"):  # fmt: skip
        assert f"\n## {heading}\n" in text
    assert re.search(r"database\.log, generation 0, bytes [\d,]+ to [\d,]+", text)
    assert "All 2,5" in text.replace("\\", "")


def test_the_same_snapshot_gives_the_same_report(incident: Snapshot, tmp_path: Path) -> None:
    one, two = (Path(incident.report(tmp_path / name)).read_bytes() for name in ("one.html", "two.html"))
    assert one == two


def test_markdown_fences_are_longer_than_those_in_the_log(tmp_path: Path) -> None:
    text = Path(hostile().report(tmp_path / "hostile.md")).read_text()
    assert not re.search(r"(?m)^# not a heading", text)
    outside = re.sub(r"(?ms)^(`{3,})text\n.*?^\1$", "", text)
    assert "<script" not in re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", outside)


@pytest.mark.parametrize("text", ["a`b", "``", "`", "x | y", "", "a\nb"])
def test_a_code_span_stays_one(text: str) -> None:
    span = _code(text)
    ticks = re.match(r"`+", span)
    assert ticks is not None
    inner = span[len(ticks[0]) : -len(ticks[0])]
    assert ticks[0] not in re.findall(r"`+", inner)
    assert "\n" not in span


def test_plain_markdown_has_no_markup() -> None:
    assert _plain("*a* <b> [x](y)") == r"\*a\* &lt;b&gt; \[x\]\(y\)"


def test_an_element_escapes_all_but_elements() -> None:
    assert tag("p", "<x>", tag("b", "&"), class_='"') == '<p class="&quot;">&lt;x&gt;<b>&amp;</b></p>'


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("mail ann@example.org now", "mail [email-1] now"),
        ("from 192.0.2.17:443 to 2001:db8::1, at 09:26:15", "from [ip-1]:443 to [ip-2], at 09:26:15"),
        ("version 1.2.3.4567 stays, so does 300.1.1.1", "version 1.2.3.4567 stays, so does 300.1.1.1"),
        ("192.0.2.17 and 192.0.2.17", "[ip-1] and [ip-1]"),
        ("password=hunter22 user=ann", "password=[token-1] user=ann"),
        ("aws_secret_access_key=wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key=[token-1]"),
        ("DB_PASSWORD: hunter22", "DB_PASSWORD: [token-1]"),
        ('{"api_key": "abcd1234", "ok": 1}', '{"api_key": "[token-1]", "ok": 1}'),
        ("Authorization: Bearer abc.def-123456", "Authorization: Bearer [token-1]"),
        ("postgres://ann:secret@db/shop", "postgres://[token-1]@db/shop"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc", "[token-1]"),
        ("token accepted user=u1", "token accepted user=u1"),
    ],
)
def test_what_must_not_leave_the_house_is_replaced(text: str, redacted: str) -> None:
    assert Redactor(True)(text) == redacted


def test_custom_patterns_are_redacted_and_counted() -> None:
    redactor = Redactor(["email", r"order \d+"])
    assert redactor("order 17 of ann@example.org") == "[redacted-1] of [email-1]"
    assert redactor.counts == {"redacted": 1, "email": 1}
    assert "1 email" in redactor.sentence()


def test_a_pattern_that_is_none_is_refused() -> None:
    for given in ("(", 5, [None]):
        with pytest.raises(SettingError, match="regular expression"):
            Redactor(given)  # type: ignore[arg-type]


def test_a_kind_misspelt_is_not_taken_for_an_expression() -> None:
    with pytest.raises(SettingError, match="try 'email'"):
        Redactor("emial")
    assert Redactor("(?:emial)")("an emial") == "an [redacted-1]"


def test_a_cut_leaves_no_half_of_a_secret() -> None:
    text = "x" * 190 + " password=hunter22hunter22"
    assert "hunter" not in shown(text, Redactor(True), 205)


def test_redacting_a_huge_line_takes_no_time() -> None:
    redactor = Redactor(True)
    for line in ("a" * 200_000, "1." * 100_000, "token=" * 40_000, "a:" * 100_000, "a@" * 100_000):
        shown(line, redactor, 200)


def test_nothing_to_be_redacted_is_in_the_file(incident: Snapshot, tmp_path: Path) -> None:
    text = Path(incident.report(tmp_path / "report.md", redact=["ip", r"lock timeout"])).read_text()
    assert "lock timeout" not in text
    assert not re.search(r"\b192\.0\.2\.\d+", text)


def test_a_report_goes_to_a_folder_that_is_there_under_a_name_it_knows(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"\.html or \.md"):
        hostile().report(tmp_path / "report.pdf")
    with pytest.raises(SettingError, match="title as text"):
        hostile().report(tmp_path / "report.html", title=None)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="notes as a text"):
        hostile().report(tmp_path / "report.html", notes=5)  # type: ignore[arg-type]
    with pytest.raises(PathError):
        hostile().report(tmp_path / "nowhere" / "report.html")


def test_a_report_never_replaces_a_log(tmp_path: Path) -> None:
    log = tmp_path / "app.md"
    log.write_text("2026-03-01 12:00:00,000 ERROR boom\n" * 20)
    snap = logkit.read(log, progress=False)
    with pytest.raises(SettingError, match="beside the logs"):
        snap.report(log, window=("2026-03-01", "2026-03-02"))


def test_names_that_take_all_the_room_leave_some_for_the_data() -> None:
    found = []

    def draw(_: Plots, ax: Axes) -> None:
        ax.barh([0], [1])
        ax.set_yticks([0], ["W" * 200])
        ax.set_title("W\n" * 40)
        found.append(ax)

    figure(snapshot(part(rows({"message": "one"}))), str, draw, "", ("",), (2.0, 2.0))
    assert len(found) == 2
    assert all(min(ax.get_position().width, ax.get_position().height) >= 0.099 for ax in found)


def test_what_goes_wrong_aside_goes_wrong_for_who_asked() -> None:
    def ask() -> int:
        raise ZeroDivisionError("aside")

    with pytest.raises(ZeroDivisionError, match="aside"), aside(ask) as answer:
        answer()
    with aside(lambda: threading.current_thread().name) as name:
        assert name() == "logkit-report"
    assert "logkit-report" not in {thread.name for thread in threading.enumerate()}


def test_a_report_about_a_time_without_events_says_so_and_writes_nothing(tmp_path: Path) -> None:
    snap = snapshot(part(rows({"timestamp": NOON, "message": "one"}, {"timestamp": NOON + SECOND, "message": "two"})))
    with pytest.raises(SettingError, match="expected events in the window, found none"):
        snap.report(tmp_path / "r.html", window=("2026-03-01 10:00", "2026-03-01 10:01"))
    assert list(tmp_path.iterdir()) == []
