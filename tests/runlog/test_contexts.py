from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agentnb.messages import (
    AssistantMessage,
    FunctionCall,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    TextMessage,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    UserMessage,
)
from agentnb.runlog import ContextAdded, ModelStarted, RunLog, Said, TurnFinished, shown
from agentnb.runlog.contexts import LONG, contexts_of
from agentnb.runlog.fold import kept_by
from agentnb.runlog.reader import LineReader

HEAD = "Here is what was said so far. Choose who speaks next. " * 3
TAIL = "\nRead the conversation above and answer with one name. " * 3


def ask(log: RunLog, messages: list[LLMMessage], source: str = "selector") -> int:
    """Write that a model is shown messages, and return the `seq` of the call."""
    base, keep, added = contexts_of(log).show(log, messages, source)
    started = log.append(ModelStarted(model="m", base=base, keep=keep, added=added), source=source)
    contexts_of(log).called(source, started.seq)
    return started.seq


def prompts(turns: int) -> list[str]:
    """Return prompts of which each repeats the whole conversation."""
    said = ""
    made = []
    for number in range(turns):
        said += f"\nagent{number % 3}: {'something of ordinary length ' * 5}{number}"
        made.append(HEAD + said + TAIL)
    return made


def test_prompts_that_repeat_the_conversation_make_the_log_grow_with_what_was_said(tmp_path: Path) -> None:
    log = RunLog.create("perf", folder=tmp_path)
    sizes = []

    for number, prompt in enumerate(prompts(200), 1):
        ask(log, [UserMessage(content=prompt, source="user")])
        if number in (100, 200):
            assert log.path is not None
            sizes.append(log.path.stat().st_size)
    log.close()

    assert sizes[1] < 2.1 * sizes[0]
    assert sizes[1] < 200 * 1200


def test_a_prompt_is_read_back_as_it_was_shown(tmp_path: Path) -> None:
    log = RunLog.create("perf", folder=tmp_path)
    texts = prompts(30)

    calls = [ask(log, [SystemMessage(content=text)]) for text in texts]
    log.close()
    assert log.path is not None
    read = RunLog.open(log.path)

    for which in (log, read):
        assert [shown(which, which.events[seq - 1])[0].content for seq in calls] == texts


PIECES = st.sampled_from(["a" * LONG, "b" * 700, "ä€𝄞" * 400, "\n", "x", TAIL, ""])
TEXTS = st.lists(PIECES, max_size=5).map("".join)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_read_back_is_what_was_shown_whatever_it_was(data: st.DataObject) -> None:
    log = RunLog()
    asked = []
    kept: list[LLMMessage] = []
    for _ in range(data.draw(st.integers(1, 8))):
        for text in data.draw(st.lists(TEXTS, max_size=3)):
            kinds: tuple[LLMMessage, ...] = (
                UserMessage(content=text, source="user"),
                AssistantMessage(content=text, thought=data.draw(st.sampled_from((None, "hm"))), source="ana"),
                SystemMessage(content=text),
            )
            kept.append(data.draw(st.sampled_from(kinds)))
        changes = data.draw(st.booleans())
        if kept and changes:
            # An own copy: what the log was given as a message is what it holds.
            place = data.draw(st.integers(0, len(kept) - 1))
            kept[place] = kept[place].model_copy()
            kept[place].content = data.draw(TEXTS)
        again = data.draw(st.booleans())
        messages = kept[data.draw(st.integers(0, len(kept))) :]
        if again:
            messages = [message.model_copy() for message in messages]
        seq = ask(log, messages, data.draw(st.sampled_from(("ana", "ben"))))
        asked.append((seq, [message.model_copy() for message in messages]))

    for seq, messages in asked:
        assert shown(log, log.events[seq - 1]) == messages
        for start in range(len(messages) + 1):
            assert shown(log, log.events[seq - 1], start) == messages[start:]


def test_a_message_changed_in_place_is_written_as_it_is_now() -> None:
    log = RunLog()
    message = UserMessage(content="first", source="user")
    ask(log, [message])

    message.content = "second"
    seq = ask(log, [message])

    assert [entry.content for entry in shown(log, log.events[seq - 1])] == ["second"]


