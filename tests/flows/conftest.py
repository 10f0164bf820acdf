"""The loopback model server of the model tests."""

from __future__ import annotations

from tests.models.conftest import openai_server

__all__ = ["openai_server"]
