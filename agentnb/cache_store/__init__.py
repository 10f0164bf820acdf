"""Stores for what should not be asked twice."""

from __future__ import annotations

from agentnb.cache_store.base import CacheStore, InMemoryStore

__all__ = ["CacheStore", "InMemoryStore"]
