"""Where a run comes from: software, code, models, prompts, tools, options; as far as its log says so."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from agentnb.messages import BaseChatMessage
from agentnb.runlog import Event, RunLog, log_of, result_of, shown
from agentnb.runlog.scopes import name_of
from agentnb.transcripts.messages import total_cost
from agentnb.transcripts.methods import counted, duration, listed, methods
from agentnb.transcripts.origins import Answers, Branching, ModelUse, Prompt, RunOrigin, Template, ToolUse
from agentnb.transcripts.summary import is_written

_OPTIONS = {
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "max_tokens",
    "max_completion_tokens",
    "frequency_penalty",
    "presence_penalty",
    "repeat_penalty",
    "n",
    "stop",
    "logit_bias",
    "reasoning_effort",
    "verbosity",
    "service_tier",
    "parallel_tool_calls",
    "n_ctx",
}
_TEMPLATE = re.compile(r"(?:^|_)(?:prompt|template|format|message|instructions)$")
_Client = tuple[str, str, dict[str, Any]]
"""Whose it is, its class, and its arguments."""
_INSTEAD: dict[str, Answers] = {"ScriptedChatCompletionClient": "script", "ReplayChatCompletionClient": "replay"}


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a run comes from, as far as its log says so; times are UTC, hashes SHA-256.

    ```python
    known = provenance(log)
    print(known.methods())
    ```
    """

    log_id: str
    runs: tuple[RunOrigin, ...]
    branches: tuple[Branching, ...]
    models: tuple[ModelUse, ...]
    prompts: tuple[Prompt, ...]
    tools: tuple[ToolUse, ...]
    templates: tuple[Template, ...]
    code: Mapping[str, int]
    """How often which executor ran code."""
    turns: int
    """Outermost ones; one that broke off and was taken up again counts once."""
    messages: int
    """Chat messages without those taken back; those of runs within turns too."""
    runs_within: int
    """Runs that took place within turns."""
    questions: int
    """To a person."""
    answered: int
    answered_by_function: int
    """Of these, by an `input_func`, which may be a person's voice or a line of program."""
    prompt_tokens: int
    completion_tokens: int
    calls_without_usage: int
    cost_usd: float | None
    """US dollars; None if the price of a call is not known."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, ready for JSON."""
        data: dict[str, Any] = _plain(asdict(self))
        return data

    def methods(self) -> str:
        """Return a paragraph for a methods section, which states what the log says and nothing else."""
        return methods(self)

    def rows(self) -> list[tuple[str, str]]:
        """Return what is known as a table: what, and its value."""
        return list(_rows(self))

    def to_markdown(self) -> str:
        """Return the table and the paragraph as Markdown."""
        table = "\n".join(f"| {_escaped(what)} | {_escaped(value)} |" for what, value in self.rows())
        return f"| | |\n|---|---|\n{table}\n\n{_escaped(self.methods())}\n"

    def __str__(self) -> str:
        width = max((len(what) for what, _ in self.rows()), default=0)
        return "\n".join(f"{what:{width}}  {value}" for what, value in self.rows())

    def __repr__(self) -> str:
        return f"<provenance of {self.log_id[:8]}: {counted(len(self.runs), 'run')}>"


def provenance(log: Any) -> Provenance:
    """Return where a run comes from.

    Args:
        log: A log, what has one as its `log`, such as a run or a result, the path of its file, or its id.

    Raises:
        UserError: If it is none of these.
        LogUnreadable: If a file is missing or cannot be read.
    """
    return _Reader(log_of(log, "provenance")).read()


