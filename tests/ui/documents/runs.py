"""Logs to export."""

from __future__ import annotations

from typing import Any

from agentnb.messages import CodeBlock, TextMessage
from agentnb.runlog import (
    CodeFinished,
    CodeStarted,
    InputAnswered,
    InputRequested,
    Participant,
    RunFinished,
    RunLog,
    RunStarted,
    Said,
    SpeakerChosen,
    TurnFinished,
    TurnStarted,
)


class Told:
    """Writes a run as a team would."""

    def __init__(self, *people: str, runner: str = "lab") -> None:
        self.log = RunLog()
        self.turns = 0
        participants = tuple(Participant(name=name) for name in people)
        started = RunStarted(runner=runner, runner_type="RoundRobinGroupChat", participants=participants, model="m")
        self.run = self.log.append(started, source=runner).id
        self.where = self.run
        self.agent = ""

    def task(self, text: str) -> Told:
        message = TextMessage(content=text, source="user")
        self.log.append(Said(message=message), source="lab", parent=self.run)
        return self

    def turn(self, agent: str, *, why: str = "") -> Told:
        self.turns += 1
        if why:
            self.log.append(SpeakerChosen(names=(agent,), why=why), source="lab", parent=self.run)
        started = TurnStarted(agent=agent, turn=self.turns)
        self.where = self.log.append(started, source=f"lab/{agent}", parent=self.run).id
        self.agent = agent
        return self

    def says(self, text: str, **metadata: str) -> Told:
        message = TextMessage(content=text, source=self.agent, metadata=metadata)
        self.log.append(Said(message=message), source=f"lab/{self.agent}", parent=self.where)
        return self

    def runs(self, *codes: str, language: str = "python", exit_code: int = 0, output: str = "", **more: Any) -> Told:
        blocks = tuple(CodeBlock(code=code, language=language) for code in codes)
        started = self.log.append(CodeStarted(executor="kernel", blocks=blocks), source=self.agent, parent=self.where)
        finished = CodeFinished(executor="kernel", exit_code=exit_code, output=output, **more)
        self.log.append(finished, source=self.agent, parent=started.id, took=0.2)
        return self

    def asked(self, prompt: str, answer: str) -> Told:
        self.log.append(InputRequested(input_id="q", prompt=prompt), source=self.agent, parent=self.where)
        self.log.append(InputAnswered(input_id="q", text=answer, by="widget"), parent=self.where)
        return self.says(answer)

    def over(self, outcome: Any = "done", reason: str = "said DONE") -> RunLog:
        self.log.append(TurnFinished(agent=self.agent, turn=self.turns), parent=self.where, took=1.0)
        finished = RunFinished(outcome=outcome, stop_reason=reason, turns=self.turns)
        self.log.append(finished, source="lab", parent=self.run, took=3.0)
        return self.log
