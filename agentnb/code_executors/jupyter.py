"""Runs code on a Jupyter kernel of its own."""

from __future__ import annotations

import base64
import keyword
import pickle
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from pydantic.dataclasses import dataclass

from agentnb.code_executors.base import CodeExecutor
from agentnb.code_executors.kernel import Kernel
from agentnb.code_executors.outputs import Bundle, Output, to_text
from agentnb.core import CancellationToken, new_id
from agentnb.exceptions import UserError
from agentnb.messages import CodeBlock, CodeResult
from agentnb.runlog import CodeFinished, OutputChunk, VariablesShared, current

_PYTHON = frozenset(("", "python", "python3", "py", "ipython", "ipython3"))
_SHELL = frozenset(("sh", "bash", "shell"))

_ENVIRONMENT = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
"""Figures come back as pictures after each block; matplotlib is not imported before the code does."""

_PREAMBLE = """
def __agentnb_prepare():
    import sys

    class PandasOptions:
        # Sets pandas up when the code imports it: importing it here would double the time to start.
        def find_spec(self, name, path=None, target=None):
            if name != "pandas":
                return None
            import importlib.util
            sys.meta_path.remove(self)
            spec = importlib.util.find_spec("pandas")
            if spec is not None and spec.loader is not None:
                load = spec.loader.exec_module
                def exec_module(module):
                    load(module)
                    module.set_option("display.width", 1000, "display.max_columns", 30)
                spec.loader.exec_module = exec_module
            return spec

    sys.meta_path.insert(0, PandasOptions())

    # A message that holds a lone surrogate cannot be encoded, and would be lost.
    session = get_ipython().kernel.session
    pack = session.pack

    def mended(value):
        if isinstance(value, str):
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if isinstance(value, dict):
            return {mended(key): mended(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [mended(item) for item in value]
        return value

    def pack_mended(value):
        try:
            return pack(value)
        except UnicodeEncodeError:
            return pack(mended(value))

    session.pack = pack_mended

try:
    __agentnb_prepare()
finally:
    del __agentnb_prepare
"""

_LOAD = """
def __agentnb_load():
    import pickle
    with open({path!r}, "rb") as file:
        globals()[{name!r}] = pickle.load(file)

try:
    __agentnb_load()
finally:
    del __agentnb_load
"""


@dataclass
class JupyterCodeResult(CodeResult):
    """What a kernel gave: `outputs` are mime bundles in order, `output_files` those saved to `output_dir`."""

    output_files: list[Path] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)


