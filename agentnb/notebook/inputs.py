"""Questions to a person: the widget if its page answers, else a line of text, else a refusal; one way at a time."""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, Protocol

from agentnb.core import well_formed
from agentnb.exceptions import HumanUnavailable
from agentnb.notebook.session import Session, here
from agentnb.runlog import Event, InputAnswered, InputRequested, RunLog
from agentnb.runlog.questions import void
from agentnb.runlog.scopes import name_of

POLL = 0.05
"""Seconds between two looks for a reply."""

_locks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = weakref.WeakKeyDictionary()
_withdrawn: set[str] = set()


class Probed(Protocol):
    """A widget that can tell whether a live page shows it."""

    async def probe(self, timeout: float = 3.0, every: float = 0.3) -> bool: ...


class Reception:
    """Brings the questions of one run to a person, and the answers back.

    A question goes to the page if it answers a probe. Else to the client's line of input, without a time limit: a front
    end that once showed an input box blocks its cells until the box is answered or the kernel interrupted. Else the one
    who asks gets `HumanUnavailable`.
    """

    def __init__(self, log: RunLog, session: Session, *, widget: Probed | None = None, printed: bool = False) -> None:
        self.log = log
        self.session = session
        self.widget = widget
        self.printed = printed
        """Whether the transcript is printed above the line of input, the question with it."""
        self._reached = False
        self._cells: list[tuple[Session, Context]] = []
        self._context = copy_context()
        self._questions: dict[str, tuple[Event, InputRequested]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: list[Callable[[], None]] = []
        self.follow(log)

    @property
    def questions(self) -> list[InputRequested]:
        """The open questions, oldest first."""
        return [body for _, body in self._questions.values() if body.input_id in self.log.open_questions]

    def follow(self, log: RunLog) -> None:
        """Attend to another log, in which the run goes on."""
        self.close()
        self.log = log
        self._ends = [log.watch(self._heard)]
        if self.session.someone_there:
            self._ends.append(log.attend("notebook"))

    def cell_waits(self, session: Session) -> Callable[[], None]:
        """Say that a cell waits for the run now, so that its client can be asked; return the way to end that.

        On some kernels a page cannot answer while a cell waits: open questions are brought anew.
        """
        entry = (session, copy_context())
        self._cells.append(entry)
        for input_id in self.log.open_questions:
            if input_id in self._questions and input_id not in self._tasks:
                self._bring(input_id)
        return lambda: self._cells.remove(entry)

    def close(self) -> None:
        """Withdraw what is still asked."""
        while self._ends:
            self._ends.pop()()
        for task in self._tasks.values():
            task.cancel()

    def _heard(self, item: Any) -> None:
        body = item.body if isinstance(item, Event) else None
        if isinstance(body, InputRequested):
            self._questions[body.input_id] = (item, body)
            self._bring(body.input_id)
        elif isinstance(body, InputAnswered):
            self._questions.pop(body.input_id, None)
            task = self._tasks.get(body.input_id)
            if task is not None and body.by != "stdin":
                task.cancel()

    def _bring(self, input_id: str) -> None:
        context = self._cells[-1][1] if self._cells else self._context
        task = asyncio.get_running_loop().create_task(self._ask(input_id), context=context.copy())
        self._tasks[input_id] = task
        task.add_done_callback(lambda _: void(self._tasks.pop(input_id, None)))

    async def _ask(self, input_id: str) -> None:
        if self.widget is not None:
            if await self.widget.probe():
                self._reached = True
                return
            if self.session.kind == "voila" or (self._reached and not self._cells):
                return  # the page is not open just now; it shows the question when it comes back
        event, question = self._questions[input_id]
        session = self._cells[-1][0] if self._cells else self.session
        who = name_of(event.source) or "agentnb"
        if not session.allow_stdin:
            nobody = f"{who} asks {question.prompt!r}, and nobody is here to answer: {_why(session)}"
            self.log.refuse(input_id, HumanUnavailable(nobody))
            return
        choices = f" [{' / '.join(question.choices)}]" if question.choices else ""
        try:
            prompt = ">" if self.printed else f"{who} asks: {question.prompt}{choices}"
            answer = await asked_line(session, prompt, question.choices)
        except EOFError:
            self.log.refuse(input_id, HumanUnavailable(f"{who} asked {question.prompt!r}, and the input was closed."))
            return
        self.log.answer(input_id, answer, by="stdin")


def attend_in_cell(log: RunLog) -> Callable[[], None] | None:
    """Bring the questions of a run that a cell awaits by itself to the cell's client, as lines of input.

    Returns:
        The way to end that; None where the client takes no input.
    """
    session = here()
    if session.ipykernel is None or not session.allow_stdin:
        return None
    reception = Reception(log, session)
    leave = reception.cell_waits(session)

    def end() -> None:
        leave()
        reception.close()

    return end


def _why(session: Session) -> str:
    if session.kind == "headless":
        return (
            "the notebook is executed without a front end. Give the team an agent that answers by itself, "
            "or run the notebook in JupyterLab."
        )
    return "this client takes no input. Run the notebook in JupyterLab, or IPython in a terminal."


async def asked_line(session: Session, prompt: str, choices: tuple[str, ...] = ()) -> str:
    """Ask for a line of text until it is one of `choices`, if there are any; one question at a time.

    Raises:
        EOFError: If the person closed the input.
    """
    loop = asyncio.get_running_loop()
    async with _locks.setdefault(loop, asyncio.Lock()):
        shown = f"{prompt} "
        while True:
            text = well_formed(await (kernel_line(session, shown) if session.ipykernel else terminal_line(shown)))
            chosen = [choice for choice in choices if choice.casefold() == text.strip().casefold()]
            if chosen or not choices:
                return chosen[0] if chosen else text
            shown = f"Please answer one of: {' / '.join(choices)} "


async def kernel_line(session: Session, prompt: str) -> str:
    """Ask the client of a cell for a line of text; the event loop goes on, and the question can be cancelled.

    `input()` would stop the loop, and `kernel.raw_input` in a thread could not be cancelled.

    Raises:
        EOFError: If the person closed the input.
    """
    import zmq
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    kernel = shell.kernel
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    _drain(kernel.stdin_socket, zmq)
    request = kernel.session.send(
        kernel.stdin_socket,
        "input_request",
        {"prompt": prompt, "password": False},
        parent=dict(session.parent),
        ident=session.ident,
    )
    number = request["header"]["msg_id"]
    try:
        while True:
            try:
                _, reply = kernel.session.recv(kernel.stdin_socket, mode=zmq.NOBLOCK)
            except ValueError:
                reply = None  # unsigned, or sent twice: not an answer
            if reply is not None and _answers(reply):
                break
            await asyncio.sleep(POLL)
    except asyncio.CancelledError:
        _withdrawn.add(number)
        raise
    value = str(reply["content"].get("value", ""))
    if value == "\x04":
        raise EOFError
    return value


def _answers(reply: Any) -> bool:
    # The answer to a withdrawn question may come while the next one is open.
    return reply["header"]["msg_type"] == "input_reply" and reply["parent_header"].get("msg_id") not in _withdrawn


def _drain(socket: Any, zmq: Any) -> None:
    while True:
        try:
            socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return


async def terminal_line(prompt: str) -> str:
    """Ask for a line of text in the terminal.

    Raises:
        EOFError: If the input was closed.
    """
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(sys.stdin, ready.set)
    except (NotImplementedError, OSError, ValueError):
        # Windows, or a file as standard input: a thread can wait there, though it cannot be called back.
        return await asyncio.to_thread(input, prompt)
    try:
        print(prompt, end="", flush=True)
        await ready.wait()
    finally:
        loop.remove_reader(sys.stdin)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")