class _Reader:
    def __init__(self, log: RunLog) -> None:
        self._log = log
        self._clients: list[_Client] = []
        self._described: dict[str, str] = {}
        self._templates: dict[str, Template] = {}
        self._models: dict[tuple[str, str], ModelUse] = {}
        self._uses: dict[str, ModelUse] = {}
        self._outer: dict[str, bool] = {}
        self._prompts: dict[str, Prompt] = {}
        self._seen: dict[int, Prompt | None] = {}
        self._tools: dict[str, ToolUse] = {}

    def read(self) -> Provenance:
        runs: dict[str, tuple[Event, Event | None]] = {}
        branches: list[Branching] = []
        code: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        spent = []
        within: dict[str | None, bool] = {}
        said: set[int] = set()
        for event in self._log:
            body: Any = event.body
            inner = within[event.id] = within.get(event.parent, False) or self._begins_within(event)
            match event.kind:
                case "run.started":
                    counts["within"] += inner
                    if not inner:
                        runs[event.id] = (event, None)
                    for part in _nodes(body.component, body.runner):
                        self._describe(*part)
                case "run.finished" if event.parent in runs:
                    runs[event.parent] = (runs[event.parent][0], event)
                case "branch":
                    before = next((key for key, (_, end) in list(runs.items())[-1:] if end is None), None)
                    branches.append(Branching(body.origin, body.at, body.why, self._messages_before(event), before))
                case "turn.started":
                    counts["turns"] += not inner and body.again is None
                case "message":
                    if isinstance(body.message, BaseChatMessage):
                        said.add(event.seq)
                case "retracted":
                    said.discard(body.said)
                case "input.requested":
                    counts["questions"] += 1
                case "input.answered":
                    counts["answered"] += 1
                    counts["answered_by_function"] += body.by == "input_func"
                case "code.started":
                    code[body.executor] += 1
                case "tool.started":
                    self._tool(body.tool).calls += 1
                case "tool.finished":
                    self._tool(body.tool).failed += bool(body.is_error)
                case "model.started":
                    self._asked(event, body)
                case "model.finished":
                    self._answered(event, body)
                    if event.usage is not None:
                        spent.append(event.usage)
                        counts["silent"] += event.usage.prompt_tokens is None
        last, left = next(reversed(runs), None), {branch.left for branch in branches}
        return Provenance(
            log_id=self._log.id,
            runs=tuple(self._origin(*pair, left=key in left, last=key == last) for key, pair in runs.items()),
            branches=tuple(branches),
            models=tuple(self._models.values()),
            prompts=tuple(self._prompts.values()),
            tools=tuple(self._tools.values()),
            templates=tuple(self._templates.values()),
            code=dict(code),
            turns=counts["turns"],
            messages=len(said),
            runs_within=counts["within"],
            questions=counts["questions"],
            answered=counts["answered"],
            answered_by_function=counts["answered_by_function"],
            prompt_tokens=sum(usage.prompt_tokens or 0 for usage in spent),
            completion_tokens=sum(usage.completion_tokens or 0 for usage in spent),
            calls_without_usage=counts["silent"],
            cost_usd=total_cost(spent) if spent else None,
        )

    def _messages_before(self, branch: Event) -> int:
        before = self._log.events[: branch.seq - 1]
        runs = [event.id for event in before if event.kind == "run.started" and event.parent is None]
        return len(result_of(before, runs[-1])) if runs else 0

    def _origin(self, started: Event, finished: Event | None, *, left: bool, last: bool) -> RunOrigin:
        origin = _origin(self._log, started, finished)
        if finished is not None or (last and not left and self._goes_on()):
            return origin
        return replace(origin, outcome="branched" if left else "broken off")

    def _goes_on(self) -> bool:
        # Who has it in memory alone may go on with it at any time.
        return self._log.path is None or is_written(self._log.path)

    @staticmethod
    def _begins_within(event: Event) -> bool:
        return event.kind == "run.started" and event.parent is not None

    def _describe(self, owner: str, sort: str, provider: str, config: dict[str, Any]) -> None:
        if sort == "model":
            self._clients.append((owner, provider.rpartition(".")[2], config))
        elif sort == "tool" and isinstance(config.get("name"), str):
            self._described[config["name"]] = _sha256(_canonical(config))
            tool = self._tool(config["name"])
            tool.sha256, tool.offered = self._described[config["name"]], True
        if sort == "model":
            return
        for key, value in config.items():
            if isinstance(value, str) and value and _TEMPLATE.search(key):
                where = f"{owner}.{key}"
                self._templates[where] = Template(where, _sha256(value), len(value))

    def _tool(self, name: str) -> ToolUse:
        return self._tools.setdefault(name, ToolUse(name, self._described.get(name)))

    def _asked(self, event: Event, body: Any) -> None:
        for name in body.tools:
            self._tool(name).offered = True
        self._note_prompts(event, body)
        before = self._uses.get(event.parent or "")
        self._outer[event.id] = before is None
        if before is not None:
            self._uses[event.id] = before  # a client that asks through another: one call
            return
        client = self._client(event.source, body.model)
        options = {k: v for k, v in (client[1] if client else {}).items() if k in _OPTIONS and v is not None}
        options |= {k: v for k, v in body.options.items() if k in _OPTIONS and v is not None}
        key = (body.model, _canonical(options))
        use = self._models.get(key)
        if use is None:
            use = self._models[key] = ModelUse(body.model, options, _answers(client[0] if client else "", body.model))
        if use.answers != "model":
            cassette = self._cassette(event.source, body.model)
            use.cassette += [cassette] if cassette and cassette not in use.cassette else []
        self._uses[event.id] = use
        use.calls += 1
        use.unfinished += 1
        if event.source and event.source not in use.agents:
            use.agents.append(event.source)

    def _cassette(self, source: str, model: str) -> str | None:
        """Return the hash of what a script or a recording answered with, if the component says it beyond doubt."""
        fitting, own = self._asked_of(source, model)
        found = {str(client[2].get("cassette") or "") for client in own or fitting}
        return next(iter(found)) or None if len(found) == 1 else None

    def _asked_of(self, source: str, model: str) -> tuple[list[_Client], list[_Client]]:
        """Return the clients that could have been asked, and those of them that are the asker's own."""
        fitting = [client for client in self._clients if _fits(client[1], client[2], model)]
        # A client whose arguments name no model, such as that of a file, is known by whose it is.
        fitting = fitting or [client for client in self._clients if not _named(client[2])]
        return fitting, [client for client in fitting if client[0] == name_of(source)]

    def _client(self, source: str, model: str) -> tuple[str, dict[str, Any]] | None:
        """Return the class and the arguments of the client that was asked, if the component says so beyond doubt.

        Of several clients of one class that it could have been, those arguments in which they agree.
        """
        fitting, own = self._asked_of(source, model)
        if not own and all(_named(client[2]) for client in fitting):
            own = fitting
        if not own or any(one[1] != own[0][1] for one in own):
            return None
        _, provider, config = own[0]
        return provider, {key: value for key, value in config.items() if all(one[2].get(key) == value for one in own)}

    def _answered(self, event: Event, body: Any) -> None:
        use = self._uses.get(event.parent or "")
        if use is None:
            return
        # Read where it is written: not every version of the fact has it.
        for name, known in (("returned_model", use.returned), ("fingerprint", use.fingerprints)):
            value = getattr(body, name, None)
            if value and value not in known:
                known.append(str(value))
        if self._outer.get(event.parent or ""):
            use.unfinished -= 1
            use.failed += body.result is None
            use.cached += bool(body.result is not None and body.result.cached)

    def _note_prompts(self, event: Event, body: Any) -> None:
        for place, seq in enumerate(body.added):
            if seq not in self._seen:
                self._seen[seq] = self._prompt(event, body.keep + place, seq)
            prompt = self._seen[seq]
            if prompt is not None and event.source not in prompt.agents:
                prompt.agents.append(event.source)

    def _prompt(self, call: Event, place: int, seq: int) -> Prompt | None:
        fact: Any = self._log.events[seq - 1].body
        if fact.kind != "context" or fact.role != "SystemMessage":
            return None
        whole = fact.message is not None and fact.after is None
        text = str((fact.message if whole else shown(self._log, call)[place]).content)
        digest = _sha256(text)
        return self._prompts.setdefault(digest, Prompt(digest, len(text)))


