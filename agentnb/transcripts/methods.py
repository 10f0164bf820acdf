"""A paragraph for a methods section, sentence by sentence; a sentence whose facts are not known is not written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from agentnb.transcripts.origins import ModelUse, RunOrigin, ToolUse

if TYPE_CHECKING:
    from agentnb.transcripts.provenance import Provenance

_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_OFTEN = ("never", "once", "twice")
LONGEST = 200
"""Characters of a stop reason that are quoted."""
NAMED = 12
"""More hashes are only counted."""


def methods(known: Provenance) -> str:
    """Return the paragraph."""
    if not known.runs:
        return "The log holds no run of a team or an agent."
    return " ".join(sentence for write in SENTENCES for sentence in write(known))


def number(count: int) -> str:
    """Return a number as scholarly prose has it: a word up to twelve, then digits."""
    return _WORDS[count] if 0 <= count < len(_WORDS) else f"{count:,}"


def counted(count: int, one: str) -> str:
    """Return a count with its noun, as in `1 run`, `2 runs`."""
    return f"{count:,} {one}{'s' * (count != 1)}"


def listed(values: Iterable[str]) -> str:
    """Return texts as prose: `a`, `a and b`, `a, b, and c`."""
    known = [value for value in values if value]
    if len(known) < 3:
        return " and ".join(known)
    return f"{', '.join(known[:-1])}, and {known[-1]}"


def duration(seconds: float) -> str:
    """Return seconds with their unit, short ones with two digits."""
    return f"{seconds:,.1f} s" if seconds >= 1 else f"{seconds:.2g} s"


def _many(count: int, one: str) -> str:
    return f"{number(count)} {one}{'s' * (count != 1)}"


def _often(count: int) -> str:
    return _OFTEN[count] if count < len(_OFTEN) else f"{number(count)} times"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _day(at: datetime) -> str:
    return f"{at.day} {at:%B %Y}"


def _days(runs: Sequence[RunOrigin]) -> str:
    days = list(dict.fromkeys(_day(run.started_at) for run in sorted(runs, key=lambda run: run.started_at)))
    return f"on {days[0]} (UTC)" if len(days) == 1 else f"between {days[0]} and {days[-1]} (UTC)"


def _who(run: RunOrigin) -> str:
    people = run.participants
    if not people or _noun(run) == "agent":
        return f"{run.runner} ({run.runner_type})"
    names = listed(f"{name} ({role})" if role else name for name, role in people)
    return f"{run.runner} ({run.runner_type}), with {_many(len(people), 'participant')}, {names},"


def _noun(run: RunOrigin) -> str:
    return "agent" if [name for name, _ in run.participants] in ([], [run.runner]) else "team"


def _runs(known: Provenance) -> list[str]:
    groups: dict[tuple[str, str], list[RunOrigin]] = {}
    for run in known.runs:
        groups.setdefault((_noun(run), _who(run)), []).append(run)
    return [f"The {noun} {who} was run {_often(len(runs))} {_days(runs)}." for (noun, who), runs in groups.items()]


def _lineage(known: Provenance) -> list[str]:
    said = [
        f"The first {_many(branch.facts, 'fact') if branch.facts != 1 else 'fact'} of the log "
        f"{'was' if branch.facts == 1 else 'were'} taken over from run {branch.origin[:8]} by branching."
        for branch in known.branches
    ]
    resumed = sum(run.resumed for run in known.runs)
    continued = sum(run.continues is not None for run in known.runs) - resumed
    if continued > 0:
        said.append(_upper(f"{_many(continued, 'run')} continued the conversation of an earlier one."))
    before = Counter(_ending(known, run) for run in known.runs if run.resumed)
    said += [_upper(f"{_many(count, 'run')} took up an earlier one {ending}.") for ending, count in before.items()]
    return said


def _ending(known: Provenance, run: RunOrigin) -> str:
    """Return how the run had ended that another one takes up."""
    earlier = next((one for one in known.runs if one.id == run.continues), None)
    if earlier is None:
        return "whose log this is not"
    branch = next((branch for branch in known.branches if branch.left == earlier.id), None)
    if earlier.outcome == "branched" and branch is not None:
        return f"where it had been branched, at message {branch.messages}"
    return {
        "done": "that had come to its end",
        "stopped": "that had been stopped by a person",
        "failed": "that had failed",
    }.get(earlier.outcome, "that had been broken off")


def _values(known: Provenance, read: Callable[[RunOrigin], Any]) -> list[str]:
    return [str(value) for value in dict.fromkeys(map(read, known.runs)) if value]


def _noted(known: Provenance, name: str) -> list[str]:
    return _values(known, lambda run: run.circumstances.get(name))


def _software(known: Provenance) -> list[str]:
    own = _values(known, lambda run: run.versions.get("agentnb-toolkit"))
    python = _values(known, lambda run: run.versions.get("python"))
    if not own:
        return []
    text = f"agentnb-toolkit {listed(own)} {'was' if len(own) == 1 else 'were'} used"
    if python:
        kinds = _noted(known, "implementation")
        text += f" with Python {listed(python)}" + (f" ({listed(kinds)})" if kinds else "")
    system = _noted(known, "os")
    if system:
        inside = "; ".join([*_noted(known, "distribution"), *_noted(known, "machine")])
        text += f" on {listed(system)}" + (f" ({inside})" if inside else "")
    names = dict.fromkeys(name for run in known.runs for name in run.versions)
    others = [
        f"{name} {listed(_values(known, lambda run, name=name: run.versions.get(name)))}"  # type: ignore[misc]
        for name in names
        if name not in ("agentnb-toolkit", "python")
    ]
    packages = [f"Further packages noted at the start were {listed(others)}."] if len(others) > 1 else []
    if len(others) == 1:
        packages = [f"One further package was noted at the start, {others[0]}."]
    return [f"{text}.", *packages]


def _place(known: Provenance) -> list[str]:
    places = list(dict.fromkeys(_started_from(run.circumstances) for run in known.runs))
    named = [place for place in places if place]
    if not named or len(named) < len(places):
        return []
    return [_upper(f"{'the run was' if len(known.runs) == 1 else 'the runs were'} started {listed(named)}.")]


def _started_from(noted: Any) -> str:
    name = noted.get("file")
    match noted.get("place"):
        case "notebook":
            kernel = f" (kernel: {noted['kernel']})" if noted.get("kernel") else ""
            return f"in the notebook {name}{kernel}" if name else f"in a notebook{kernel}"
        case "ipython":
            return "in an IPython terminal"
        case "script" if name:
            return f"with python {name}" if name.startswith("-m ") else f"from the script {name}"
    return ""


def _code_state(known: Provenance) -> list[str]:
    said = []
    states = [run.circumstances.get("git") for run in known.runs]
    for state in {str(one): one for one in states if one}.values():
        branch = f" (branch {state['branch']})" if state.get("branch") else ""
        text = f"The working folder was at git commit {state['commit'][:12]}{branch}"
        if state.get("dirty") is True:
            text += f", with {_many(state['changed_files'], 'changed file')} that had not been committed"
        elif state.get("dirty") is False:
            text += ", without uncommitted changes to tracked files"
        if text + "." not in said:
            said.append(text + ".")
    return said


def _models(known: Provenance) -> list[str]:
    return [_model(use) for use in known.models]


def _model(use: ModelUse) -> str:
    options = f" ({', '.join(f'{name} {value}' for name, value in use.options.items())})" if use.options else ""
    if use.answers != "model":
        return _prepared(use)
    text = f"The model {use.model}{options} was called {_often(use.calls)}"
    parts = [
        f"{number(use.cached)} of the answers came from a cache" if use.cached else "",
        _of_calls(use.failed, use.calls, "failed"),
        _of_calls(use.unfinished, use.calls, "had not returned"),
    ]
    if use.returned:
        parts.append(
            f"the server named it {listed(use.returned)}"
            + (f" (system fingerprint {listed(use.fingerprints)})" if use.fingerprints else "")
        )
    else:
        parts.append("the name under which the server answered was not recorded")
    return "; ".join([text, *filter(None, parts)]) + "."


def _prepared(use: ModelUse) -> str:
    """Tell of answers that no language model gave."""
    came = "a script" if use.answers == "script" else "a recording"
    answered = use.calls - use.failed - use.unfinished
    calls = "call" if use.calls == 1 else f"{number(use.calls)} calls"
    none = f"no language model was called for {'it' if use.calls == 1 else 'them'}"
    if not answered:
        return f"The {calls} under the name {use.model}, which {came} was to answer, got no answer; {none}."
    answers = "answer" if answered == 1 else f"{number(answered)} answers"
    parts = [_of_calls(use.failed, use.calls, "failed"), _of_calls(use.unfinished, use.calls, "had not returned")]
    none = none if answered == use.calls else "no language model was called"
    return "; ".join([f"The {answers} under the name {use.model} came from {came}", none, *filter(None, parts)]) + "."


def _of_calls(some: int, calls: int, did: str) -> str:
    if not some:
        return ""
    if some == calls:
        return f"the call {did}" if calls == 1 else f"all calls {did}"
    return f"{number(some)} of the calls {did}"


def _prompts(known: Provenance) -> list[str]:
    prompts = known.prompts
    if not prompts:
        return []
    if len(prompts) > NAMED:
        return [f"{_upper(_many(len(prompts), 'different system prompt'))} were used."]
    hashes = listed(f"{one.sha256[:12]} ({listed(one.agents)})" if one.agents else one.sha256[:12] for one in prompts)
    if len(prompts) == 1:
        return [f"One system prompt was used, with SHA-256 {hashes}."]
    return [f"{_upper(_many(len(prompts), 'different system prompt'))} were used, with SHA-256 {hashes}."]


def _tools(known: Provenance) -> list[str]:
    offered, others = ([tool for tool in known.tools if tool.offered is each] for each in (True, False))
    return [*_available(offered), *_called(others)]


def _available(tools: Sequence[ToolUse]) -> list[str]:
    if not tools or len(tools) > NAMED:
        return [f"{_upper(_many(len(tools), 'tool'))} were available."] if tools else []
    named = listed(
        f"{tool.name} ({_use(tool)}{f'; SHA-256 {tool.sha256[:12]}' if tool.sha256 else ''})" for tool in tools
    )
    if len(tools) == 1:
        return [f"One tool was available, {named}."]
    return [f"{_upper(_many(len(tools), 'tool'))} were available, {named}."]


def _called(tools: Sequence[ToolUse]) -> list[str]:
    """Tell of calls of what no model was offered: one made the name up, or an agent called it by itself."""
    if not tools:
        return []
    some = "one further tool was" if len(tools) == 1 else f"{_many(len(tools), 'further tool')} were"
    named = f", {listed(f'{tool.name} ({_use(tool)})' for tool in tools)}" if len(tools) <= NAMED else ""
    return [_upper(f"{some} called that no model had been offered{named}.")]


def _use(tool: ToolUse) -> str:
    if not tool.calls:
        return "not called"
    failed = f", {number(tool.failed)} of them without success" if tool.failed else ""
    return f"called {_often(tool.calls)}{', without success' if tool.failed == tool.calls else failed}"


def _executors(known: Provenance) -> list[str]:
    return [f"Code was run {_often(count)} by {name}." for name, count in known.code.items()]


def _person(known: Provenance) -> list[str]:
    by_function = known.answered_by_function
    questions, answered = known.questions - by_function, known.answered - by_function
    said = []
    if questions:
        did = f"answered {_often(answered)}" if answered else "did not answer"
        did = f"answered{' each time' if questions > 1 else ''}" if answered == questions else did
        said.append(f"A person was asked {_often(questions)} and {did}.")
    if by_function:
        asked = f"{_many(by_function, 'question')} to a person {'was' if by_function == 1 else 'were'}"
        said.append(_upper(f"{asked} answered by a function of the program."))
    return said


def _extent(known: Provenance) -> list[str]:
    took = [run.took for run in known.runs if not run.shared]
    calls = sum(use.calls for use in known.models if use.answers == "model")
    said = [f"The conversation comprised {_many(known.turns, 'turn')} and {_many(known.messages, 'message')}."]
    if known.runs_within:
        where = "a turn" if known.runs_within == 1 else "turns"
        said.append(_upper(f"{_many(known.runs_within, 'further run')} took place within {where}."))
    if calls and (known.prompt_tokens or known.completion_tokens):
        some = ", as far as the server reported them" if known.calls_without_usage else ""
        cost = f", at a cost of {known.cost_usd:.4f} US dollars" if known.cost_usd is not None else ""
        said.append(
            f"The models read {known.prompt_tokens:,} tokens and wrote {known.completion_tokens:,}{some}{cost}."
        )
    prices = _noted(known, "prices")
    if prices and known.cost_usd is not None:
        said.append(f"Prices were those of {listed(prices)}.")
    if took and None not in took:
        seconds = duration(sum(one for one in took if one is not None))
        what = "The run" if len(known.runs) == 1 else "Together the runs"
        if len(took) < len(known.runs):
            what = "What was not taken over"
        time = ", some of them at the same time" if _side_by_side(known.runs) else " of wall-clock time"
        said.append(f"{what} took {seconds}{time}.")
    return said


def _side_by_side(runs: Sequence[RunOrigin]) -> bool:
    own = sorted((run for run in runs if not run.shared), key=lambda run: run.started_at)
    return any(later.started_at < run.started_at + timedelta(seconds=run.took or 0.0) for run, later in pairwise(own))


def _outcome(known: Provenance) -> list[str]:
    run = known.runs[-1]
    last = "The run" if len(known.runs) == 1 else "The last run"
    reason = " ".join((run.stop_reason or "").split())
    quoted = f' (reason given: "{reason[:LONGEST]}{"…" if len(reason) > LONGEST else ""}")' if reason else ""
    words = {
        "done": "came to its end",
        "stopped": "was stopped before its end",
        "failed": "ended with an error",
        "running": "had not ended when its log was read",
        "broken off": "was broken off without an end",
        "branched": "was left where it was branched",
    }
    return [f"{last} {words.get(run.outcome, run.outcome)}{quoted}."]


SENTENCES: tuple[Callable[[Provenance], list[str]], ...] = (
    _runs,
    _lineage,
    _software,
    _place,
    _code_state,
    _models,
    _prompts,
    _tools,
    _executors,
    _person,
    _extent,
    _outcome,
)
