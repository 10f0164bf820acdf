"""The cell as a task: the transformer, the options, what is said where something is wrong."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell

import agentnb.notebook
from agentnb.base import TaskRunner
from agentnb.core import plugins
from agentnb.exceptions import UnknownName, UserError
from agentnb.notebook import load_ipython_extension, unload_ipython_extension
from agentnb.notebook.magics import AgentTeamMagics, magics_of, run_cell, transform
from agentnb.runlog import VariablesShared
from tests.notebook.runners import Coder, Duo, Talker, Waiter


@pytest.fixture
def magics(shell: Any) -> AgentTeamMagics:
    found = magics_of(shell)
    assert found is not None
    return found


def arguments_of(code: str) -> tuple[str, str]:
    call = code.rpartition(".run_cell")[2].strip()
    line, body = eval(call)
    return line, body


texts = st.text(alphabet=st.characters(blacklist_categories=()), max_size=80)
spiced = st.lists(
    st.one_of(texts, st.sampled_from(["{x}", "$x", "%%time", "!ls", "'", '"', '"""', "'''", "\\", "?", "\n", "\ud800"]))
).map("".join)


@given(spiced)
def test_the_body_arrives_as_it_was_typed(body: str) -> None:
    lines = f"%%agentteam team -o run\n{body}".splitlines(keepends=True)

    (code,) = transform(lines)

    assert arguments_of(code) == ("team -o run", body)
    assert code.isascii() or body.isprintable() or not body.isascii()
    assert code.count("\n") == 1


@given(spiced)
def test_other_cells_are_left_alone(body: str) -> None:
    lines = f"x = 1\n%%agentteam team\n{body}".splitlines(keepends=True)

    assert transform(lines) == lines


@pytest.mark.parametrize("first", ["%%agentteamwork x", "%agentteam list", "%%agentteam?", "# %%agentteam x", "%%time"])
def test_lines_that_only_look_similar_are_left_alone(first: str) -> None:
    assert transform([f"{first}\n", "body\n"]) == [f"{first}\n", "body\n"]


def test_blank_lines_and_blanks_before_the_first_line_do_not_matter() -> None:
    (code,) = transform(["\n", "   %%agentteam team\n", "body\n"])

    assert arguments_of(code) == ("team", "body\n")


def test_ipython_runs_what_the_transformer_made(shell: Any) -> None:
    body = ">>> {braces} $x 'a' \"b\" \\n really?"
    code = shell.transform_cell(f"%%agentteam team\n{body}\n")

    assert arguments_of(code) == ("team", body + "\n")
    compile(code, "cell", "exec", flags=0x2000)  # PyCF_ALLOW_TOP_LEVEL_AWAIT


def test_loading_twice_changes_nothing_and_unloading_takes_all_away(shell: Any) -> None:
    transforms = shell.input_transformer_manager.cleanup_transforms
    load_ipython_extension(shell)

    assert transforms.count(transform) == 1
    assert sum(isinstance(item, AgentTeamMagics) for item in shell.configurables) == 1

    unload_ipython_extension(shell)
    assert transform not in transforms
    assert magics_of(shell) is None
    assert "agentteam" not in shell.magics_manager.magics["cell"]
    assert not any(isinstance(item, AgentTeamMagics) for item in shell.configurables)
    unload_ipython_extension(shell)
    load_ipython_extension(shell)


def test_a_terminal_waits_for_the_body(shell: Any) -> None:
    manager = shell.input_transformer_manager

    assert manager.check_complete("%%agentteam team")[0] == "incomplete"
    assert manager.check_complete("%%agentteam team\ndo it\n\n")[0] == "complete"


def test_the_plain_magic_says_why_it_cannot_run(shell: Any) -> None:
    with pytest.raises(UserError, match="must be the first line of its cell"):
        shell.run_cell_magic("agentteam", "team", "body")


def test_without_autoawait_the_cell_says_how_to_get_it(shell: Any) -> None:
    shell.autoawait = False
    try:
        assert transform(["%%agentteam team\n", "body\n"]) == ["%%agentteam team\n", "body\n"]
        with pytest.raises(UserError, match="%autoawait asyncio"):
            shell.run_cell_magic("agentteam", "team", "body")
    finally:
        shell.autoawait = True


def test_the_help_lists_the_options(magics: AgentTeamMagics) -> None:
    told: str = magics.agentteam_cell.__doc__ or ""

    for flag in (
        "--out",
        "--with",
        "--max-turns",
        "--model",
        "--wait",
        "--background",
        "--quiet",
        "NAME",
        "--resume",
        "--branch",
    ):
        assert flag in told


