"""Values by key."""

from __future__ import annotations

from agentnb.cache_store import InMemoryStore


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
