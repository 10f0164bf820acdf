"""Imports and dotted uses of AutoGen, rewritten in place."""

from __future__ import annotations

import ast
import re
import textwrap

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentnb.compat import autogen
from agentnb.compat.notes import ARGUMENTS, NAMES
from agentnb.compat.paths import MODULES, entries, new_path, there
from agentnb.compat.rewrite import rewrite
from agentnb.compat.source import Finding, Source


def _rewritten(text: str) -> str:
    return rewrite([Source(text)])[0].text


def _found(text: str) -> list[Finding]:
    return rewrite([Source(text)])[0].findings


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("from autogen_core import AgentId", "from agentnb import AgentId"),
        ("from autogen_core import RoutedAgent as RA", "from agentnb import RoutedAgent as RA"),
        ("from autogen_core.models import UserMessage", "from agentnb.models import UserMessage"),
        ("from autogen_core.tool_agent import ToolAgent", "from agentnb.agents import ToolAgent"),
        ("from autogen_core._routed_agent import RoutedAgent", "from agentnb import RoutedAgent"),
        ("from autogen_core import models", "from agentnb import models"),
        ("from autogen_core import tool_agent", "from agentnb import agents as tool_agent"),
        ("from autogen_core.models import *", "from agentnb.models import *"),
        ("import autogen_core", "import agentnb"),
        ("import autogen_core as ac", "import agentnb as ac"),
        ("import os, autogen_core.models as m, sys", "import os, agentnb.models as m, sys"),
        ("import autogen_core, autogen_agentchat", "import agentnb"),
        ("from  autogen_core . models  import  UserMessage", "from  agentnb.models  import  UserMessage"),
        ("from autogen_core import \\\n    AgentId", "from agentnb import \\\n    AgentId"),
        (
            "from autogen_core import (  # why\n  AgentId,  # this\n)",
            "from agentnb import (  # why\n  AgentId,  # this\n)",
        ),
        ("from autogen_core import AgentId  # noqa", "from agentnb import AgentId  # noqa"),
        ("if 1: from autogen_core import AgentId; x = 1", "if 1: from agentnb import AgentId; x = 1"),
    ],
)
def test_an_import_takes_its_new_path_and_nothing_else_changes(old: str, new: str) -> None:
    assert _rewritten(old) == new


def test_names_that_live_in_different_rooms_are_split() -> None:
    old = "from autogen_core._serialization import MessageSerializer, SerializationRegistry as SR\n"

    assert _rewritten(old) == (
        "from agentnb import MessageSerializer\n"
        "from agentnb.runtimes.serialization import SerializationRegistry as SR\n"
    )


def test_a_split_import_keeps_its_indentation_its_line_ends_and_its_comments() -> None:
    old = (
        "def f():\r\n    from autogen_core._serialization import (  # two\r\n"
        "        MessageSerializer,\r\n        SerializationRegistry,\r\n    )\r\n"
    )

    assert _rewritten(old) == (
        "def f():\r\n    # two\r\n    from agentnb import MessageSerializer\r\n"
        "    from agentnb.runtimes.serialization import SerializationRegistry\r\n"
    )


def test_a_split_import_that_shares_its_line_stays_on_it() -> None:
    old = "if x: from autogen_core._serialization import MessageSerializer, SerializationRegistry\n"

    assert _rewritten(old) == (
        "if x: from agentnb import MessageSerializer; "
        "from agentnb.runtimes.serialization import SerializationRegistry\n"
    )


def test_names_that_are_not_there_yet_keep_their_old_import_and_are_reported() -> None:
    text = "from autogen_ext.models.openai import OpenAIChatCompletionClient, AzureOpenAIChatCompletionClient\n"

    missing = [finding for finding in _found(text) if finding.kind == "missing"]
    assert _rewritten(text) == (
        "from agentnb.models import OpenAIChatCompletionClient\n"
        "from autogen_ext.models.openai import AzureOpenAIChatCompletionClient\n"
    )
    assert [(each.old, each.line, each.column) for each in missing] == [
        ("autogen_ext.models.openai.AzureOpenAIChatCompletionClient", 1, 67)
    ]
    assert "OpenAIChatCompletionClient" in missing[0].text


@pytest.mark.parametrize(
    "text",
    [
        "from autogen_core import Nothing\n",
        "import autogen_core.nothing\nautogen_core.nothing.x\n",
        "import autogen_ext.tools.mcp\nautogen_ext.tools.mcp.McpWorkbench\n",
        "from autogen_ext.tools.mcp import *\n",
        "from . import autogen_core\n",
        "import numpy as np\nnp.array\n",
        "autogen_core = 1\n",
        "# import autogen_core\n",
        '"""import autogen_core"""\n',
    ],
)
def test_what_has_no_place_here_stays_as_it_is(text: str) -> None:
    assert _rewritten(text) == text


