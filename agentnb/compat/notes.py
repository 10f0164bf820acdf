"""What behaves differently from AutoGen, by the name, attribute or argument that shows a program relies on it."""

from __future__ import annotations

__all__ = [
    "AGENTCHAT_LOGGERS",
    "ARGUMENTS",
    "ARGUMENTS_LATER",
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

NAMES = {
    "CodeExecutorAgent": "close() stops the executor too",
    "DefaultInterventionHandler": _INTERVENTIONS,
    "InterventionHandler": _INTERVENTIONS,
    "JupyterCodeExecutor": "a time-out interrupts the cell and keeps the variables; without output_dir figures stay in "
    "the result's outputs",
    "ListMemory": _LIST_MEMORY,
    "OpenAIChatCompletionClient": "a model name it does not know is taken, with sensible capabilities and a note",
    "RoundRobinGroupChat": "a participant that fails raises AgentFailed or its own error; the team can be run again",
    "SingleThreadedAgentRuntime": "stop() fails the sends it discards, instead of leaving their callers waiting; "
    "an agent subscribed twice to a topic hears a message once; one subscriber's error does not hide the others'",
    "ToolException": "its text is the error's text (AutoGen's is empty), and `except Exception` catches it",
    "UserProxyAgent": "asks in the cell, and raises HumanUnavailable if nobody can answer",
    "__version__": "is agentnb's own version",
}

ATTRIBUTES = {
    "dump_component": "providers carry agentnb's names; agentnb.compat.to_autogen(...) writes AutoGen's. Secrets are "
    "written as the name of their environment variable",
    "load_component": "a config that carries source code (FunctionTool) is refused without allow_code=True",
    "stop_when": "the condition is asked after each message and every 50 ms, not once a second",
}

ARGUMENTS = {
    ("SingleThreadedAgentRuntime", "intervention_handlers"): _INTERVENTIONS,
    ("ClosureAgent", "unknown_type_policy"): _IGNORED,
    ("register_closure", "unknown_type_policy"): _IGNORED,
}

ARGUMENTS_LATER = {
    "AssistantAgent": ("handoffs", "memory", "output_content_type", "output_content_type_format"),
    "CodeExecutorAgent": (
        "max_retries_on_error",
        "model_client",
        "model_client_stream",
        "model_context",
        "system_message",
    ),
}
"""Arguments of AutoGen's that a class does not take yet."""

LOGGERS = "AutoGen's events are written to this logger once agentnb.telemetry is imported"
AGENTCHAT_LOGGERS = "nothing is written to this logger; a run's log (TaskResult.log) holds what was said"
PROVIDER = "as a component's provider it loads as it is"
PATH_IN_STRING = "a path in a string: it is left alone, as only a component's provider loads under the old name"