class JupyterCodeExecutor(CodeExecutor):
    """Runs Python and shell blocks on one Jupyter kernel; variables live from call to call.

    ```python
    async with JupyterCodeExecutor() as executor:
        result = await executor.execute_code_blocks([CodeBlock("6 * 7", "python")], CancellationToken())
    ```

    The kernel starts with the first use, in the caller's working folder. Python blocks are IPython's, with `%` and `!`;
    blocks in `sh`, `bash` and `shell` run through `%%bash`. Figures and tables are in the result's `outputs`; files are
    written only if `output_dir` is given. A kernel that died is started anew with the next block, whose output says so.

    Args:
        kernel_name: Which kernel, as `jupyter kernelspec list` shows them.
        timeout: Seconds one block may take; a block that takes longer is interrupted.
        output_dir: Where PNG pictures and HTML are saved as well, under random names.
    """

    def __init__(self, kernel_name: str = "python3", timeout: float = 60, output_dir: Path | str | None = None) -> None:
        if timeout <= 0:
            raise UserError(f"timeout is {timeout!r}; give the seconds one block may take, more than 0.")
        self._timeout = timeout
        self._output_dir = Path(output_dir) if output_dir is not None else None
        self._kernel = Kernel(kernel_name, env=_ENVIRONMENT, preamble=_PREAMBLE)
        self._folder: Path | None = None
        self._shared: dict[str, Path] = {}

    @property
    def kernel(self) -> Kernel:
        """The kernel it runs code on."""
        return self._kernel

    @property
    def timeout(self) -> float:
        """Seconds one block may take."""
        return self._timeout

    @property
    def output_dir(self) -> Path | None:
        """Where pictures and HTML are saved."""
        return self._output_dir

    def _given_again(self, finished: CodeFinished) -> JupyterCodeResult:
        return JupyterCodeResult(
            exit_code=finished.exit_code or 0, output=finished.output, outputs=list(finished.outputs)
        )

    async def execute_code_blocks(
        self, code_blocks: Sequence[CodeBlock], cancellation_token: CancellationToken
    ) -> JupyterCodeResult:
        """Run blocks in order; the first that fails ends it with `exit_code` 1.

        Raises:
            asyncio.TimeoutError: If a block took longer than `timeout`. It was interrupted and the variables kept; code
                that does not react to the interrupt costs the kernel, and the message says so.
            KernelDied: If the kernel's process ended while the code ran.
            KernelStartFailed: If the kernel did not start.
            asyncio.CancelledError: If the task or the token was cancelled; the code is interrupted, variables are kept.

        Each of these carries what was shown by then, as `output` and `outputs`.
        """
        here = current()

        def show(output: Output) -> None:
            if here is not None and here.parent is not None:
                here.log.fan_out(OutputChunk(code=here.parent, data=output.bundle))

        codes: list[str] = []
        refusal = ""
        for block in code_blocks:
            language = block.language.strip().lower()
            if language in _PYTHON:
                codes.append(_python(block.code))
            elif language in _SHELL:
                codes.append(f"%%bash\n{block.code}")
            else:
                refusal = (
                    f"This kernel runs Python and shell blocks; a block in {block.language!r} was not run. "
                    "Mark the block as python or sh, or write it as a file and call its program from sh."
                )
                break
        outputs: list[Bundle] = []
        failed = False
        if codes:
            done = await self._kernel.execute(
                *codes, timeout=self._timeout, on_output=show, cancellation_token=cancellation_token
            )
            outputs, failed = done.outputs, done.status != "ok"
        if refusal and not failed:
            note = Output("stream", {"text/plain": refusal + "\n", "stream": "stderr"})
            outputs.append(note.bundle)
            show(note)
        return JupyterCodeResult(
            exit_code=1 if failed or refusal else 0,
            output=to_text(outputs),
            output_files=self._save(outputs),
            outputs=outputs,
        )

    def _save(self, outputs: Sequence[Bundle]) -> list[Path]:
        if self._output_dir is None:
            return []
        files = []
        for bundle in outputs:
            if "image/png" in bundle:
                path = self._output_dir / f"{new_id()}.png"
                data = base64.b64decode(bundle["image/png"])
            elif "text/html" in bundle:
                path = self._output_dir / f"{new_id()}.html"
                data = bundle["text/html"].encode()
            else:
                continue
            self._output_dir.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            files.append(path)
        return files

    async def share(self, variables: Mapping[str, Any]) -> bool:
        """Give the kernel copies of variables, under their names; return True.

        What the code does to a copy does not reach the caller's object. The copies are as of now; they stay in a file
        only this user can read until `stop`, and are loaded again whenever the kernel is restarted.

        Raises:
            UserError: If a name is no Python name, or a value cannot be copied to another process.
        """
        for name in variables:
            if not name.isidentifier() or keyword.iskeyword(name):
                raise UserError(f"{name!r} cannot be the name of a variable in the kernel. Choose a Python name.")
        written: dict[str, Path] = {}
        try:
            for name, value in variables.items():
                written[name] = self._write(name, value)
            for name, path in written.items():
                load = _LOAD.format(path=str(path), name=name)
                done = await self._kernel.execute(load, timeout=max(self._timeout, 60), silent=True)
                if done.status != "ok":
                    raise UserError(_not_loaded(name, variables[name], done.error))
        except BaseException:
            for path in written.values():
                path.unlink(missing_ok=True)
            raise
        for name, path in written.items():
            if name in self._shared:
                self._shared[name].unlink(missing_ok=True)
            self._shared[name] = path
            self._kernel.provides[name] = _LOAD.format(path=str(path), name=name)
        here = current()
        if here is not None and variables:
            summary = ", ".join(f"{name}: {_summary(value)}" for name, value in variables.items())
            here.log.append(VariablesShared(executor=type(self).__name__, names=tuple(variables), summary=summary))
        return True

    def _write(self, name: str, value: Any) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="anb-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        path = self._folder / f"{new_id()}.pickle"
        try:
            with path.open("xb") as file:
                pickle.dump(value, file, protocol=5)
        except Exception as error:  # a class may raise anything as it is pickled
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise UserError(f"The variable {name!r} cannot be written to {path}: {error.strerror}.") from error
            raise UserError(
                f"The variable {name!r} ({_kind(value)}) cannot be copied to the agents' kernel: "
                f"{type(error).__name__}: {error}. Pass plain data instead: a DataFrame, an array, numbers, texts, or "
                "lists and dicts of these."
            ) from error
        return path

    async def start(self) -> None:
        """Start the kernel, unless it runs."""
        await self._kernel.start()

    async def stop(self) -> None:
        """End the kernel and everything it started, and forget shared variables."""
        self._kernel.provides.clear()
        self._shared.clear()
        try:
            await self._kernel.stop()
        finally:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    async def restart(self) -> None:
        """Start the kernel anew: variables are lost but for those given to `share`, which are loaded again."""
        await self._kernel.restart()


def _python(code: str) -> str:
    # A cell magic counts only on the very first line, and fenced code often starts with an empty one.
    bare = code.lstrip()
    return bare if bare.startswith("%%") else code


def _kind(value: Any) -> str:
    cls = type(value)
    return cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__.split('.')[0]}'s {cls.__name__}"


def _not_loaded(name: str, value: Any, error: str) -> str:
    text = f"The variable {name!r} ({_kind(value)}) was copied, but the agents' kernel cannot load it: {error}. "
    if "__main__" in error:
        return text + (
            "Its class or function is defined in this notebook, which the kernel does not see. Move the definition to "
            "a module file beside the notebook and import it, or pass plain data: a DataFrame, lists, dicts."
        )
    return text + ("Install the missing package where the kernel runs, or pass plain data: a DataFrame, lists, dicts.")


def _summary(value: Any) -> str:
    name = type(value).__name__
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{name} {' × '.join(map(str, shape))}"
    if isinstance(value, str):
        return f"{name} of {len(value)} characters"
    if isinstance(value, list | tuple | dict | set | frozenset):
        return f"{name} of {len(value)}"
    return name
