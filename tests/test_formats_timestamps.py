"""Written times become microseconds since 1970 in UTC, whatever the layout."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logkit.errors import FormatError
from logkit.formats.base import TimeRules
from logkit.formats.block import Block, Text, split_lines
from logkit.formats.layouts import ZONES
from logkit.formats.timestamps import read_times, scan_times, starts_with_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ISO = "%Y-%m-%d %H:%M:%S%f"
ISO_ZONE = ISO + "%z"
CLF = "%d/%b/%Y:%H:%M:%S %z"
SYSLOG = "%b %e %H:%M:%S"


def us_of(time: datetime) -> int:
    return (time - EPOCH) // timedelta(microseconds=1)


def rules(reference: str = "2026-03-01T12:00:00+00:00", timezone: str = "UTC") -> TimeRules:
    return TimeRules(timezone, us_of(datetime.fromisoformat(reference)))


def read(texts: list[str], layout: str, given_rules: TimeRules | None = None) -> list[datetime | None]:
    raw = [text.encode() for text in texts]
    stops = np.cumsum([len(text) + 1 for text in raw]) - 1
    starts = stops - np.array([len(text) for text in raw])
    us, ok = read_times(Text(Block.of(b"\n".join(raw)), starts, stops), layout, given_rules or rules())
    assert us.dtype == np.int64
    assert not us[~ok].any()
    pairs = zip(us.tolist(), ok.tolist(), strict=True)
    return [EPOCH + timedelta(microseconds=value) if good else None for value, good in pairs]


def one(text: str, layout: str, given_rules: TimeRules | None = None) -> str | None:
    found = read([text], layout, given_rules)[0]
    return None if found is None else found.isoformat()


WRITTEN: dict[str, tuple[str, Callable[[datetime], str], timedelta]] = {
    "comma": (ISO, lambda t: t.strftime("%Y-%m-%d %H:%M:%S,%f"), timedelta(microseconds=1)),
    "point-T": (ISO, lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.%f"), timedelta(microseconds=1)),
    "ms": (ISO, lambda t: t.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3], timedelta(milliseconds=1)),
    "nanoseconds": (ISO, lambda t: t.strftime("%Y-%m-%d %H:%M:%S.%f") + "999", timedelta(microseconds=1)),
    "seconds": (ISO, lambda t: t.strftime("%Y-%m-%d %H:%M:%S"), timedelta(seconds=1)),
    "minutes": ("%Y-%m-%d %H:%M", lambda t: t.strftime("%Y-%m-%d %H:%M"), timedelta(minutes=1)),
    "zulu": (ISO_ZONE, lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), timedelta(microseconds=1)),
    "zoned": (
        ISO_ZONE,
        lambda t: t.astimezone(ZoneInfo("Asia/Kolkata")).isoformat(timespec="microseconds"),
        timedelta(microseconds=1),
    ),
    "perhaps-zoned": (ISO_ZONE + "|" + ISO, lambda t: t.strftime("%Y-%m-%d %H:%M:%S"), timedelta(seconds=1)),
    "clf": (CLF, lambda t: t.astimezone(ZoneInfo("Asia/Tokyo")).strftime("%d/%b/%Y:%H:%M:%S %z"), timedelta(seconds=1)),
    "apache-error": (
        "%a %b %d %H:%M:%S%f %Y",
        lambda t: t.strftime("%a %b %d %H:%M:%S.%f %Y"),
        timedelta(microseconds=1),
    ),
    "long": ("%A, %B %-d, %Y %I:%M:%S %p", lambda t: t.strftime("%A, %B %d, %Y %I:%M:%S %p"), timedelta(seconds=1)),
    "compact": ("%Y%m%d %H%M%S", lambda t: t.strftime("%Y%m%d %H%M%S"), timedelta(seconds=1)),
    "colon-ms": ("%F %T:%3f", lambda t: t.strftime("%Y-%m-%d %H:%M:%S:%f")[:-3], timedelta(milliseconds=1)),
}


@pytest.mark.parametrize("case", WRITTEN)
@settings(deadline=None, max_examples=50)
@given(
    data=st.lists(
        st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)), min_size=1, max_size=8
    )
)
def test_what_a_layout_wrote_it_reads_to_the_microsecond(case: str, data: list[datetime]) -> None:
    layout, write, unit = WRITTEN[case]
    times = [EPOCH + (time - EPOCH) // unit * unit for time in data]
    assert read([write(time) for time in times], layout) == times


@settings(deadline=None, max_examples=200)
@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2036, 12, 31)),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]),
)
def test_times_without_a_zone_are_on_the_clocks_of_the_rules_zone(local: datetime, zone: str) -> None:
    expected = local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
    assert read([local.isoformat(timespec="microseconds")], ISO, rules(timezone=zone)) == [expected]


def test_of_a_time_there_twice_the_earlier_is_meant() -> None:
    assert one("2026-10-25 02:30:00", ISO, rules(timezone="Europe/Berlin")) == "2026-10-25T00:30:00+00:00"


@pytest.mark.parametrize(
    ("zone", "text", "utc"),
    [
        ("Europe/Berlin", "2026-03-29 02:30:00", "2026-03-29T01:30:00+00:00"),
        ("Pacific/Apia", "2011-12-30 12:00:00", "2011-12-30T22:00:00+00:00"),
    ],
)
def test_a_time_the_clocks_left_out_is_read_as_if_they_had_not_been_changed(zone: str, text: str, utc: str) -> None:
    assert one(text, ISO, rules(timezone=zone)) == utc


def test_a_written_zone_wins_over_the_rules_zone() -> None:
    assert one("2026-03-01T12:00:00+01:00", ISO_ZONE, rules(timezone="Asia/Tokyo")) == "2026-03-01T11:00:00+00:00"


@pytest.mark.parametrize("zone", ["+0130", "+01:30", " +01:30", " +0130"])
def test_offsets_read_with_and_without_colon_and_blank(zone: str) -> None:
    assert one(f"2026-03-01 12:00:00.5{zone}", ISO_ZONE) == "2026-03-01T10:30:00.500000+00:00"


@pytest.mark.parametrize(
    ("zone", "hour"), [("Z", 12), ("z", 12), ("+02", 10), ("-02", 14), (" -02", 14), ("-00:00", 12)]
)
def test_short_offsets_read(zone: str, hour: int) -> None:
    assert one(f"2026-03-01T12:00:00{zone}", ISO_ZONE) == f"2026-03-01T{hour}:00:00+00:00"


@pytest.mark.parametrize("zone", ["", "+", "+1", "+01:", "+01:3", "+24:00", "+01:60", "Q", " ", "+012"])
def test_malformed_offsets_are_not_ok(zone: str) -> None:
    assert one(f"2026-03-01T12:00:00{zone}", ISO_ZONE) is None


@pytest.mark.parametrize("name", [name for name in ZONES if name != "Z"])
def test_names_of_zones_read(name: str) -> None:
    expected = datetime(2026, 3, 1, 12, tzinfo=UTC) - timedelta(minutes=ZONES[name])
    assert read([f"2026-03-01 12:00:00 {name}"], "%F %T %Z") == [expected]


def test_an_unknown_zone_is_not_ok() -> None:
    assert read(["2026-03-01 12:00:00 XYZ", "2026-03-01 12:00:00 CETX"], "%F %T %Z") == [None, None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1772366400", "2026-03-01T12:00:00+00:00"),
        ("1772366400.25", "2026-03-01T12:00:00.250000+00:00"),
        ("1772366400250", "2026-03-01T12:00:00.250000+00:00"),
        ("1772366400250001", "2026-03-01T12:00:00.250001+00:00"),
        ("1772366400250001999", "2026-03-01T12:00:00.250001+00:00"),
        ("17723664", None),
        ("17723664002500019990", None),
        ("1772366400x", None),
    ],
)
def test_epoch_numbers_tell_their_unit_by_their_digits(text: str, expected: str | None) -> None:
    assert one(text, "%s") == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-13-01 12:00:00", "2026-00-01 12:00:00", "2026-02-30 12:00:00", "2025-02-29 12:00:00",
        "2100-02-29 12:00:00",
        "2026-04-31 12:00:00", "2026-03-00 12:00:00", "2026-03-01 24:00:00", "2026-03-01 12:60:00",
        "2026-03-01 12:00:61",
        "1969-12-31 12:00:00", "2200-01-01 12:00:00", "2026-03-01 12:00:0", "2026-03-01 12:00:00x",
        "2026-03-01 12:00:00.",
        "2026-03-01 12:00:00.1234567890", "2026-03-01x12:00:00", "2026/03/01 12:00:00", "\uff12026-03-01 12:00:00", "",
        "2026-03-01 12:00:000", " 2026-03-01 12:00:00", "202-03-001 12:00:00",
    ],
)  # fmt: skip
def test_times_that_do_not_exist_are_not_ok(text: str) -> None:
    assert one(text, ISO) is None


def test_29_february_exists_in_leap_years() -> None:
    assert one("2000-02-29 00:00:00", ISO) == "2000-02-29T00:00:00+00:00"
    assert one("2024-02-29 00:00:00", ISO) == "2024-02-29T00:00:00+00:00"


def test_a_leap_second_is_the_last_microsecond_of_its_minute() -> None:
    assert one("2016-12-31 23:59:60", ISO) == "2016-12-31T23:59:59.999999+00:00"
    assert one("2016-12-31 23:59:60.5", ISO) == "2016-12-31T23:59:59.999999+00:00"
    assert one("December 31 2016 23:59:60", "%B %d %Y %T") == "2016-12-31T23:59:59.999999+00:00"


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("Mar  1 11:59:59", "2026-03-01T12:00:00+00:00", "2026-03-01T11:59:59+00:00"),
        ("Mar  2 12:00:00", "2026-03-01T12:00:00+00:00", "2026-03-02T12:00:00+00:00"),
        ("Mar  2 12:00:01", "2026-03-01T12:00:00+00:00", "2025-03-02T12:00:01+00:00"),
        ("Dec 31 23:59:59", "2026-01-01T00:00:10+00:00", "2025-12-31T23:59:59+00:00"),
        ("Jan  1 00:00:01", "2025-12-31T23:59:00+00:00", "2026-01-01T00:00:01+00:00"),
        ("Feb 29 12:00:00", "2026-03-01T12:00:00+00:00", "2024-02-29T12:00:00+00:00"),
        ("Feb 29 12:00:00", "2103-03-01T12:00:00+00:00", "2096-02-29T12:00:00+00:00"),
        ("Feb 30 12:00:00", "2026-03-01T12:00:00+00:00", None),
        ("Mar 31 12:00:00", "2026-03-31T12:00:00+00:00", "2026-03-31T12:00:00+00:00"),
    ],
)
def test_a_time_without_a_year_is_near_the_reference_and_at_most_a_day_after(
    text: str, reference: str, expected: str | None
) -> None:
    assert one(text, SYSLOG, rules(reference)) == expected


@settings(deadline=None, max_examples=50)
@given(
    st.datetimes(datetime(1980, 1, 1), datetime(2190, 1, 1), timezones=st.just(UTC)), st.integers(-364 * 86_400, 86_400)
)
def test_a_year_left_out_is_found_again(reference: datetime, seconds: int) -> None:
    time = (reference + timedelta(seconds=seconds)).replace(microsecond=0)
    if time > reference + timedelta(days=1):
        return
    text = f"{time:%b} {time.day:2} {time:%H:%M:%S}"
    assert read([text], SYSLOG, TimeRules(reference_us=us_of(reference))) == [time]


@settings(deadline=None, max_examples=50)
@given(
    st.datetimes(datetime(1980, 1, 1), datetime(2190, 1, 1), timezones=st.just(UTC)),
    st.integers(-43_199, 43_199),
)
def test_a_time_without_a_date_is_within_half_a_day_of_the_reference(reference: datetime, seconds: int) -> None:
    time = (reference + timedelta(seconds=seconds)).replace(microsecond=0)
    if abs(time - reference) >= timedelta(hours=12):
        return
    assert read([f"{time:%H:%M:%S}"], "%H:%M:%S", TimeRules(reference_us=us_of(reference))) == [time]


def test_names_of_months_and_weekdays_read_in_any_case() -> None:
    for text in ("01/mar/2026:12:00:00 +0000", "01/MAR/2026:12:00:00 +0000"):
        assert one(text, CLF) == "2026-03-01T12:00:00+00:00"
    assert one("SUNDAY 1 march 2026 1:02:03 pm", "%A %-d %B %Y %-I:%M:%S %p") == "2026-03-01T13:02:03+00:00"
    assert one("Sunday 1 marsh 2026 1:02:03 pm", "%A %-d %B %Y %-I:%M:%S %p") is None
    assert one("01/Mrz/2026:12:00:00 +0000", CLF) is None


def test_two_digit_years_are_1970_to_2069() -> None:
    assert read(["70/01/01 00:00:00", "69/01/01 00:00:00"], "%y/%m/%d %T") == [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2069, 1, 1, tzinfo=UTC),
    ]


def test_of_several_layouts_the_first_that_fits_each_row_wins() -> None:
    layout = f"{CLF}|{ISO_ZONE}|{ISO}|%s"
    texts = [
        "2026-03-01 12:00:00,5",
        "01/Mar/2026:13:00:00 +0100",
        "nothing",
        "1772366400",
        "2026-03-01T11:00:00-01:00",
    ]
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert read(texts, layout) == [noon + timedelta(milliseconds=500), noon, None, noon, noon]


def test_a_row_reads_the_same_whatever_its_neighbours() -> None:
    texts = [f"2026-03-0{day} 1{hour}:0{minute}:00{tail}" for day in (1, 9) for hour in (0, 5) for minute in (0, 7)
             for tail in ("", ",1", ".123456789", "Z", "+01:00", " -0130", "x", ".5Z", ",")]  # fmt: skip
    layout = f"{ISO_ZONE}|{ISO}"
    alone = [read([text], layout)[0] for text in texts]
    assert read(texts, layout) == alone
    assert read(texts[::-1], layout) == alone[::-1]
    assert sum(time is None for time in alone) == 2 * len(texts) // 9


def test_a_field_ends_where_it_ends_whatever_stands_behind_it() -> None:
    texts = ["2026-03-01 12:00:00", ",123", "2026-03-01 12:00:00,1", "23", "2026-03-01 12:00:00.5+01", "00", "1"]
    stops = np.cumsum([len(text) for text in texts])
    text = Text(Block.of("".join(texts).encode()), np.append(0, stops[:-1]), stops)
    us, ok = read_times(text, f"{ISO_ZONE}|{ISO}", rules())
    noon = us_of(datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert ok.tolist() == [True, False, True, False, True, False, False]
    assert us[ok].tolist() == [noon, noon + 100_000, noon + 500_000 - 3_600_000_000]


def test_a_scan_tells_where_each_time_ends() -> None:
    block = Block.of(
        b"2026-03-01 12:00:00,123 INFO\n2026-03-01 12:00:00 -x\n2026-03-01T12:00:00Z: x\nnone at all here yet\n"
    )
    lines = split_lines(block)
    scan = scan_times(block, lines.start, lines.stop, f"{ISO_ZONE}|{ISO}", rules())
    assert scan.ok.tolist() == [True, True, True, False]
    assert (scan.stop - lines.start).tolist() == [23, 19, 20, 0]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.one_of(st.binary(max_size=40), st.from_regex(rb"\A20[0-9]{2}-[01][0-9]-[0-3][0-9][ T:0-9.,+-]*\Z"))))
def test_no_bytes_make_reading_raise(values: list[bytes]) -> None:
    block = Block.of(b"\n".join(values))
    lines = split_lines(block)
    for layout, _, _ in WRITTEN.values():
        us, ok = read_times(Text(block, lines.start, lines.stop), layout, rules())
        assert len(us) == len(ok) == len(lines)
        starts_with_time(lines, layout)
    for layout in (SYSLOG, "%s", "%H:%M:%S%f", "%F %T %Z", "%A %A %A, the year %Y %B %d %H:%M:%S%f%z"):
        read_times(Text(block, lines.start, lines.stop), layout, rules(timezone="Europe/Berlin"))


@pytest.mark.parametrize("case", WRITTEN)
@settings(deadline=None, max_examples=50)
@given(time=st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)))
def test_every_line_with_a_time_has_its_shape(case: str, time: datetime) -> None:
    layout, write, _ = WRITTEN[case]
    lines = split_lines(Block.of(f"[{write(time)}] x\n\tat {write(time)}\n[\n{write(time)[:-9]}".encode()))
    assert starts_with_time(lines, layout, b"[").tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    "line", ["2026-03-01", "2026-03-01 12:00:0x", "at 2026-03-01 12:00:00", "2026-03-01 1 :00:00", "x" * 40]
)
def test_other_lines_do_not_have_the_shape_of_a_time(line: str) -> None:
    assert not starts_with_time(split_lines(Block.of(line.encode())), ISO).any()


@pytest.mark.parametrize(
    ("layout", "position"),
    [("%Y-%m-%d %Q", 9), ("%Y-%m", 0), ("no directive", 0), (f"{ISO}|%d", 20), ("", 0), ("%F %T%", 5)],
)
def test_a_layout_that_makes_no_sense_is_refused_with_its_place(layout: str, position: int) -> None:
    with pytest.raises(FormatError, match="expected") as caught:
        read(["x"], layout)
    assert caught.value.position == position


def test_no_rows_are_no_times() -> None:
    us, ok = read_times(Text(Block.of(b""), np.zeros(0, np.int64), np.zeros(0, np.int64)), ISO, rules())
    assert len(us) == len(ok) == 0
