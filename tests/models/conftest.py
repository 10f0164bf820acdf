"""A model server on the loopback interface, and no wall clock between retries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.models.clients import Sleeps, make
from tests.models.server import OpenAIServer

__all__ = ["make"]


@pytest.fixture
def openai_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """Give a server that answers as the test says; nothing in the environment names another."""
    for name in ("OPENAI_MODEL", "GEMINI_API_KEY", "ANTHROPIC_API_KEY", "LLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def sleeps() -> Sleeps:
    return Sleeps()