def _origin(log: RunLog, started: Event, finished: Event | None) -> RunOrigin:
    body: Any = started.body
    end: Any = finished.body if finished else None
    return RunOrigin(
        id=started.id,
        runner=body.runner,
        runner_type=body.runner_type,
        participants=tuple((one.name, one.role) for one in body.participants),
        started_at=started.at,
        took=finished.took if finished else None,
        outcome=end.outcome if end else "running",
        stop_reason=end.stop_reason if end else None,
        continues=body.continues,
        resumed=bool(getattr(body, "resumed", None)),
        shared=not started.id.startswith(f"{log.id}:"),
        versions=dict(body.versions),
        circumstances=dict(body.circumstances or {}),
        component_sha256=_sha256(_canonical(body.component)) if body.component else None,
    )


def _nodes(value: Any, owner: str) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield the components within a component: whose they are, their sort, class and arguments."""
    if isinstance(value, list | tuple):
        for one in value:
            yield from _nodes(one, owner)
    elif isinstance(value, dict):
        config = value.get("config")
        if isinstance(config, dict) and isinstance(value.get("provider"), str):
            sort = str(value.get("component_type") or "")
            if sort in ("agent", "team") and isinstance(config.get("name"), str):
                owner = config["name"]
            yield owner, sort, value["provider"], config
        for one in value.values():
            yield from _nodes(one, owner)


def _fits(provider: str, config: Mapping[str, Any], model: str) -> bool:
    named = _named(config)
    if named:
        return named in (model, model.partition(":")[2])
    return _INSTEAD.get(provider) == _answers("", model) != "model"


def _named(config: Mapping[str, Any]) -> str:
    named = config.get("model") or config.get("name")
    return named if isinstance(named, str) else ""


def _answers(provider: str, model: str) -> Answers:
    if provider in _INSTEAD:
        return _INSTEAD[provider]
    return "script" if model == "scripted" else "replay" if re.match(r"replay(?:$|:)", model) else "model"


def _canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case datetime():
            return value.isoformat()
    return value


def _rows(known: Provenance) -> Iterator[tuple[str, str]]:
    yield "log", known.log_id
    for branch in known.branches:
        after = f"{counted(branch.facts, 'fact')}, {counted(branch.messages, 'message')}"
        yield "branched from", f"{branch.origin} after {after}"
    for run in known.runs:
        who = f"{run.runner} ({run.runner_type}), {run.started_at:%Y-%m-%d %H:%M:%S} UTC"
        took = f", {duration(run.took)}" if run.took is not None else ""
        yield "run", f"{who}, {run.outcome}{took}" + (", taken over by branching" if run.shared else "")
    yield from _distinct("versions", (_pairs(run.versions) for run in known.runs))
    for what in ("os", "distribution", "machine", "implementation", "place", "kernel", "file", "prices"):
        yield from _distinct(what, (str(run.circumstances.get(what, "")) for run in known.runs))
    yield from _distinct("git", (_git(run.circumstances.get("git")) for run in known.runs))
    yield from _distinct("settings", (_pairs(run.circumstances.get("settings") or {}) for run in known.runs))
    for use in known.models:
        answered = f", returned {listed(use.returned)}" if use.returned else ""
        marks = f", fingerprint {listed(use.fingerprints)}" if use.fingerprints else ""
        options = f" ({_pairs(use.options)})" if use.options else ""
        yield use.answers, f"{use.model}{options}: {counted(use.calls, 'call')}{answered}{marks}"
        for cassette in use.cassette:
            yield "cassette", f"{cassette} ({use.model})"
    for prompt in known.prompts:
        yield "prompt", f"{prompt.sha256} ({listed(prompt.agents)}, {counted(prompt.characters, 'character')})"
    for tool in known.tools:
        about = tool.sha256 or ("description not known" if tool.offered else "no model was offered it")
        yield "tool", f"{tool.name}: {about}, {counted(tool.calls, 'call')}"
    shown_whole = {prompt.sha256 for prompt in known.prompts}
    for template in known.templates:
        if template.sha256 in shown_whole:
            continue
        yield "template", f"{template.where}: {template.sha256}"
    yield from _distinct("component", (run.component_sha256 or "" for run in known.runs))


def _distinct(what: str, values: Iterator[str]) -> Iterator[tuple[str, str]]:
    for value in dict.fromkeys(values):
        if value:
            yield what, value


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _git(state: Mapping[str, Any] | None) -> str:
    if not state:
        return ""
    branch = f" ({state['branch']})" if state.get("branch") else ""
    dirty = state.get("dirty")
    changed = "" if dirty is None else f", {counted(state.get('changed_files', 0), 'changed file')}"
    return f"{state.get('commit', '')}{branch}{changed}"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~$&])", r"\\\1", " ".join(text.split()))
