"""Fixtures for every test: runs are written to a folder of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test its own runs folder and no key, server or model from the outside."""
    folder = tmp_path / "runs"
    monkeypatch.setenv("AGENTNB_RUNS", str(folder))
    keys = ("OPENAI_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_API_KEY", "LLAMA_API_KEY")
    for name in (*keys, "OPENAI_BASE_URL", "OPENAI_MODEL", "AGENTNB_MODEL", "AGENTNB_GGUF"):
        monkeypatch.delenv(name, raising=False)
    return folder
