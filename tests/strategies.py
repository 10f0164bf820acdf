"""Values for property tests, shared by all rooms."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from agentnb.messages import (
    AssistantMessage,
    CodeBlock,
    CreateResult,
    FunctionCall,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    MemoryContent,
    RequestUsage,
    StopMessage,
    SystemMessage,
    TextMessage,
    ThoughtEvent,
    UserMessage,
)
from agentnb.runlog import (
    CodeFinished,
    CodeStarted,
    ContextAdded,
    InputAnswered,
    InputRequested,
    MemoryFinished,
    MemoryStarted,
    ModelFinished,
    ModelStarted,
    Noted,
    RunFinished,
    RunStarted,
    Said,
    SpeakerChosen,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
    Usage,
)

# Any code point, lone surrogates included: models and tools send them.
texts = st.text(st.characters(), max_size=200)
names = st.from_regex(r"[a-z_][a-z0-9_]{0,12}", fullmatch=True)
numbers = st.integers(min_value=0, max_value=10**9)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)

messages = st.one_of(
    st.builds(TextMessage, content=texts, source=names),
    st.builds(StopMessage, content=texts, source=names),
    st.builds(ThoughtEvent, content=texts, source=names),
)
calls = st.builds(FunctionCall, id=names, arguments=texts.map(ascii), name=names)
llm_messages = st.one_of(
    st.builds(SystemMessage, content=texts),
    st.builds(UserMessage, content=texts | st.lists(texts, max_size=2), source=names),
    st.builds(
        AssistantMessage,
        content=texts | st.lists(calls, min_size=1, max_size=2),
        thought=st.none() | texts,
        source=names,
    ),
    st.builds(
        FunctionExecutionResultMessage,
        content=st.lists(
            st.builds(FunctionExecutionResult, content=texts, name=names, call_id=names, is_error=st.booleans()),
            max_size=2,
        ),
    ),
)
results = st.builds(
    CreateResult,
    finish_reason=st.just("stop"),
    content=texts | st.lists(calls, max_size=2),
    usage=st.builds(RequestUsage, numbers, numbers),
    cached=st.booleans(),
    thought=st.none() | texts,
)

bodies = st.one_of(
    st.builds(RunStarted, runner=names, runner_type=names),
    st.builds(RunFinished, outcome=st.sampled_from(["done", "stopped", "failed"]), stop_reason=st.none() | names),
    st.builds(TurnStarted, agent=names, turn=numbers),
    st.builds(TurnFinished, agent=names, turn=numbers),
    st.builds(Said, message=messages),
    st.builds(SpeakerChosen, names=st.tuples(names)),
    st.builds(ContextAdded, role=st.just("UserMessage"), message=st.builds(UserMessage, content=texts, source=names)),
    st.builds(ModelStarted, model=names, options=st.dictionaries(names, json_values, max_size=2)),
    st.builds(ModelFinished, model=names, result=results),
    st.builds(ToolStarted, tool=names, arguments=st.dictionaries(names, json_values, max_size=2)),
    st.builds(ToolFinished, tool=names, result=texts),
    st.builds(
        MemoryStarted,
        memory=names,
        action=st.sampled_from(["query", "add"]),
        text=texts,
        content=st.none()
        | st.builds(MemoryContent, content=texts, mime_type=texts, metadata=st.dictionaries(names, json_values)).map(
            lambda content: content.model_dump(mode="json")
        ),
    ),
    st.builds(MemoryFinished, memory=names, action=st.just("query"), found=numbers, error=st.none() | texts),
    st.builds(CodeStarted, executor=names, blocks=st.tuples(st.builds(CodeBlock, code=texts, language=names))),
    st.builds(CodeFinished, executor=names, exit_code=st.integers(0, 255), output=texts),
    st.builds(InputRequested, input_id=names, prompt=texts),
    st.builds(InputAnswered, input_id=names, text=texts),
    st.builds(Noted, text=texts),
)

# Long texts now and then, the same ones again and again: a run's file keeps them in other places.
_long = st.sampled_from(["so be it, " * 40, 'he said "no", ' * 30, "ü" * 300, "x" * 17_000, "ünd so " * 3_000])
_looks = st.sampled_from([{"$blob": "sha256:" + "0" * 64}, {"$text": [1, "text"]}, {"$data": {"$blob": "x"}}])
_deep: st.SearchStrategy[Any] = st.recursive(
    _long | _looks | json_values,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(names, inner, max_size=3)
        | st.dictionaries(st.sampled_from(["$blob", "$text", "$data"]), inner, max_size=2)
    ),
    max_leaves=5,
)
facts = st.fixed_dictionaries(
    {
        "body": st.one_of(
            bodies,
            st.builds(Noted, text=_long),
            st.builds(Said, message=st.builds(TextMessage, content=_long, source=names)),
            st.builds(ToolStarted, tool=names, arguments=st.dictionaries(names, _deep, max_size=2)),
        ),
        "source": st.just("") | names,
        "took": st.none() | st.floats(0, 1e6),
        "usage": st.none() | st.builds(Usage, prompt_tokens=st.none() | numbers, completion_tokens=numbers),
        "cause": numbers,
    }
)
"""What a log is given of a fact; `cause` chooses among the facts before."""
