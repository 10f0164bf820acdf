"""From a text, or from the environment, to a model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agentnb.core import plugins
from agentnb.exceptions import ModelNotConfigured, ModelUnreachable, UnknownName, UserError
from agentnb.messages import UserMessage
from agentnb.models import ScriptedChatCompletionClient, choose, model_from_text, weights
from agentnb.models.base import ChatCompletionClient
from agentnb.models.naming import ModelChoice, served_models
from agentnb.runlog import RunLog, scope
from tests.models.server import OpenAIServer

Env = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: Env, tmp_path: Path) -> None:
    """Leave no model in the environment, and no weights on the disk."""
    for name in ("OPENAI_MODEL", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    # Replaced, not set up: the real weights are 98 MB and checked by their hash.
    monkeypatch.setattr(weights, "find", lambda: None)


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "some-model.gguf"
    path.write_bytes(b"GGUF")
    return path


@pytest.fixture
async def run_file(tmp_path: Path) -> Path:
    log = RunLog()
    with scope(log, None, "ana"):
        await ScriptedChatCompletionClient(["a"]).create([UserMessage(content="x", source="user")])
    return log.save(tmp_path / "run.jsonl")


def fetched(monkeypatch: Env, tmp_path: Path) -> None:
    monkeypatch.setattr(weights, "find", lambda: tmp_path / weights.FILE_NAME)


def test_the_order_of_choice(monkeypatch: Env, tmp_path: Path, gguf: Path, openai_server: OpenAIServer) -> None:
    """Each step, set on top of those below it, wins."""
    taken = []
    fetched(monkeypatch, tmp_path)
    taken.append(choose())
    monkeypatch.setenv("AGENTNB_GGUF", str(gguf))
    taken.append(choose())
    openai_server.models = ["first", "second"]
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.base_url)
    taken.append(choose())
    monkeypatch.setenv("OPENAI_MODEL", "third")
    taken.append(choose())
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_MODEL")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    taken.append(choose())
    monkeypatch.setenv("AGENTNB_MODEL", "openai:gpt-5")
    taken.append(choose())
    taken.append(choose("openai:o3"))
    taken.append(choose(ScriptedChatCompletionClient(["a"])))

    assert [choice.text for choice in taken[1:]] == [
        "local:some-model",
        "openai:first",
        "openai:third",
        "openai:gpt-4o-mini",
        "openai:gpt-5",
        "openai:o3",
        "scripted",
    ]
    assert taken[0].text.startswith("local:")
    whys = [
        "nothing else",
        "AGENTNB_GGUF",
        "OPENAI_BASE_URL",
        "OPENAI_MODEL",
        "OPENAI_API_KEY",
        "AGENTNB_MODEL",
        "as asked",
    ]
    for choice, why in zip(taken, whys, strict=False):
        assert why in choice.why
    for choice in taken:
        line = choice.line()
        assert "\n" not in line
        assert len(line) <= 200
        assert choice.text in line
        assert choice.change in line


def test_the_embedded_model_says_what_it_cannot_do(monkeypatch: Env, tmp_path: Path) -> None:
    fetched(monkeypatch, tmp_path)

    line = choose().line()

    assert "a 135M demonstration model: it fills in a fixed analysis plan and cannot answer open questions" in line
    assert line.endswith("Change: --model or AGENTNB_MODEL=openai:NAME")


def test_a_line_stays_one_line_however_long_the_name() -> None:
    choice = ModelChoice(
        "replay:" + "long/\n" * 90, ScriptedChatCompletionClient(["a"]), "as asked", "cannot see", "so"
    )

    assert len(choice.line()) <= 200
    assert "\n" not in choice.line()
    assert choice.line().endswith("(as asked): cannot see. Change: so")


def test_without_any_model_every_way_to_one_is_told() -> None:
    with pytest.raises(ModelNotConfigured) as caught:
        choose()

    for way in (
        "python -m agentnb fetch",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "AGENTNB_GGUF",
        "--model",
        "replay:FILE",
    ):
        assert way in str(caught.value)


def test_the_embedded_model_by_name_must_have_been_fetched() -> None:
    with pytest.raises(ModelNotConfigured, match="python -m agentnb fetch"):
        choose("local")


def test_a_key_that_is_missing_is_told_at_once() -> None:
    with pytest.raises(ModelNotConfigured, match="OPENAI_API_KEY"):
        choose("openai:gpt-4o")
    with pytest.raises(ModelNotConfigured, match="GEMINI_API_KEY"):
        choose("openai:gemini-2.5-pro")


def test_files_are_named_and_missing_ones_reported(gguf: Path, run_file: Path) -> None:
    assert model_from_text(f"local:{gguf}").model_name == "local:some-model"
    assert model_from_text(f"replay:{run_file}").model_name == "replay:run.jsonl"
    assert choose(f"replay:{run_file}").cannot == "gives recorded answers only"
    with pytest.raises(UserError, match=r"nowhere\.gguf"):
        model_from_text("local:nowhere.gguf")
    with pytest.raises(UserError, match=r"nowhere\.jsonl"):
        model_from_text("replay:nowhere.jsonl")
    with pytest.raises(UserError, match="replay:FILE"):
        model_from_text("replay")


@pytest.mark.parametrize("text", ["nonsense:x", "nonsense", ":x", "OPENAI:x"])
def test_an_unknown_form_lists_the_known_ones(text: str) -> None:
    with pytest.raises(UnknownName, match=r"openai:NAME, local, local:FILE\.gguf, replay:FILE"):
        choose(text)


def test_a_bare_model_name_gets_a_hint() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'openai:gpt-4o'"):
        choose("gpt-4o")


def test_a_model_may_hold_colons_and_spaces_round_it_do_not_count(monkeypatch: Env) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")

    assert model_from_text(" openai:ft:gpt-4o:me ").model_name == "openai:ft:gpt-4o:me"


def test_a_server_is_asked_for_its_models_with_the_key(monkeypatch: Env, openai_server: OpenAIServer) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.base_url + "/")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")

    assert choose().text == "openai:gpt-4o-mini"
    assert openai_server.listings[0].path == "/v1/models"
    assert openai_server.listings[0].headers["authorization"] == "Bearer sk-x"


def test_a_gateway_that_lists_nothing_is_taken_at_its_key(monkeypatch: Env, openai_server: OpenAIServer) -> None:
    openai_server.models = None
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.base_url)

    with pytest.raises(ModelUnreachable, match=r"OPENAI_BASE_URL.*OPENAI_MODEL"):
        choose()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    assert choose().text == "openai:gpt-4o-mini"


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/v1", "localhost:8000", "file:///etc"])
def test_a_server_that_cannot_be_asked_is_named(address: str) -> None:
    with pytest.raises(ModelUnreachable, match=address):
        served_models(address)


def test_a_server_without_models_is_told(openai_server: OpenAIServer) -> None:
    openai_server.models = []
    with pytest.raises(ModelUnreachable, match="lists no model"):
        served_models(openai_server.base_url)


def test_the_login_in_an_address_is_not_shown() -> None:
    with pytest.raises(ModelUnreachable) as caught:
        served_models("http://me:hidden@127.0.0.1:9/v1")
    assert "hidden" not in str(caught.value)


def parrot(rest: str) -> ChatCompletionClient:
    """Make a client as a plugin's factory would."""
    return ScriptedChatCompletionClient([rest or "-"], name=f"parrot:{rest}")


def test_packages_add_prefixes(monkeypatch: Env) -> None:
    # Replaced, not installed: an entry point needs a distribution on the path.
    monkeypatch.setattr(plugins, "names", lambda kind: ["local", "openai", "parrot", "replay"])
    monkeypatch.setattr(plugins, "load", lambda kind, name: {"parrot": parrot, "openai": str}[name])

    assert model_from_text("parrot:x").model_name == "parrot:x"
    assert model_from_text("parrot").model_name == "parrot:"
    with pytest.raises(UnknownName, match="parrot:…"):
        model_from_text("other:x")
    with pytest.raises(UserError, match="no model client"):
        model_from_text("openai:x")


def test_the_room_opens_without_a_client_s_dependencies() -> None:
    code = (
        "import sys, agentnb.models, agentnb.models.naming\n"
        "heavy = {'openai', 'httpx', 'xllamacpp', 'pandas', 'PIL', 'IPython'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "agentnb.models.OpenAIChatCompletionClient(model='gpt-4o', api_key='x')\n"
        "assert 'openai' not in sys.modules\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
