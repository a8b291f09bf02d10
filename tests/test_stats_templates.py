"""Templates: each message matches its own, and which messages share one depends on nothing but the messages."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logkit.stats.clusters import templates
from logkit.stats.masks import WILDCARD, mask
from logkit.stats.templates import Templates, expression, id_of, parameter_names, parameters
from tests.bench.patterns import GOALS, accuracy, systems, template_of_each
from tests.pattern_cases import SYSTEMS, messages

WORDS = ("disk", "full", "alice", "bob", "carol", "dave", "erin", "7", "x1", "/a/b", "k=v", '"q r"', "'s'", "()", "<*>")
GAPS = (" ", "  ", "\t", "\n", ":", "", ", ", "=")
texts = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(GAPS)), max_size=6).map(
    lambda parts: "".join(word + gap for word, gap in parts)
)
hostile = st.one_of(texts, st.text(max_size=40), st.from_regex(r"[\w.<*>\[\]$^\\{}()|+?/\-'\" ]{0,60}"))


@given(st.lists(hostile, min_size=1, max_size=20))
@example(["a  1", "a 1", "x" * 500, "x" * 400 + "\nmore", "", "\n", "<*><*>", "a\u2028b 5", "\x00 1", "[ ( 1"])
def test_each_message_matches_its_template_and_its_parameters_give_it_back(given_messages: list[str]) -> None:
    found = template_of_each(pl.Series(given_messages, dtype=pl.String))
    for message, template in zip(given_messages, found.to_list(), strict=True):
        assert pl.Series([message]).str.contains(expression(template)).all()
        values = parameters(template, pl.Series([message])).row(0) if WILDCARD in template else ()
        literals = template.split(WILDCARD)
        assert "".join(one for pair in zip(literals, [*values, ""], strict=True) for one in pair) == message


@given(st.lists(hostile, max_size=20), st.randoms(use_true_random=False))
def test_templates_depend_on_the_set_of_messages_alone(given_messages: list[str], rng: random.Random) -> None:
    masked = mask(pl.Series(given_messages, dtype=pl.String)).texts
    shuffled = rng.sample(list(masked) * 2, 2 * len(masked))
    assert templates(shuffled) == templates(masked)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("lines", [300, 3000])
def test_messages_are_grouped_by_the_statement_that_made_them(system: str, lines: int) -> None:
    made = messages(system, lines)
    assert accuracy(template_of_each(made["message"]), made["statement"]) >= 0.95


def test_the_corpus_is_grouped_as_it_is_labelled(corpus: Path) -> None:
    labelled = systems(corpus / "templates")
    if not labelled:
        pytest.skip("needs labelled logs in templates/ of the corpus, which are not there")
    found = [accuracy(template_of_each(one["Content"]), one["EventTemplate"]) for one in labelled.values()]
    assert sum(found) / len(found) >= GOALS["accuracy"]


@pytest.mark.parametrize(
    ("alike", "apart"),
    [
        (["user alice in", "user bob in", "user carol in", "user dave in", "user erin in"], []),
        (["class a.b.C loaded", "class a.b.D loaded"], []),  # names that are not prose
        (['open "x y" ok', 'open "z" ok'], []),
        ([], ["VM started ok", "VM paused ok", "VM stopped ok"]),
        (
            [],
            [
                "task spawned ok",
                "task killed ok",
                "task joined ok",
                "task parked ok",
                "task failed ok",
                "task moved ok",
            ],
        ),
        ([], ["getTasks: not allowed", "getProcesses: not allowed"]),
        ([], ["link up now", "link down now"]),
    ],
)
def test_what_is_evidence_and_what_is_not(alike: list[str], apart: list[str]) -> None:
    found = templates([*alike, *apart])
    assert len({found[text] for text in alike}) == bool(alike)
    assert all(found[text] == text for text in apart)


def test_values_known_from_one_place_are_values_in_another() -> None:
    users = ["alice", "bob", "carol", "dave", "erin"]
    found = templates([*(f"user {one} logged in" for one in users), "door of alice shut", "door of bob shut"])
    assert found["door of bob shut"] == "door of <*> shut"


def test_gaps_of_different_widths_go_into_a_wildcard() -> None:
    assert set(templates(["at  <*> now", "at <*> now"]).values()) == {"at <*> now"}


def test_an_id_can_be_read_and_is_the_same_in_every_process() -> None:
    assert id_of("Failed password for <*> from <*>") == id_of("Failed password for <*> from <*>")
    assert id_of("Failed password for <*> from <*>").startswith("failed-password-for-from-")
    assert id_of("<b>\n<*>") != id_of("<b>")
    assert id_of(WILDCARD).isalnum()


def test_parameters_are_called_after_what_stands_before_them() -> None:
    template = 'a <*> user=<*> size: <*>, user = "<*>" <*>'
    assert parameter_names(template) == ["p1", "user", "size", "user_4", "p5"]


def test_a_masked_message_that_was_not_kept_apart_has_the_template_of_its_beginning() -> None:
    found = Templates(templates(["user login <*>", "<*>"]))
    assert found.id_of_mask("user login zoe") == id_of("user login <*>")
    assert found.id_of_mask("something else entirely") == id_of(WILDCARD)
