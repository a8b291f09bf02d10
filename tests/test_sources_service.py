"""Which service a record is said to belong to."""

from __future__ import annotations

import polars as pl
import pytest

from logkit.errors import SettingError
from logkit.sources.service import ServiceRule, service_of_path


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("payments-2026-03-01.log.2.gz", "payments"),
        ("payments.log", "payments"),
        ("access_log", "access_log"),
        ("nginx.access.log.1", "nginx.access"),
        ("app-20260301.log", "app"),
        ("app.log-20260301", "app"),
        ("web-1.log", "web"),
        ("orders.json.gz", "orders"),
        ("syslog", "syslog"),
        ("2026-03-01.log", "2026-03-01.log"),
        (".log", "log"),
    ],
)
def test_a_files_service_is_its_name_without_date_number_and_extensions(name: str, service: str) -> None:
    assert service_of_path(f"/var/log/{name}") == service


EVENTS = pl.DataFrame({"service": ["a", None], "host": ["h1", "h2"]})


def applied(rule: object, path: str = "/logs/shop/web.log") -> list[str]:
    return ServiceRule.of(rule).apply(path, EVENTS)["service"].to_list()


def test_the_lines_own_service_comes_before_the_files_name() -> None:
    assert applied(None) == ["a", "web"]


def test_a_pattern_on_the_path_names_every_record_where_it_matches() -> None:
    assert applied(r"/([^/]+)/[^/]+$") == ["shop", "shop"]
    assert applied(r"no match") == ["a", "web"]


def test_a_function_of_the_path_or_of_path_and_events_names_records() -> None:
    assert applied(lambda path: path.upper()) == ["/LOGS/SHOP/WEB.LOG"] * 2
    assert applied(lambda path, events: events["host"]) == ["h1", "h2"]
    assert applied(lambda path: None) == ["a", "web"]


def test_an_expression_over_the_columns_names_records() -> None:
    assert applied(pl.col("host").str.to_uppercase()) == ["H1", "H2"]


def test_a_bad_pattern_shows_where() -> None:
    with pytest.raises(SettingError) as caught:
        ServiceRule.of(r"/logs/(\w+/")
    assert "character 6" in str(caught.value)
    assert "\n          ^" in str(caught.value)
    with pytest.raises(SettingError, match="found int"):
        ServiceRule.of(7)
