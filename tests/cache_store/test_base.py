"""Values by key."""

from __future__ import annotations

from typing import assert_type

import pytest

from agentnb.cache_store import CacheStore, InMemoryStore
from agentnb.core import ComponentModel, is_component_class


def test_a_value_is_found_under_its_key_and_the_default_elsewhere() -> None:
    store: InMemoryStore[str] = InMemoryStore()
    store.set("a", "1")
    store.set("a", "2")

    assert (store.get("a"), store.get("b"), store.get("b", "none")) == ("2", None, "none")


def test_what_a_store_holds_is_not_part_of_its_description() -> None:
    store: InMemoryStore[str] = InMemoryStore()
    store.set("a", "1")

    assert store.dump_component().config == {}
    assert InMemoryStore.load_component(store.dump_component()).get("a") is None


def test_a_value_that_is_none_is_a_value() -> None:
    store: InMemoryStore[str | None] = InMemoryStore()
    store.set("a", None)

    assert store.get("a", "none") is None


def test_its_values_are_in_its_dict() -> None:
    store = InMemoryStore[int]()
    store.set("a", 1)

    assert store.store == {"a": 1}
    assert_type(store.get("a"), int | None)


def test_two_stores_share_nothing() -> None:
    one, other = InMemoryStore[int](), InMemoryStore[int]()
    one.set("a", 1)

    assert other.store == {}


def test_it_is_written_as_autogen_writes_it() -> None:
    dumped = InMemoryStore[int]().dump_component()

    assert dumped == ComponentModel(
        provider="agentnb.cache_store.InMemoryStore",
        component_type="cache_store",
        version=1,
        component_version=1,
        description="Values in a dict, gone with the process.",
        label="InMemoryStore",
        config={},
    )
    assert is_component_class(InMemoryStore)
    assert isinstance(CacheStore.load_component(dumped), InMemoryStore)


def test_the_contract_itself_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        CacheStore()  # type: ignore[abstract]
