"""The `analysts` team on a model behind a server: coder, a real kernel, reviewer; and what goes wrong with servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from agentnb.base import TaskResult
from agentnb.core import plugins
from agentnb.exceptions import ModelAuthError, ModelError, ModelNotFound, ModelUnreachable
from agentnb.models.openai import OpenAIChatCompletionClient
from agentnb.models.reliable import Retry
from agentnb.runlog import CodeFinished, RunLog, fold
from tests.models.server import OpenAIServer, error, text

FRAME = pd.DataFrame({"species": ["a", "a", "b"], "mass": [1.0, 3.0, 7.0]})
CODE = "Let me look.\n```python\nprint(birds.groupby('species')['mass'].mean().to_dict())\n```"


@pytest.fixture
def server(openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> OpenAIServer:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-the-test")
    return openai_server


async def analyse(**options: object) -> TaskResult:
    team = plugins.load("team", "analysts")(data={"birds": FRAME}, **options)
    try:
        assert await team.share({"birds": FRAME}) == ["executor"]
        result: TaskResult = await team.run(task="Which species is heavier?")
        return result
    finally:
        await team.close()


async def test_code_of_the_model_runs_on_the_shared_data_and_the_reviewer_answers(server: OpenAIServer) -> None:
    server.say(text(CODE, usage=(100, 20)), text("b is heavier: 7.0 against 2.0.\nANALYSIS COMPLETE", usage=(150, 12)))

    result = await analyse(model="openai:gpt-4o-mini")
    assert result.log is not None
    totals = fold.totals(result.log)

    assert [m.source for m in fold.thread(result.log)] == ["user", "coder", "executor", "reviewer"]
    assert "{'a': 2.0, 'b': 7.0}" in fold.thread(result.log)[2].to_model_text()
    assert (totals.prompt_tokens, totals.completion_tokens, totals.turns) == (250, 32, 3)
    assert "{'a': 2.0, 'b': 7.0}" in str(server.requests[1].body["messages"])
    assert "DataFrame of 3 rows and 2 columns" in str(server.requests[0].body["messages"])


async def test_a_recorded_run_is_replayed_without_the_server(server: OpenAIServer) -> None:
    server.say(text(CODE), text("b is heavier.\nANALYSIS COMPLETE"))
    first = await analyse(model="openai:gpt-4o-mini")
    assert first.log is not None
    asked = len(server.requests)

    again = await analyse(model=f"replay:{first.log.path}")

    assert len(server.requests) == asked
    assert [m.to_text() for m in again.messages[1:]] == [m.to_text() for m in first.messages[1:]]


def refused(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.say(error(401, "Incorrect API key provided: sk-secret-of-the-test", code="invalid_api_key"))


def unknown(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.say(error(404, "The model does not exist", code="model_not_found"))


def unreachable(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")


@pytest.mark.parametrize(
    ("trouble", "kind", "named"),
    [
        (refused, ModelAuthError, "OPENAI_API_KEY"),
        (unknown, ModelNotFound, "gpt-4o-mini"),
        (unreachable, ModelUnreachable, "OPENAI_BASE_URL"),
    ],
)
async def test_trouble_with_the_server_is_one_clear_error_and_the_log_is_kept(
    server: OpenAIServer,
    monkeypatch: pytest.MonkeyPatch,
    runs: Path,
    trouble: Callable[[OpenAIServer, pytest.MonkeyPatch], None],
    kind: type[ModelError],
    named: str,
) -> None:
    trouble(server, monkeypatch)
    client = OpenAIChatCompletionClient(model="gpt-4o-mini")
    client.retry = Retry(max_retries=0)

    with pytest.raises(kind, match=named) as raised:
        await analyse(model=client)
    (path,) = runs.glob("*.jsonl")
    log = RunLog.open(path)

    assert "\n" not in str(raised.value)
    assert fold.totals(log).state == "failed"
    assert [e.kind for e in log if e.kind in ("error", "run.finished")] == ["error", "run.finished"]
    assert not [e for e in log if isinstance(e.body, CodeFinished)]
    assert "sk-secret" not in path.read_text()
