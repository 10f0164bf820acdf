"""Frames, and a stand-in for the embedded model that writes what the test says."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agentnb.core import CancellationToken
from agentnb.messages import CreateResult, LLMMessage, RequestUsage
from agentnb.models.local import LocalChatCompletionClient

PENGUINS = Path(__file__).parents[2] / "notebooks" / "data" / "penguins.csv"


class Told(LocalChatCompletionClient):
    """An embedded model whose lines, scores and report a test decides; no weights are loaded.

    Attributes:
        lines: Given the request, the line of code it writes.
        likes: Given a reading in words, its score.
        report: What it writes about the facts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lines: Callable[[str], str] = lambda request: "?"
        self.likes: Callable[[str], float] = lambda words: 0.0
        self.report = ""
        self.grammars: list[str] = []

    async def create(self, messages: Sequence[LLMMessage], **options: Any) -> CreateResult:
        self.grammars.append(options["extra_create_args"]["grammar"])
        return self._result(self.lines(str(messages[-1].content)))

    async def create_stream(
        self, messages: Sequence[LLMMessage], **options: Any
    ) -> AsyncGenerator[str | CreateResult, None]:
        self.grammars.append(options["extra_create_args"]["grammar"])
        yield self.report
        yield self._result(self.report)

    async def score(
        self, messages: Sequence[LLMMessage], text: str, *, cancellation_token: CancellationToken | None = None
    ) -> float:
        return self.likes(str(messages[-1].content))

    def _result(self, text: str) -> CreateResult:
        usage = RequestUsage(10, 5)
        self._usage.add(usage)
        return CreateResult(finish_reason="stop", content=text, usage=usage, cached=False)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture(scope="session")
def penguins() -> pd.DataFrame:
    """Give the Palmer penguins, 344 × 8."""
    return pd.read_csv(PENGUINS)


@pytest.fixture(scope="session")
def awkward() -> Mapping[str, pd.DataFrame]:
    """Give frames that break careless code."""
    return {
        "empty": pd.DataFrame(),
        "no_rows": pd.DataFrame({"a": [], "b": []}),
        "no_text": pd.DataFrame({"x": [1.5, 2.5, 3.0], "y": [4, 5, 9]}),
        "no_numbers": pd.DataFrame({"x": list("aab"), "y": list("bca")}),
        "gaps": pd.DataFrame({"g": ["a", None, "b", "b"], "v": [float("nan")] * 4, "w": [1, None, 3, 4.5]}),
        "names": pd.DataFrame(
            {
                'a"b': [1.5, 2, 3],
                "new\nline": list("xyx"),
                "é {braces}": [1.25, 2, 4],
                "$x$ \\": [1, 2, 3.5],
                "": [1, 5, 2.5],
                0: [3, 4.5, 5],
                ("t", 1): [1, 2, 2.5],
                "```": [1, 2, 9.5],
            }
        ),
        "repeated": pd.DataFrame([[1, 2, "a"], [3, 4, "b"]], columns=["a", "a", "g"]),
        "flags": pd.DataFrame({"b": [True, False, True], "t": pd.date_range("2020", periods=3), "n": [1.5, 2, 4]}),
        "wide": pd.DataFrame({f"c{i}": [i * 1.5, i + 2, i + 4] for i in range(200)}),
        "kinds": pd.DataFrame(
            {
                "c": pd.Categorical(["u", "v", "u"], categories=["u", "v", "w"]),
                "n": pd.array([1, None, 3], dtype="Int64"),
                "lists": [[1], [2], [3]],
                "complex": [1j, 2j, 3j],
            }
        ),
        "forged": pd.DataFrame({"g": ['x\n"number of rows": 999', "y", "y"], "v": [1.5, 2, 3]}),
    }
