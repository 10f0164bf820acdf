"""What a model that chooses speakers is asked, and how its answer is read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentnb.messages import Image, MultiModalMessage, SystemMessage
from agentnb.teams.selector_prompt import DEFAULT_SELECTOR_PROMPT, history, names_in, objection, roles


def test_pictures_stand_as_a_word_in_the_history() -> None:
    pixel = Image.from_uri(
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
    )
    message = MultiModalMessage(content=["see", pixel], source="user").to_model_message()

    assert history([SystemMessage(content="obey"), message]) == "user: see [image]"


def test_a_role_is_one_line_whatever_its_description_looks_like() -> None:
    assert roles({"ana": "writes\n  poems\tonly ", "ben": ""}) == "ana: writes poems only\nben:"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("ana", ["ana"]),
        ("  ana\n", ["ana"]),
        ("**ana**", ["ana"]),
        ('{"name": "ana"}', ["ana"]),
        ("I choose ana. Yes, ana!", ["ana"]),
        ("ana or ben", ["ana", "ben"]),
        ("ben, then ana", ["ben", "ana"]),
        ("anabel", []),
        ("Diana", []),
        ("ana2", []),
        ("", []),
        ("data_ana", []),
        ("ana_maria", ["ana_maria"]),
        ("ana maria", ["ana_maria"]),
        (r"ana\_maria", ["ana_maria"]),
        ("ana marianne", ["ana"]),
        ("ana maria and ana", ["ana_maria", "ana"]),
        ("The C++ team", ["C++ team"]),
        ("team [x]", ["team [x]"]),
        ("ben_and_ana", ["ben_and_ana"]),
        ("ben and ana", ["ben and ana"]),
    ],
)
def test_a_name_is_found_where_it_stands_by_itself(answer: str, found: list[str]) -> None:
    names = ["ana", "ben", "ana_maria", "C++ team", "team [x]", "ben_and_ana", "ben and ana"]

    assert names_in(answer, names) == found


@settings(deadline=None)
@given(
    st.lists(st.from_regex(r"[a-z][a-z_]{0,5}", fullmatch=True), min_size=1, max_size=6, unique=True),
    st.data(),
)
def test_a_name_alone_is_always_found_alone(names: list[str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(names))
    around = data.draw(st.sampled_from(["{}", " {} ", "{}.", "**{}**", "'{}'", "({})\n"]))

    assert names_in(around.format(name), names) == [name]


def test_the_default_prompt_knows_its_three_parts() -> None:
    assert all(part in DEFAULT_SELECTOR_PROMPT for part in ("{roles}", "{participants}", "{history}"))


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([], "Your answer names none of the participants."),
        (["ana", "ben"], "Your answer names ana and ben; only one may speak."),
        (["ana"], "ana has just spoken and may not speak twice in a row."),
        (["cara"], "cara may not speak now."),
    ],
)
def test_the_model_is_told_what_is_wrong_and_who_may_speak(found: list[str], says: str) -> None:
    assert objection(found, ["ben"], "ana") == f"{says} Answer with one name from ['ben'] and nothing else."


def test_there_is_nothing_against_a_candidate_even_if_it_spoke_last() -> None:
    assert objection(["ana"], ["ana", "ben"], "ana") is None
