"""llama.cpp's engine in this process: one loaded model, shared by its clients.

The engine (`xllamacpp`) lets go of the interpreter while it works and ends within a token when asked to, so every
request runs in a thread of its own and streams.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import secrets
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agentnb.core import CancellationToken
from agentnb.exceptions import MissingExtra, ModelError, ModelNotConfigured, ModelRequestRefused


@contextmanager
def _patient_threads() -> Iterator[None]:
    # OpenMP's threads spin while they wait: on busy cores that costs nine tenths of the speed (3 tokens a second in
    # place of 30). The library reads these once, as it is loaded; programs started later shall not inherit them.
    wanted = {"GOMP_SPINCOUNT": "0", "OMP_WAIT_POLICY": "PASSIVE"}
    ours = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def library() -> Any:
    """Import the engine.

    Raises:
        ImportError: If it is not installed, or the system lacks a library that it needs.
    """
    try:
        with _patient_threads():
            import xllamacpp
    except ImportError as error:
        if not isinstance(error, ModuleNotFoundError):
            # Its wheel brings no OpenMP, and a slim system image has none.
            raise MissingExtra(
                f"The engine xllamacpp is installed, but does not load: {error}. "
                "If libgomp is missing: apt-get install libgomp1 (Debian, Ubuntu) or dnf install libgomp (Fedora)."
            ) from error
        raise MissingExtra(
            "A local model needs the engine xllamacpp. Install it: pip install 'agentnb-toolkit[local]'."
        ) from error
    return xllamacpp


class Engine:
    """One loaded model. It lives as long as a client or a request holds it.

    Attributes:
        n_ctx: Its window, tokens.
    """

    def __init__(self, path: Path, n_ctx: int, threads: int | None) -> None:
        llama = library()
        with _readable(path) as stream:
            if stream.read(4) != b"GGUF":
                raise ModelNotConfigured(f"{path} is no GGUF file; a local model is one file in that format.")
        self._key = secrets.token_hex(16)
        self.n_ctx = n_ctx
        params = llama.CommonParams()
        params.model.path = str(path)
        params.n_ctx = n_ctx
        # Two conversations at a time share one window's memory; each keeps its own beginning in the cache.
        params.n_parallel = 2
        params.kv_unified = True
        # Its default keeps up to 8 GiB of old prompts.
        params.cache_ram_mib = 0
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads or _threads()
        params.verbosity = -1
        # The engine always listens on a loopback port, open to every page of a browser unless it wants a key.
        params.api_keys = [self._key]
        params.ui = False
        params.n_threads_http = 2
        try:
            self._server = llama.Server(params)
        except RuntimeError as error:
            raise ModelNotConfigured(
                f"The engine cannot load {path} with a window of {n_ctx} tokens: {error} "
                "The file may be cut off, of a newer format, or too large for this machine's memory."
            ) from error

    def ask(self, request: dict[str, Any], on_chunk: Callable[[dict[str, Any]], bool]) -> None:
        """Answer in this thread; `on_chunk` gets each piece, and ends the answer by returning True."""
        self._server.handle_chat_completions(request, on_chunk)

    def tokens(self, text: str) -> list[int]:
        """Return the text's tokens, without special ones."""
        found: list[int] = self._post("/tokenize", {"content": text, "add_special": False})["tokens"]
        return found

    def prompt(self, messages: list[dict[str, str]]) -> str:
        """Return the conversation as the model's template writes it."""
        text: str = self._post("/apply-template", {"messages": messages})["prompt"]
        return text

    def _post(self, path: str, data: Mapping[str, Any]) -> dict[str, Any]:
        where = urlsplit(self._server.listening_address)
        connection = http.client.HTTPConnection(where.hostname or "127.0.0.1", where.port, timeout=10)
        try:
            connection.request("POST", path, json.dumps(data), {"Authorization": f"Bearer {self._key}"})
            answer = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ModelError(f"The local engine did not answer {path}: {type(error).__name__}: {error}") from error
        finally:
            connection.close()
        if "error" in answer:
            raise ModelRequestRefused(f"The local engine refused {path}: {answer['error'].get('message')}")
        return dict(answer)


@contextmanager
def _readable(path: Path) -> Iterator[Any]:
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise ModelNotConfigured(f"The model's file {path} cannot be read: {error.strerror or error}.") from error


def _threads() -> int:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(4, usable))


engines: weakref.WeakValueDictionary[tuple[str, int], Engine] = weakref.WeakValueDictionary()
_loading = threading.Lock()


def engine_for(path: Path, n_ctx: int, threads: int | None = None) -> Engine:
    """Return the process's engine for a file and a window, loading it if nobody holds one; blocks while loading."""
    key = (str(path.resolve()), n_ctx)
    with _loading:
        engine = engines.get(key)
        if engine is None:
            engine = engines[key] = Engine(path, n_ctx, threads)
        return engine


async def chunks_of(
    engine: Engine, request: dict[str, Any], token: CancellationToken | None
) -> AsyncGenerator[dict[str, Any], None]:
    """Ask in a thread and yield the pieces of the answer; leaving, or the token, ends it within a token.

    Raises:
        ModelRequestRefused: If the engine does not take the request.
        asyncio.CancelledError: If the token was cancelled.
    """
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[dict[str, Any] | BaseException | None] = asyncio.Queue()
    stopped = threading.Event()

    def hand_over(item: dict[str, Any] | BaseException | None) -> None:
        try:
            loop.call_soon_threadsafe(arrived.put_nowait, item)
        except RuntimeError:
            stopped.set()  # the loop was closed: nobody waits any more

    def on_chunk(chunk: dict[str, Any]) -> bool:
        hand_over(chunk)
        return stopped.is_set()

    def work() -> None:
        try:
            engine.ask(request, on_chunk)
            hand_over(None)
        except Exception as error:
            hand_over(error)

    # The link between token and request ends with this future.
    answering: asyncio.Future[None] = loop.create_future()
    if token is not None:
        answering.add_done_callback(
            lambda done: arrived.put_nowait(asyncio.CancelledError()) if done.cancelled() else None
        )
        token.link_future(answering)
    # No pool: a pool's threads would be waited for by whatever else uses it while this one is in a long prompt.
    threading.Thread(target=work, name="agentnb-local-model").start()
    try:
        while (item := await arrived.get()) is not None:
            if isinstance(item, asyncio.CancelledError):
                raise item
            if isinstance(item, BaseException):
                raise ModelRequestRefused(f"The local engine could not take the request: {item}") from item
            yield item
    finally:
        stopped.set()
        if not answering.done():
            answering.set_result(None)