def test_of_prompts_that_grow_only_the_last_one_is_kept_in_memory() -> None:
    log = RunLog()
    texts = prompts(50)

    for text in texts:
        ask(log, [UserMessage(content=text, source="user")])
    facts = [event.body for event in log if isinstance(event.body, ContextAdded)]

    assert [text for _, text in contexts_of(log)._texts.values()] == texts[-1:]
    assert sum(len(str(fact.message.content)) for fact in facts if fact.message) < 50 * 600


def test_a_history_is_compared_but_not_walked_through_at_each_call() -> None:
    log = RunLog()
    messages: list[LLMMessage] = []

    for number in range(20):
        messages.append(UserMessage(content=f"{number}", source="user"))
        ask(log, list(messages))

    calls = [event.body for event in log if isinstance(event.body, ModelStarted)]
    assert [(call.keep, len(call.added)) for call in calls] == [(number, 1) for number in range(20)]


def said(log: RunLog) -> list[LLMMessage]:
    """Say something, let a tool be called, and return the context of the agent "ana" then."""
    calls = [FunctionCall(id="1", name="add", arguments="{}")]
    results = [FunctionExecutionResult(content="3", name="add", call_id="1", is_error=False)]
    log.append(Said(message=TextMessage(content="go", source="user")))
    log.append(Said(message=TextMessage(content="I add.", source="ana")))
    log.append(Said.of(message=ToolCallRequestEvent(content=calls, source="ana")))
    log.append(Said.of(message=ToolCallExecutionEvent(content=results, source="ana")))
    return [
        UserMessage(content="go", source="user"),
        AssistantMessage(content="I add.", source="ana"),
        AssistantMessage(content=calls, source="ana"),
        FunctionExecutionResultMessage(content=results),
    ]


def test_what_was_said_and_called_needs_no_fact_of_its_own_to_be_shown(tmp_path: Path) -> None:
    log = RunLog.create("test", folder=tmp_path)
    context = said(log)

    seq = ask(log, context, "team/ana")
    keep, added = contexts_of(log).kept(log, context, "ana")
    ended = log.append(TurnFinished.of(agent="ana", turn=1, keep=keep, added=added), source="ana").seq
    log.close()

    assert log.path is not None
    assert [event.kind for event in log] == ["message"] * 4 + ["model.started", "turn.finished"]
    for which in (log, RunLog.open(log.path)):
        assert shown(which, which.events[seq - 1]) == context
        assert kept_by(which, "ana", ended) == context


def test_what_is_read_in_another_role_than_it_was_said_in_is_shown_as_it_was(tmp_path: Path) -> None:
    log = RunLog.create("test", folder=tmp_path)
    said(log)
    odd: list[LLMMessage] = [
        AssistantMessage(content="go", source="user"),
        UserMessage(content="I add.", source="ana"),
        AssistantMessage(content="I add.", source="ana", thought="Hm."),
        AssistantMessage(content=[FunctionCall(id="1", name="add", arguments="{}")], source="ana"),
    ]

    calls = [ask(log, odd, "ana"), ask(log, odd, "ben")]
    log.close()

    assert log.path is not None
    for which in (log, RunLog.open(log.path)):
        assert [shown(which, which.events[seq - 1]) for seq in calls] == [odd, odd]


def test_two_agents_that_read_one_message_in_two_roles_are_both_shown_theirs() -> None:
    log = RunLog()
    said(log)
    spoken, heard = AssistantMessage(content="I add.", source="ana"), UserMessage(content="I add.", source="ana")

    calls = [ask(log, [spoken], "ana"), ask(log, [heard], "ben"), ask(log, [spoken], "ben"), ask(log, [heard], "ana")]

    assert [shown(log, log.events[seq - 1]) for seq in calls] == [[spoken], [heard], [spoken], [heard]]


def test_contexts_written_before_texts_went_on_from_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    at = "2026-01-01T00:00:00Z"
    message = {"content": "Hello.", "source": "user", "type": "UserMessage"}
    facts = [
        {"id": "r:1", "seq": 1, "at": at, "body": {"kind": "context", "role": "UserMessage", "message": message}},
        {"id": "r:2", "seq": 2, "at": at, "body": {"kind": "model.started", "model": "m", "added": [1]}},
    ]
    path.write_text("\n".join(json.dumps(line) for line in [{"agentnb": 1, "run": "r"}, *facts]) + "\n")

    log = RunLog.open(path)

    assert [entry.content for entry in shown(log, log.events[1])] == ["Hello."]
    assert LineReader(path).read()[0].body.after is None  # type: ignore[attr-defined]