def test_dotted_uses_follow_their_import() -> None:
    old = """
        import autogen_core
        import autogen_core as ac
        from autogen_core import tool_agent as ta
        def f(x: autogen_core.AgentId) -> ac.AgentId:
            return autogen_core.models.UserMessage(content="ä", source=x) or ac.TopicId or ta.ToolAgent or ac.__name__
        """
    new = """
        import agentnb, agentnb.models
        import agentnb as ac
        from agentnb import agents as ta
        def f(x: agentnb.AgentId) -> ac.AgentId:
            return agentnb.models.UserMessage(content="ä", source=x) or ac.TopicId or ta.ToolAgent or ac.__name__
        """

    assert _rewritten(textwrap.dedent(old)) == textwrap.dedent(new)


def test_an_alias_that_reaches_into_another_room_brings_that_room() -> None:
    old = (
        "import autogen_core as ac\nac.tool_agent.ToolAgent\n"
        "import autogen_core.utils._json_to_pydantic as j\nj.SchemaConversionError\n"
    )

    assert _rewritten(old) == (
        "import agentnb as ac, agentnb.agents\nac.agents.ToolAgent\n"
        "import agentnb.core as j, agentnb.exceptions\nagentnb.exceptions.SchemaConversionError\n"
    )


def test_each_block_imports_the_rooms_its_uses_reach_into() -> None:
    old = (
        "if TYPE_CHECKING:\n    import autogen_core\n"
        "def f():\n    import autogen_core\n    return autogen_core.models.UserMessage\n"
    )

    assert _rewritten(old) == (
        "if TYPE_CHECKING:\n    import agentnb, agentnb.models\ndef f():\n    import agentnb, agentnb.models\n"
        "    return agentnb.models.UserMessage\n"
    )


def test_a_conditional_import_keeps_its_fallback() -> None:
    old = "try:\n    import autogen_core\nexcept ImportError:\n    autogen_core = None\nif autogen_core: ...\n"

    assert _rewritten(old) == old.replace("autogen_core", "agentnb")


def test_a_local_name_that_means_something_else_too_is_left_alone() -> None:
    text = "from autogen_core import models\ndef f(models): return models.append\n"

    assert _rewritten(text) == text.replace("autogen_core", "agentnb")
    assert not [finding for finding in _found(text) if finding.kind == "missing"]


def test_a_name_for_two_modules_is_reported_where_its_use_would_change() -> None:
    text = (
        "import autogen_core as m\nm.AgentId, m.tool_agent.ToolAgent\nimport autogen_core.models as m\nm.UserMessage\n"
    )

    (found,) = [finding for finding in _found(text) if finding.needs_a_hand]

    assert (found.line, found.old) == (2, "autogen_core.tool_agent.ToolAgent")
    assert _rewritten(text) == text.replace("autogen_core", "agentnb")


def test_uses_in_f_strings_are_rewritten_or_reported() -> None:
    """Python 3.11 does not say where in a line they stand."""
    text = "import autogen_core\nx = f'{autogen_core.AgentId}'\n"
    done = rewrite([Source(text)])[0]

    reported = [finding for finding in done.findings if finding.kind == "by hand"]
    assert done.text.endswith("{agentnb.AgentId}'\n") or reported


def test_uses_in_long_f_strings_do_no_harm() -> None:
    text = 'import autogen_core\nx = f"""\n\n{autogen_core.AgentId} {autogen_core.AgentId}\n{f"{autogen_core}"}"""'
    new = _rewritten(text)

    compile(new, "<new>", "exec")
    assert set(re.findall(r"[\w.]+AgentId", new)) <= {"agentnb.AgentId", "autogen_core.AgentId"}


def test_an_unknown_attribute_of_a_module_is_reported_where_it_stands() -> None:
    (missing,) = [each for each in _found("import autogen_core\nx = autogen_core.models.Foo\n") if each.needs_a_hand]

    assert (missing.line, missing.column, missing.old) == (2, 5, "autogen_core.models.Foo")


def test_columns_count_characters() -> None:
    found = _found("import autogen_core\nx = 'äöü', autogen_core.AgentId\n")

    assert [finding.column for finding in found if finding.line == 2] == [12]


