"""Names of agents and topics."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.core import AgentId, AgentType, TopicId

agent_types = st.from_regex(r"[A-Za-z0-9_\-.]{1,20}", fullmatch=True)
topic_types = st.from_regex(r"[A-Za-z0-9_\-.:=]{1,20}", fullmatch=True)
anything = st.text(max_size=30)


@given(agent_types, anything)
def test_an_agent_id_comes_back_from_its_text_whatever_its_key(type_: str, key: str) -> None:
    agent_id = AgentId(type_, key)

    assert AgentId.from_str(str(agent_id)) == agent_id


@given(topic_types, anything)
def test_a_topic_id_comes_back_from_its_text_whatever_its_source(type_: str, source: str) -> None:
    topic_id = TopicId(type_, source)

    assert TopicId.from_str(str(topic_id)) == topic_id


def test_ids_are_equal_and_hash_alike_by_type_and_key() -> None:
    assert AgentId("a", "1") == AgentId(AgentType("a"), "1")
    assert hash(AgentId("a", "1")) == hash(AgentId(AgentType("a"), "1"))
    assert len({AgentId("a", "1"), AgentId("a", "2"), AgentId("b", "1")}) == 3
    assert AgentId("a", "1") != "a/1"


def test_an_agent_id_shows_how_it_is_made() -> None:
    assert repr(AgentId("writer", "k")) == 'AgentId(type="writer", key="k")'


@pytest.mark.parametrize("bad", ["", "a b", "a/b", "a:b", "a=b", "a\n"])
def test_an_agent_type_that_would_not_come_back_is_refused_by_name(bad: str) -> None:
    with pytest.raises(ValueError, match="may hold letters") as caught:
        AgentId(bad, "k")

    assert repr(bad) in str(caught.value)


def test_the_first_slash_ends_the_type_and_keys_may_hold_more() -> None:
    assert AgentId.from_str("a/b/c") == AgentId("a", "b/c")
    assert TopicId.from_str("a:b/c/d") == TopicId("a:b", "c/d")
    assert AgentId.from_str("a/") == AgentId("a", "")


def test_an_agent_type_may_be_given_as_text_or_as_a_type() -> None:
    assert AgentId(AgentType("a"), "k").type == "a"
    assert AgentType("a") == AgentType("a") != AgentType("b")
    assert hash(AgentType("a")) == hash(AgentType("a"))
    assert AgentType("not checked: a runtime does that").type


def test_a_topic_prefix_of_a_type_can_never_be_an_agent_type() -> None:
    assert TopicId("writer:", "k").type == "writer:"
    with pytest.raises(ValueError, match="'writer:' may hold"):
        AgentId("writer:", "k")


def test_ids_say_themselves_in_texts() -> None:
    assert f"{AgentId('a', 'k')} {TopicId('t', 's')}" == "a/k t/s"


@pytest.mark.parametrize("good", ["a:", "a:b", "k=v", "a.b-c_d"])
def test_topic_types_may_hold_colons_and_equals_signs(good: str) -> None:
    assert TopicId(good, "").type == good


@pytest.mark.parametrize("bad", ["", "a b", "a/b", "a\n"])
def test_a_topic_type_that_would_not_come_back_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="Topic type"):
        TopicId(bad, "s")


@pytest.mark.parametrize("read", [AgentId.from_str, TopicId.from_str])
def test_a_text_without_a_slash_is_no_id(read: type) -> None:
    with pytest.raises(ValueError, match="'noslash' is not of the form"):
        read("noslash")


def test_a_topic_id_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        TopicId("a", "b").type = "c"  # type: ignore[misc]


def test_a_type_that_is_no_text_is_refused_and_named() -> None:
    for make in (lambda: AgentId(5, "k"), lambda: AgentType(5), lambda: TopicId(5, "s")):  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="type is a text, not 5; write "):
            make()


def test_the_type_of_a_type_is_that_type() -> None:
    nested = AgentType(AgentType("writer"))  # type: ignore[arg-type]

    assert nested == AgentType("writer")
    assert AgentId(nested, "k") == AgentId("writer", "k")