def test_options_are_read(magics: AgentTeamMagics) -> None:
    options = magics.options('analysts --with a,b -o run --max-turns 8 --model "openai:gpt 4" -q --wait')

    assert (options.name, options.variables, options.out, options.max_turns) == ("analysts", "a,b", "run", 8)
    assert (options.model, options.quiet, options.wait, options.background) == ("openai:gpt 4", True, True, False)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("team --max-turn 8 --modle x", "no option '--modle'. Did you mean '--model'?"),
        ("team --modell=x", "no option '--modell=x'. Did you mean '--model'?"),
        ("", "wants a name"),
        ("team please do it", "takes one name; 'please do it' is too much"),
        ("team --with a, b", "'b' is too much"),
        ("team -o 1run", "--out 1run: a variable's name is wanted"),
        ("team --out", "expected one argument"),
        ("team --max-turns many", "--max-turns many: a whole number from 1 on is wanted"),
        ("team --max-turns 0", "--max-turns 0: a whole number"),
        ("team --wait --background", "contradict each other"),
        ("team --branch two --resume run", "--branch two: a number of messages is wanted"),
        ("team --branch 2", "--branch needs a run to go on from: give `--resume RUN` as well"),
        ("team --rerun-code", "--rerun-code needs a run to go on from"),
        ("team 'unclosed", "No closing quotation"),
    ],
)
def test_a_wrong_first_line_is_explained_in_one_line(magics: AgentTeamMagics, line: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        magics.options(line)

    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_an_empty_body_asks_for_a_task(shell: Any) -> None:
    shell.user_ns["team"] = Talker()

    with pytest.raises(UserError, match="The cell has no task"):
        await run_cell("team", " \n\n")


async def test_without_the_extension_the_cell_says_so() -> None:
    InteractiveShell.instance()
    with pytest.raises(UserError, match="%load_ext agentnb"):
        await run_cell("team", "body")


async def test_an_unknown_name_lists_the_known_and_the_nearest(shell: Any) -> None:
    shell.user_ns["writers"] = Talker()

    with pytest.raises(UnknownName, match=r"known: 'analysts', 'writers'\)\. Did you mean 'writers'\?"):
        await run_cell("writer", "body")


async def test_a_variable_of_another_kind_is_named(shell: Any) -> None:
    shell.user_ns["writers"] = 7

    with pytest.raises(UserError, match="'writers' holds a int; a team or an agent is wanted"):
        await run_cell("writers", "body")


@pytest.mark.parametrize("flag", ["--model x", "--max-turns 3"])
async def test_what_a_made_team_cannot_take_is_refused(shell: Any, flag: str) -> None:
    shell.user_ns["writers"] = Talker()

    with pytest.raises(UserError, match=f"{flag.split()[0]} does not apply to the variable 'writers'"):
        await run_cell(f"writers {flag}", "body")


async def test_a_missing_variable_is_answered_by_the_nearest(shell: Any) -> None:
    shell.user_ns.update(team=Coder(), penguins=1)

    with pytest.raises(
        UnknownName, match=r"--with penguin: no such variable in this notebook\. Did you mean 'penguins'\?"
    ):
        await run_cell("team --with penguin", "body")
    with pytest.raises(UserError, match="--with wants the names of variables"):
        await run_cell("team --with ,", "body")


async def test_variables_need_someone_who_runs_code(shell: Any) -> None:
    shell.user_ns.update(team=Talker(), penguins=1)

    with pytest.raises(UserError, match="--with penguins: nobody in team 'ana' runs code"):
        await run_cell("team --with penguins", "body")


async def test_a_cell_runs_binds_and_returns_nothing(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.user_ns.update(team=Coder(), penguins=[1, 2, 3])

    assert await run_cell("team --with penguins -o run", "\n  count them\n") is None  # type: ignore[func-returns-value]

    run = shell.user_ns["run"]
    task, data, said = run.messages
    assert (run.state, task.content, task.source) == ("done", "  count them", "user")
    assert (data.source, data.metadata) == ("notebook", {"kind": "data"})
    assert "`penguins` (list, length 3)" in data.content
    assert said.content == "2"
    assert agentnb.notebook.last_run is run
    assert agentnb.notebook.runs()[-1] is run
    shared = next(event.body for event in run.log if isinstance(event.body, VariablesShared))
    assert (shared.executor, shared.names, shared.summary) == ("ana", ("penguins",), "penguins: list, length 3")
    assert run.log.events[0].kind == "run.started"
    assert "count them" in capsys.readouterr().out


async def test_quiet_shows_nothing(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.user_ns["team"] = Talker()

    await run_cell("team -o run -q", "talk")

    assert capsys.readouterr().out == ""
    assert shell.user_ns["run"].state == "done"


class Made(Talker):
    """What a recipe made, and with what."""

    def __init__(self, **given: Any) -> None:
        super().__init__("made")
        self.given = given


async def test_a_ready_made_team_gets_model_turns_and_data(
    shell: Any, magics: AgentTeamMagics, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Made] = []

    def factory(**given: Any) -> TaskRunner:
        made.append(Made(**given))
        return made[-1]

    # The recipe itself needs a model; what it is given is what counts here.
    monkeypatch.setattr(plugins, "load", lambda kind, name: factory)
    magics.model, magics.max_turns = "from:config", 5

    await run_cell("analysts", "go")
    await run_cell("analysts --model from:cell --max-turns 2", "go")
    magics.model, magics.max_turns = "", None
    await run_cell("analysts", "go")

    assert [team.given for team in made] == [
        {"model": "from:config", "data": None, "max_turns": 5},
        {"model": "from:cell", "data": None, "max_turns": 2},
        {"model": None, "data": None, "max_turns": None},
    ]


def test_config_sets_the_traits(shell: Any, magics: AgentTeamMagics, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_line_magic("config", 'AgentTeamMagics.model = "openai:gpt-4o-mini"')
    shell.run_line_magic("agentteam", "models")

    told = capsys.readouterr().out
    assert magics.model == "openai:gpt-4o-mini"
    assert "%config AgentTeamMagics.model  'openai:gpt-4o-mini'" in told
    assert "AGENTNB_MODEL                  not set" in told


async def test_the_line_magic_lists_shows_and_stops(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.user_ns["waiter"] = Waiter("slow")
    run = agentnb.notebook.NotebookRun(shell.user_ns["waiter"], "go")
    async for event in run.log.follow(0, "turn.started"):
        assert event.source == "slow"
        break

    shell.run_line_magic("agentteam", "list")
    shell.run_line_magic("agentteam", "runs")
    shell.run_line_magic("agentteam", "stop")
    with pytest.raises(UserError, match="still at run"):
        agentnb.notebook.NotebookRun(shell.user_ns["waiter"], "again")
    await run
    shell.run_line_magic("agentteam", f"stop {run.number}")
    shell.run_line_magic("agentteam", "stop")

    told = capsys.readouterr().out
    assert "analysts  ready-made team" in told
    assert "waiter    Waiter           waiter for tests" in told
    assert run.state == "stopped"
    assert f"Run {run.number} is over already (stopped)." in told
    assert "Nothing runs." in told


async def test_the_line_magic_pauses_steps_and_resumes(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run = agentnb.notebook.NotebookRun(Duo(), "go")

    shell.run_line_magic("agentteam", "pause")
    assert await run.held()
    shell.run_line_magic("agentteam", "runs")
    shell.run_line_magic("agentteam", f"step {run.number}")
    assert await run.held()
    shell.run_line_magic("agentteam", "resume")
    await run
    shell.run_line_magic("agentteam", f"pause {run.number}")

    told = capsys.readouterr().out
    assert f"Run {run.number} of 'duo' is held behind the turn that goes on" in told
    assert re.search(rf"^{run.number} +duo +paused ", told, re.MULTILINE)
    assert f"Run {run.number} of 'duo' takes one more turn." in told
    assert f"Run {run.number} of 'duo' goes on." in told
    assert f"Run {run.number} is over already (done)." in told
    assert [event.body.state for event in run.log if event.kind == "pause"] == ["paused", "step", "resumed"]  # type: ignore[attr-defined]


def test_the_line_magic_explains_itself_and_what_is_wrong(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_line_magic("agentteam", "")

    assert "%agentteam stop [N]" in capsys.readouterr().out
    wrong = (
        ("lst", "no command 'lst' .*Did you mean 'list'?"),
        ("show", "takes one run: its number, a variable, its id or its file"),
        ("stop one", "takes the number of a run, as in `%agentteam stop 1`"),
        ("pause one", "as in `%agentteam pause 1`"),
        ("show 999", "No run 999 in this kernel"),
        ("list all", "'all' is too much"),
    )
    for line, expected in wrong:
        with pytest.raises(UserError, match=expected):
            shell.run_line_magic("agentteam", line)


async def test_a_run_is_shown_again_by_number_variable_or_id_and_bound(
    shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = agentnb.notebook.NotebookRun(Talker(), "talk", quiet=True)
    await run
    saved = (await Talker().run(task="walk")).log
    assert saved is not None
    shell.user_ns["mine"] = run

    for named, bound in ((str(run.number), run), ("mine", run), (saved.id[:8], None)):
        shell.run_line_magic("agentteam", f"show {named} -o shown")

        shown = shell.user_ns["shown"]
        assert shown is bound if bound is not None else shown.log.id == saved.id
        assert ("walk" if bound is None else "talk") in capsys.readouterr().out
    for wrong, told in (("1 2 3", "takes one run"), (f"{run.number} -o 1x", "takes one run"), ("nope", "'nope'")):
        with pytest.raises(UserError, match=told):
            shell.run_line_magic("agentteam", f"show {wrong}")