def test_what_moves_to_another_room_is_told_apart_from_what_keeps_its_name() -> None:
    found = _found("from autogen_core import AgentId\nfrom autogen_core.tool_agent import ToolAgent\n")

    assert [finding.kind for finding in found] == ["maps", "renamed"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("from autogen_core import DefaultInterventionHandler", "chained in order"),
        ("from autogen_core import AgentId\nruntime.stop_when(f)", "not once a second"),
        (
            "from autogen_core import SingleThreadedAgentRuntime as R\nR(intervention_handlers=[a, b])",
            "several handlers are chained",
        ),
        ("import autogen_core as c\nc.ClosureAgent.register_closure(r, unknown_type_policy='ignore')", "not call the"),
        ("import logging\nlogging.getLogger('autogen_core.events')", "once agentnb.telemetry is imported"),
        ("import logging\nlogging.getLogger('autogen_agentchat.events')", "TaskResult.log"),
        ("from autogen_core import Component\nComponent.load_component(x)", "allow_code=True"),
        ("from autogen_agentchat.teams import Swarm", "plain text goes on"),
        ("from autogen_agentchat.agents import AssistantAgent as A\nA('a', c, memory=[m])", "does not pile up"),
        ("import autogen_agentchat.agents as a\na.AssistantAgent('a', c, output_content_type=T)", "not bound to"),
        ("from autogen_agentchat.teams import Swarm\nawait team.pause()", "behind the turn"),
    ],
)
def test_what_behaves_differently_is_told(text: str, says: str) -> None:
    told = [finding.text for finding in _found(text) if finding.kind == "differs"]

    assert any(says in text for text in told), told


def test_every_note_is_on_a_name_that_is_there() -> None:
    names = {path.old.rpartition(".")[2] for path in entries() if path.there and not path.is_module}

    assert set(NAMES) - names == set()
    assert {cls for cls, _ in ARGUMENTS} - names == {"register_closure"}


def test_a_note_on_an_attribute_needs_a_program_that_uses_autogen() -> None:
    assert _found("runtime.stop_when(f)\n") == []


def test_providers_in_data_are_noted_and_other_strings_need_a_hand() -> None:
    found = _found(
        "a = {'provider': 'autogen_core.memory.ListMemory'}\n"
        "b = load(provider='autogen_ext.models.openai.AzureOpenAIChatCompletionClient')\n"
        'c = \'{"provider": "autogen_core.memory.ListMemory"}\'\n'
        "patch('autogen_core.AgentId')\n"
    )

    assert [(finding.line, finding.kind) for finding in found] == [
        (1, "note"),
        (2, "by hand"),
        (3, "note"),
        (4, "by hand"),
    ]


def test_the_older_autogen_is_named_as_another_library() -> None:
    (found,) = _found("from autogen import ConversableAgent\n")

    assert "another library" in found.text
    assert found.needs_a_hand


def test_cells_share_their_names() -> None:
    sources = [Source("import autogen_core as ac"), Source("ac.tool_agent.ToolAgent")]

    assert [each.text for each in rewrite(sources)] == ["import agentnb as ac, agentnb.agents", "ac.agents.ToolAgent"]


_MODULE = st.sampled_from(sorted(MODULES))
_ALIAS = st.none() | st.sampled_from(["a", "b", "models", "_x"])


@st.composite
def _statements(draw: st.DrawFn) -> str:
    module = draw(_MODULE)
    if draw(st.booleans()):
        alias = draw(_ALIAS)
        return f"import {module}" + (f" as {alias}" if alias else "")
    names = draw(st.lists(st.sampled_from([*sorted(MODULES[module].names), "Nowhere"]), min_size=1, max_size=4))
    clauses = [name + (f" as {alias}" if (alias := draw(_ALIAS)) else "") for name in names]
    joined = ", ".join(clauses)
    return f"from {module} import " + draw(st.sampled_from([joined, f"({joined})", f"(\n    {joined},  # so\n)"]))


@st.composite
def _programs(draw: st.DrawFn) -> str:
    lines = []
    for statement in draw(st.lists(_statements(), min_size=1, max_size=5)):
        form = draw(
            st.sampled_from(["{}", "def f():\n{i}", "if x:\n{i}\nelse:\n    pass", "{} # c", "y = 1; {}; z = 2"])
        )
        if "#" in statement and ("{}; z" in form or "{} #" in form):
            form = "{}"
        lines.append(form.replace("{i}", textwrap.indent(statement, "    ")).replace("{}", statement))
    return "\n".join(lines) + "\n"


