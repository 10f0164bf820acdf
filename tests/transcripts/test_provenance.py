"""Where a run comes from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from agentnb.agents import AssistantAgent
from agentnb.core import EventId
from agentnb.exceptions import UserError
from agentnb.messages import CreateResult, RequestUsage, SystemMessage, UserMessage
from agentnb.models import (
    ChatCompletionClient,
    OpenAIChatCompletionClient,
    ReplayChatCompletionClient,
    ScriptedChatCompletionClient,
)
from agentnb.runlog import (
    ContextAdded,
    InputAnswered,
    InputRequested,
    ModelFinished,
    ModelStarted,
    Retracted,
    RunLog,
    ToolFinished,
    ToolStarted,
    Usage,
)
from agentnb.teams import RoundRobinGroupChat, SelectorGroupChat
from agentnb.transcripts import Provenance, provenance
from tests.models.conftest import openai_server
from tests.models.server import OpenAIServer
from tests.transcripts.talks import Turn, begin, end, take, talk

__all__ = ["openai_server"]

TOOL = {"name": "add", "description": "Adds.", "source_code": "def add(a, b): return a + b"}


class Named(ModelFinished, frozen=True):
    """A fact that says who answered."""

    returned_model: str | None = None
    fingerprint: str | None = None


def client(**config: Any) -> dict[str, Any]:
    return {
        "provider": "agentnb.models.OpenAIChatCompletionClient",
        "component_type": "model",
        "config": {"model": "gpt-4o-mini", **config},
    }


def agent(name: str, model: dict[str, Any], **config: Any) -> dict[str, Any]:
    return {
        "provider": "agentnb.agents.AssistantAgent",
        "component_type": "agent",
        "config": {"name": name, "model_client": model, "system_message": f"You are {name}.", **config},
    }


def team(*agents: dict[str, Any]) -> dict[str, Any]:
    return {
        "provider": "agentnb.teams.RoundRobinGroupChat",
        "component_type": "team",
        "config": {"participants": agents},
    }


def ask(
    log: RunLog,
    run: EventId,
    source: str,
    *,
    model: str = "openai:gpt-4o-mini",
    error: str | None = None,
    cached: bool = False,
    added: tuple[int, ...] = (),
    tools: tuple[str, ...] = (),
    done: bool = True,
    **fields: Any,
) -> EventId:
    """Write a call of a model; return the id of its beginning."""
    asked = log.append(
        ModelStarted(model=model, added=added, tools=tools, options=fields.pop("options", {})),
        source=source,
        parent=run,
    )
    result = CreateResult(finish_reason="stop", content="x", usage=RequestUsage(5, 2), cached=cached)
    if done:
        body = Named(model=model, result=None if error else result, error=error, **fields)
        usage = None if error else Usage(prompt_tokens=5, completion_tokens=2)
        log.append(body, source=source, parent=asked.id, took=0.1, usage=usage)
    return asked.id


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_calls_are_counted_by_model_and_options() -> None:
    made = team(agent("ana", client(temperature=0.2, seed=7)), agent("ben", client(temperature=0.9)))
    log, run = begin(component=made)
    ask(log, run, "ana")
    ask(log, run, "ana", cached=True)
    ask(log, run, "ben", error="ModelTimeout")
    ask(log, run, "ben", options={"temperature": 0.1, "extra_headers": {"x": "secret"}})
    ask(log, run, "ben", done=False)

    uses = provenance(log).models

    assert [(use.agents, dict(use.options), use.calls, use.failed, use.cached, use.unfinished) for use in uses] == [
        (["ana"], {"temperature": 0.2, "seed": 7}, 2, 0, 1, 0),
        (["ben"], {"temperature": 0.9}, 2, 1, 0, 1),
        (["ben"], {"temperature": 0.1}, 1, 0, 0, 0),
    ]


def test_options_that_could_be_several_clients_are_not_guessed() -> None:
    log, run = begin(component=team(agent("ana", client(temperature=0.2)), agent("ben", client(temperature=0.9))))
    ask(log, run, "manager")

    assert provenance(log).models[0].options == {}


def test_a_client_that_names_no_model_is_known_by_whose_it_is() -> None:
    local = {"provider": "agentnb.models.LocalChatCompletionClient", "component_type": "model", "config": {"seed": 3}}
    log, run = begin(component=team(agent("ana", local), agent("ben", client(seed=4))))
    ask(log, run, "ana", model="local:tiny.gguf")
    ask(log, run, "manager", model="local:tiny.gguf")
    ask(log, run, "ben")

    assert [(use.model, dict(use.options)) for use in provenance(log).models] == [
        ("local:tiny.gguf", {"seed": 3}),
        ("local:tiny.gguf", {}),
        ("openai:gpt-4o-mini", {"seed": 4}),
    ]


async def test_a_real_run_over_a_server_says_what_it_was_made_of(openai_server: OpenAIServer) -> None:
    openai_server.say("three")
    model = OpenAIChatCompletionClient(
        model="gpt-4o-mini", base_url=openai_server.base_url, api_key="sk-secret-key", temperature=0.2, seed=7
    )

    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    ana = AssistantAgent("ana", model, tools=[add], system_message="You add.")
    known = provenance(await RoundRobinGroupChat([ana], max_turns=1).run(task="1 + 2?"))
    await model.close()

    (use,) = known.models
    assert (use.model, use.answers, dict(use.options)) == (
        "openai:gpt-4o-mini",
        "model",
        {"temperature": 0.2, "seed": 7},
    )
    assert [(prompt.sha256, prompt.agents) for prompt in known.prompts] == [(sha("You add."), ["ana"])]
    assert [(tool.name, bool(tool.sha256)) for tool in known.tools] == [("add", True)]
    assert known.runs[0].versions["openai"]
    assert known.runs[0].component_sha256
    assert "(temperature 0.2, seed 7) was called once" in known.methods()
    assert "sk-secret-key" not in json.dumps(known.to_dict())
    assert openai_server.base_url not in json.dumps(known.to_dict())


def test_what_the_server_called_its_model_is_kept() -> None:
    log, run = begin()
    for name in ("gpt-4o-mini-2024-07-18", "gpt-4o-mini-2024-07-18", "gpt-4o-mini-2025-01-01"):
        ask(log, run, "ana", returned_model=name, fingerprint="fp_1")

    (use,) = provenance(log).models

    assert use.returned == ["gpt-4o-mini-2024-07-18", "gpt-4o-mini-2025-01-01"]
    assert use.fingerprints == ["fp_1"]


def test_a_client_that_asks_through_another_is_one_call_and_knows_who_answered() -> None:
    log, run = begin()
    outer = ask(log, run, "ana", model="cached:gpt", done=False)
    ask(log, outer, "ana", returned_model="gpt-2024")
    result = CreateResult(finish_reason="stop", content="x", usage=RequestUsage(5, 2), cached=False)
    log.append(ModelFinished(model="cached:gpt", result=result), parent=outer)

    known = provenance(log)

    assert [(use.model, use.calls, use.unfinished, use.returned) for use in known.models] == [
        ("cached:gpt", 1, 0, ["gpt-2024"])
    ]
    assert (known.prompt_tokens, known.completion_tokens, known.calls_without_usage) == (5, 2, 0)


@pytest.mark.parametrize(
    ("model", "answers"),
    [("scripted", "script"), ("replay:old.jsonl", "replay"), ("replay", "replay"), ("openai:replayer", "model")],
)
def test_scripts_and_recordings_are_no_models(model: str, answers: str) -> None:
    log, run = begin()
    ask(log, run, "ana", model=model)

    assert [use.answers for use in provenance(log).models] == [answers]


def test_a_script_with_a_name_of_its_own_is_known_by_its_class() -> None:
    config = {"provider": "agentnb.models.ScriptedChatCompletionClient", "component_type": "model"}
    log, run = begin(component=team(agent("ana", {**config, "config": {"name": "tiny"}})))
    ask(log, run, "ana", model="tiny")

    assert [use.answers for use in provenance(log).models] == ["script"]


def test_of_several_scripts_of_one_name_each_is_known_as_a_script() -> None:
    script = {"provider": "agentnb.models.ScriptedChatCompletionClient", "component_type": "model"}
    ana, ben = ({**script, "config": {"name": "tiny", "script": [text]}} for text in ("Yes.", "No."))
    log, run = begin(component=team(agent("ana", ana), agent("ben", ben)))
    ask(log, run, "manager", model="tiny")

    assert [use.answers for use in provenance(log).models] == ["script"]


async def test_a_run_of_recorded_answers_names_the_recording_by_its_hash(runs: Path) -> None:
    def team(model: ChatCompletionClient) -> SelectorGroupChat:
        members = [AssistantAgent(name, model) for name in ("ana", "ben", "cy")]
        return SelectorGroupChat(members, model, max_turns=2)

    first = await team(ScriptedChatCompletionClient(["ana", "Hello.", "ben", "Bye."])).run(task="go")
    (path,) = runs.glob("*.jsonl")
    recording = ReplayChatCompletionClient.from_log(path)

    again = provenance(await team(recording).run(task="go"))

    assert provenance(first).models[0].cassette != [recording.cassette]
    assert [use.cassette for use in again.models] == [[recording.cassette]]
    assert again.to_dict()["models"][0]["cassette"] == [ReplayChatCompletionClient.from_log(path).cassette]
    assert f"cassette {recording.cassette} (replay:{path.name})" in " ".join(str(again).split())


async def test_scripts_of_several_agents_are_told_apart_by_their_hashes() -> None:
    clients = {name: ScriptedChatCompletionClient([f"I am {name}."]) for name in ("ana", "ben")}
    team = RoundRobinGroupChat([AssistantAgent(name, client) for name, client in clients.items()], max_turns=2)

    (use,) = provenance(await team.run(task="go")).models

    assert use.cassette == [client.cassette for client in clients.values()]


def test_system_prompts_are_known_by_their_hash_and_who_was_shown_them() -> None:
    log, run = begin()
    prompt = log.append(ContextAdded(role="SystemMessage", message=SystemMessage(content="Be kind.")), parent=run).seq
    user = log.append(ContextAdded(role="UserMessage", message=UserMessage(content="hi", source="u")), parent=run).seq
    ask(log, run, "ana", added=(prompt, user))
    ask(log, run, "ben", added=(user, prompt))

    assert [(p.sha256, p.characters, p.agents) for p in provenance(log).prompts] == [
        (sha("Be kind."), 8, ["ana", "ben"])
    ]


def test_a_prompt_that_goes_on_from_another_is_hashed_as_a_whole() -> None:
    log, run = begin()
    begun = log.append(ContextAdded(role="SystemMessage", message=SystemMessage(content="Be kind.")), parent=run).seq
    more = ContextAdded(role="SystemMessage", message=SystemMessage(content=" Always."), after=begun, keep=7)
    ask(log, run, "ana", added=(begun, log.append(more, parent=run).seq))

    assert [prompt.sha256 for prompt in provenance(log).prompts] == [sha("Be kind."), sha("Be kind Always.")]


def test_tools_have_the_hash_of_their_description_where_the_component_has_it() -> None:
    tool = {"provider": "agentnb.tools.FunctionTool", "component_type": "tool", "config": TOOL}
    log, run = begin(component=team(agent("ana", client(), tools=[tool])))
    ask(log, run, "ana", tools=("add", "far_away"))
    called = log.append(ToolStarted(tool="add", call_id="1"), parent=run).id
    log.append(ToolFinished(tool="add", call_id="1", result="no", is_error=True), parent=called)

    known = {tool.name: tool for tool in provenance(log).tools}

    assert known["add"].sha256 == sha(json.dumps(TOOL, sort_keys=True, separators=(",", ":")))
    assert (known["add"].calls, known["add"].failed) == (1, 1)
    assert (known["far_away"].sha256, known["far_away"].calls) == (None, 0)
    assert known["far_away"].offered
    log.append(ToolStarted(tool="made_up", call_id="2"), parent=run)
    assert "made_up: no model was offered it, 1 call" in str(provenance(log))


def test_templates_are_named_by_whose_they_are() -> None:
    made = team(agent("ana", client(), tool_call_summary_format="{result}"))
    made["config"]["selector_prompt"] = "Choose."

    templates = {one.where: one.sha256 for one in provenance(talk(component=made)).templates}

    assert templates == {
        "writers.selector_prompt": sha("Choose."),
        "ana.system_message": sha("You are ana."),
        "ana.tool_call_summary_format": sha("{result}"),
    }


def test_the_same_team_has_the_same_hash_and_another_has_not() -> None:
    made = [team(agent("ana", client(temperature=warm))) for warm in (0, 0, 1)]

    hashes = [provenance(talk(component=one)).runs[0].component_sha256 for one in made]

    assert hashes[0] == hashes[1] != hashes[2]
    assert provenance(talk()).runs[0].component_sha256 is None


def test_what_was_said_and_asked_is_counted_and_what_was_taken_back_is_not() -> None:
    log, run = begin()
    take(log, run, Turn("ana", "hello", code=("1", "1")), 1)
    log.append(Retracted(said=2), parent=run)
    log.append(InputRequested(input_id="q", prompt="ok?"), parent=run)
    log.append(InputAnswered(input_id="q", text="yes"), parent=run)
    log.append(InputRequested(input_id="r", prompt="sure?"), parent=run)

    known = provenance(log)

    assert (known.turns, known.messages, known.questions, known.answered) == (1, 1, 2, 1)
    assert known.code == {"Kernel": 1}


def test_several_runs_and_branches_are_told_apart() -> None:
    origin = talk(("ana", "one"), ("ben", "two"))
    branch = origin.branch(message=2, why="kinder")
    _, run = begin(branch, task=None, continues=origin.events[0].id, resumed=True)
    take(branch, run, Turn("ben", "other"), 2)
    end(branch, run, 1)

    known = provenance(branch)

    assert [(one.shared, one.resumed, one.outcome) for one in known.runs] == [
        (True, False, "branched"),
        (False, True, "done"),
    ]
    assert [(one.origin, one.why) for one in known.branches] == [(origin.id, "kinder")]
    assert branch.events[known.branches[0].facts].kind == "branch"
    assert known.branches[0].messages == 2
    assert known.branches[0].left == known.runs[0].id
    assert ("branched from", f"{origin.id} after {known.branches[0].facts} facts, 2 messages") in known.rows()


def test_a_run_that_broke_off_is_not_told_as_running(tmp_path: Path) -> None:
    log = RunLog.create("writers", folder=tmp_path)
    _, run = begin(log)
    take(log, run, Turn("ana", "one"), 1)
    assert log.path is not None

    assert provenance(log).runs[0].outcome == "running"

    log.close()
    read = provenance(log.path)
    assert [one.outcome for one in read.runs] == ["broken off"]
    assert read.methods().endswith("The run was broken off without an end.")

    log.reopen()
    begin(log, task=None, continues=run, resumed=True)
    assert [one.outcome for one in provenance(log).runs] == ["broken off", "running"]


def test_everything_is_plain_data_and_a_table() -> None:
    log = talk(
        Turn("ana", "x", usage=Usage(prompt_tokens=1, completion_tokens=1, cost_usd=0.5)),
        component=team(agent("ana", client())),
        versions={"python": "3.11.1"},
        circumstances={
            "os": "Linux 6",
            "git": {"commit": "f" * 40, "branch": "a|b", "dirty": True, "changed_files": 1},
        },
    )
    known = provenance(log)

    data = json.loads(json.dumps(known.to_dict()))

    assert data["log_id"] == log.id
    assert data["runs"][0]["versions"] == {"python": "3.11.1"}
    assert data["runs"][0]["started_at"] == log.events[0].at.isoformat()
    assert data["cost_usd"] == 0.5
    assert ("git", f"{'f' * 40} (a|b), 1 changed file") in known.rows()
    assert r"(a\|b)" in known.to_markdown()
    assert known.methods().replace("(", "").split()[0] in known.to_markdown()
    assert "os         Linux 6" in str(known)


def test_a_path_and_what_has_a_log_will_do(tmp_path: Path) -> None:
    log = talk(("ana", "hello"))

    class Holder:
        pass

    holder: Any = Holder()
    holder.log = log

    assert provenance(log.save(tmp_path / "run.jsonl")).to_dict() == provenance(holder).to_dict()


def test_what_is_no_run_is_named() -> None:
    with pytest.raises(UserError, match=r"provenance needs the log of a run, not dict: \{\}"):
        provenance({})


def test_an_empty_log_says_so() -> None:
    known = provenance(RunLog())

    assert isinstance(known, Provenance)
    assert known.methods() == "The log holds no run of a team or an agent."
    assert known.cost_usd is None
