"""What behaves differently from AutoGen, by the name, attribute or argument that shows a program relies on it."""

from __future__ import annotations

__all__ = [
    "AGENTCHAT_LOGGERS",
    "ARGUMENTS",
    "ATTRIBUTES",
    "LOGGERS",
    "NAMES",
    "PATH_IN_STRING",
    "PROVIDER",
]

_INTERVENTIONS = (
    "several handlers are chained in order, each gets what the one before it returned; AutoGen gave all of them the "
    "original message. A dropped message no longer keeps stop_when_idle() waiting"
)
_IGNORED = '"ignore" does not call the closure with a message of another type'
_LIST_MEMORY = "its message in the context is brought up to date, and does not pile up turn by turn"

_RUNNERS = "a call while another is at work is an error result that says so; AutoGen runs both at once"
_FUNCTIONS = "a function as condition is refused when it is dumped; AutoGen drops it, and the edge is then always open"

NAMES = {
    "AgentTool": _RUNNERS,
    "AssistantAgent": "cancelling ends the tools at work, and the agent can be asked again",
    "BaseGroupChat": "a team of your own gives it a policy, a function of a TeamView, in place of a manager class",
    "CodeExecutorAgent": "close() stops the executor too. Code and its outcome are among the inner messages; with a "
    "model the conversation is part of the state, and on_reset() forgets it; max_retries_on_error and the "
    "approval function's import path are dumped",
    "DefaultInterventionHandler": _INTERVENTIONS,
    "DiGraphBuilder": f"a node's activation is used, which AutoGen ignores; {_FUNCTIONS}",
    "DiGraphEdge": _FUNCTIONS,
    "FunctionalTermination": "a value that counts as true and is not True is an error; AutoGen goes on",
    "GraphFlow": "a join does not wait for a branch that was not taken; after an error the next run goes on with the "
    "nodes that were ready; a task message in a node's name is not taken for the node's turn",
    "InterventionHandler": _INTERVENTIONS,
    "JupyterCodeExecutor": "a time-out interrupts the cell and keeps the variables; without output_dir figures stay in "
    "the result's outputs",
    "ListMemory": _LIST_MEMORY,
    "MagenticOneGroupChat": "max_turns=N allows N rounds, not N + 1; a ledger that cannot be read, or names nobody of "
    "the team, is asked for again; stalls are counted from nothing after a new plan; without a task it goes on with "
    "one that was broken off",
    "MessageFilterAgent": "its state is the wrapped agent's; a message that fits two entries is heard once",
    "OpenAIChatCompletionClient": "a model name it does not know is taken, with sensible capabilities and a note",
    "RoundRobinGroupChat": "a participant that fails raises AgentFailed or its own error; the team can be run again",
    "SelectorGroupChat": "who spoke last never speaks again by an answer that cannot be followed, unless "
    "allow_repeated_speaker; who selector_func names counts as who spoke last",
    "SingleThreadedAgentRuntime": "stop() fails the sends it discards, instead of leaving their callers waiting; "
    "an agent subscribed twice to a topic hears a message once; one subscriber's error does not hide the others'",
    "SocietyOfMindAgent": "what it heard in earlier turns is part of its state; the team inside is reset after a "
    "turn that failed too",
    "Swarm": "after a handoff to a person a plain text goes on with who handed over; AutoGen wants a HandoffMessage",
    "TeamTool": _RUNNERS,
    "TextMentionTermination": "sources are dumped too; an empty text is refused",
    "TimeoutTermination": "counts from the start of a run, not from when it was made",
    "ToolException": "its text is the error's text (AutoGen's is empty), and `except Exception` catches it",
    "UserInputManager": "works for an agent on its own too, where AutoGen hangs",
    "UserProxyAgent": "asks in the cell, and raises HumanUnavailable if nobody can answer",
    "__version__": "is agentnb's own version",
}

ATTRIBUTES = {
    "dump_component": "providers carry agentnb's names; agentnb.compat.to_autogen(...) writes AutoGen's. Secrets are "
    "written as the name of their environment variable",
    "load_component": "a config that carries source code (FunctionTool) is refused without allow_code=True",
    "pause": "a team's run waits behind the turn that goes on, until resume(); AutoGen's only tells the agents",
    "save_state": "a team's state holds its termination condition's count too",
    "stop_when": "the condition is asked after each message and every 50 ms, not once a second",
}

ARGUMENTS = {
    ("AssistantAgent", "memory"): "what memories tell is shown to the model and does not pile up in the context",
    ("AssistantAgent", "output_content_type"): "a request that offers tools is not bound to the type: an answer that "
    "does not fit is asked for again without tools; one that still does not fit raises ModelResponseInvalid, with "
    "pydantic's ValidationError as its cause",
    ("SingleThreadedAgentRuntime", "intervention_handlers"): _INTERVENTIONS,
    ("ClosureAgent", "unknown_type_policy"): _IGNORED,
    ("register_closure", "unknown_type_policy"): _IGNORED,
}

LOGGERS = "AutoGen's events are written to this logger once agentnb.telemetry is imported"
AGENTCHAT_LOGGERS = "nothing is written to this logger; a run's log (TaskResult.log) holds what was said"
PROVIDER = "as a component's provider it loads as it is"
PATH_IN_STRING = "a path in a string: it is left alone, as only a component's provider loads under the old name"