def _bound(text: str) -> set[str]:
    """The local names a program's imports bind; AutoGen's roots and agentnb count as one."""
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.asname or alias.name.partition(".")[0] for node in imports for alias in node.names}
    return {"agentnb" if name.startswith("autogen_") else name for name in names}


@given(_programs())
def test_any_mix_of_imports_compiles_binds_the_same_names_and_is_rewritten_once(program: str) -> None:
    new = _rewritten(program)

    compile(new, "<new>", "exec")
    assert _bound(new) == _bound(program)
    assert _rewritten(new) == new


@given(_programs())
def test_after_the_rewriting_only_what_is_not_there_is_imported_from_autogen(program: str) -> None:
    for node in ast.walk(ast.parse(_rewritten(program))):
        if isinstance(node, ast.Import):
            left = [alias.name for alias in node.names if alias.name.startswith("autogen_")]
        elif isinstance(node, ast.ImportFrom):
            left = [f"{node.module}.{alias.name}" for alias in node.names if str(node.module).startswith("autogen_")]
        else:
            continue

        assert not [old for old in left if there(old)]


# What was one module of AutoGen's may be several rooms here, and two of its roots are one package.
_IN_PLACES = [
    "{import_as}{import_plain}got = m.ToolException, {plain}.ToolException, {plain}.ToolAgent",
    "{import_plain}{import_as}got = m.ToolException, {plain}.ToolAgent",
    "{import_as}got = m.ToolException\n{import_plain}got_later = {plain}.ToolException",
    "{import_as}got = m.ToolException\n{import_as}got_later = m.InvalidToolArgumentsException",
    "{import_plain}got = {plain}.ToolException\n{import_plain}got_later = {plain}.ToolAgent",
    "{import_plain}import autogen_core\ngot = {plain}.ToolException, autogen_core.models.UserMessage",
    "import autogen_core\ngot = autogen_core.AgentId, {plain}.ToolException\n{import_plain}",
    "import autogen_core\n{import_plain}got = {plain}.ToolException, autogen_core.AgentId",
    "import autogen_core, autogen_core.tool_agent as m\ngot = m.ToolException, {plain}.ToolException",
    "{import_from}{import_plain}got = tool_agent.ToolException, {plain}.ToolException",
    "{import_from}got = tool_agent.ToolException\n{import_as}got_later = m.ToolException",
    "def f():\n    {import_as}    return m.ToolException\n{import_plain}got = f(), {plain}.ToolException",
    "{import_plain}def f():\n    {import_as}    return m.ToolException, {plain}.ToolAgent\ngot = f()",
    "{import_as}def f():\n    {import_as}    return m.ToolException\ngot = f(), m.ToolException",
    "{import_as}def f():\n    return m.ToolException\ndef g():\n    {import_plain}    return {plain}.ToolAgent\n"
    "got = f(), g()",
    "def f():\n    {import_as}    return m.ToolException\ndef g():\n    {import_as}    return m.ToolException\n"
    "got = f(), g()",
    "if 1:\n    {import_as}else:\n    {import_plain}got = m.ToolException",
    "{import_as}def f():\n    'Say.'\n    x = m.ToolException\n    {import_plain}    return x, {plain}.ToolAgent\n"
    "got = f(), f.__doc__",
    "{import_as}def f(): x = m.ToolException; {import_plain}got = f()",
    "{import_as}def f():\n    def g():\n        return m.ToolException\n    x = g()\n    {import_plain}    return x\n"
    "got = f()",
    "{import_as}def f(it=True):\n    if it:\n        {import_plain}        return {plain}.ToolAgent\n"
    "    return m.ToolException\ngot = f(), f(False)",
    "import autogen_core\ndef f():\n    x = autogen_core.AgentId\n    import autogen_agentchat.teams\n"
    "    return x, autogen_agentchat.teams.Swarm\ngot = f()",
    "{import_as}class A:\n    x = m.ToolException\n    {import_plain}    def f(self):\n        return m.ToolException\n"
    "got = A.x, A().f()",
    "def f():\n    global autogen_core\n    {import_plain}f()\ngot = {plain}.ToolException",
    "async def f():\n    {import_as}    return m.ToolException\n{import_plain}got = {plain}.ToolException",
]


@pytest.mark.parametrize("template", _IN_PLACES)
def test_one_module_imported_in_several_forms_and_places_is_reached_in_each(template: str) -> None:
    old = template.format(
        import_as="import autogen_core.tool_agent as m\n",
        import_plain="import autogen_core.tool_agent\n",
        import_from="from autogen_core import tool_agent\n",
        plain="autogen_core.tool_agent",
    )
    new = _rewritten(old)

    with autogen.installed():
        wanted = _values(old)
    assert _values(new) == wanted
    assert "autogen_" not in new
    assert _rewritten(new) == new


