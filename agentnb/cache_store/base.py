"""Where answers are kept to be used again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

from agentnb.core import Component

T = TypeVar("T")


class CacheStore(Component, ABC, Generic[T]):
    """Values by key; what cannot be reached counts as not there.

    A store is written as where it is, never with what it holds.
    """

    component_type: ClassVar[str] = "cache_store"

    @abstractmethod
    def get(self, key: str, default: T | None = None) -> T | None:
        """Return the value of a key, or `default`."""

    @abstractmethod
    def set(self, key: str, value: T) -> None:
        """Keep a value under a key, in place of what was there."""


class InMemoryStore(CacheStore[T]):
    """Values in a dict, gone with the process.

    ```python
    store = InMemoryStore[int]()
    store.set("answers", 42)
    ```

    Attributes:
        store: The values by key.
    """

    def __init__(self) -> None:
        self.store: dict[str, T] = {}

    def get(self, key: str, default: T | None = None) -> T | None:
        return self.store.get(key, default)

    def set(self, key: str, value: T) -> None:
        self.store[key] = value