def test_a_function_imports_at_its_start_what_it_used_before_an_import_of_its_own() -> None:
    old = (
        "import autogen_core.tool_agent as t\n"
        'def f():\n    """Do."""\n    error = t.ToolException\n    import autogen_core.models\n'
    )

    assert _rewritten(old) == (
        "import agentnb.agents as t, agentnb.exceptions\n"
        'def f():\n    """Do."""\n    import agentnb.exceptions\n    error = agentnb.exceptions.ToolException\n'
        "    import agentnb.models\n"
    )


def test_imports_that_follow_each_other_bring_each_module_once() -> None:
    old = "import autogen_core\nfrom autogen_core import AgentId\nimport autogen_core.models\nautogen_core.models.X\n"

    assert _rewritten(old).startswith("import agentnb\nfrom agentnb import AgentId\nimport agentnb.models\n")


def test_a_name_that_is_another_librarys_module_too_is_left_alone() -> None:
    text = "def f():\n    from mine import tool_agent\n    return tool_agent.ToolException\n"
    both = text + "def g():\n    from autogen_core import tool_agent\n    return tool_agent.ToolException\n"

    (found,) = {finding.old for finding in _found(both) if finding.needs_a_hand}
    assert found == "autogen_core.tool_agent.ToolException"
    assert _rewritten(both).startswith(text)


_THERE = [path for path in entries() if path.there and not path.is_module and not path.old.endswith("__")]
_ELSEWHERE = [path for path in _THERE if path.new.rpartition(".")[0] != new_path(path.old.rpartition(".")[0])]
_PLACES = [
    "{statement}\ngot_{n} = {use}\n",
    "def f_{n}():\n    {statement}\n    return {use}\ngot_{n} = f_{n}()\n",
    "{statement}\ndef f_{n}():\n    return {use}\ngot_{n} = f_{n}()\n",
    "if 1:\n    {statement}\ngot_{n} = {use}\n",
]


@st.composite
def _used(draw: st.DrawFn) -> tuple[str, str, str]:
    """A place, an import, and an expression that reaches an object through it; `{}` makes local names differ."""
    path = draw(st.sampled_from(_THERE) | st.sampled_from(_ELSEWHERE))
    module, _, name = path.old.rpartition(".")
    package, _, last = module.rpartition(".")
    root = module.partition(".")[0]
    forms = [
        (f"import {module}", path.old),
        (f"import {module} as m{{}}", f"m{{}}.{name}"),
        (f"import {root} as r{{}}, {module}", f"r{{}}{path.old[len(root) :]}"),
        (f"from {module} import {name}", name),
        (f"from {module} import {name} as n{{}}", "n{}"),
    ]
    if package:
        forms += [(f"from {package} import {last} as p{{}}", f"p{{}}.{name}"), (f"import {root}, {module}", path.old)]
    return draw(st.sampled_from(_PLACES)), *draw(st.sampled_from(forms))


def _values(program: str) -> list[object]:
    names: dict[str, object] = {}
    exec(program, names)
    return [value for name, value in names.items() if name.startswith("got")]


def _imported(program: str) -> set[str]:
    nodes = [node for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Import)]
    return {alias.name for node in nodes for alias in node.names}


@given(st.lists(_used(), min_size=1, max_size=4))
@example(
    [
        (_PLACES[0], "import autogen_core.tool_agent as m{}", "m{}.ToolException"),
        (_PLACES[0], "import autogen_core.tool_agent", "autogen_core.tool_agent.ToolException"),
    ]
)
def test_a_migrated_program_reaches_the_same_objects(used: list[tuple[str, str, str]]) -> None:
    old = "".join(
        place.format(n=n, statement=statement.format(n), use=use.format(n))
        for n, (place, statement, use) in enumerate(used)
    )
    new = _rewritten(old)

    with autogen.installed():
        wanted = _values(old)
    got = _values(new)

    assert not any(finding.needs_a_hand for finding in _found(old))
    assert "autogen_" not in new
    assert [id(value) for value in got] == [id(value) for value in wanted]
    # That a room is loaded already in this process must not hide that the program does not import it.
    reached = {found.rpartition(".")[0] for found in re.findall(r"(?:=|return) (agentnb\.[\w.]+)", new)}
    assert reached <= _imported(new) | {"agentnb"}
