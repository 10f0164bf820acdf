"""From a short text to a model client: `openai:gpt-4o-mini`, `local`, `local:FILE.gguf`, `replay:FILE`."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

from agentnb.core import plugins
from agentnb.exceptions import ModelNotConfigured, ModelUnreachable, UnknownName, UserError
from agentnb.models import catalog
from agentnb.models.base import ChatCompletionClient

__all__ = [
    "MODEL_VARIABLE",
    "ModelChoice",
    "choose",
    "local_model",
    "model_from_text",
    "openai_model",
    "replay_model",
    "served_models",
]

MODEL_VARIABLE = "AGENTNB_MODEL"
DEFAULT_OPENAI_MODEL = "gpt-4o-mini"

_FORMS = "openai:NAME, local, local:FILE.gguf, replay:FILE"
_CHANGE = f"--model or {MODEL_VARIABLE}=openai:NAME"
_LONGEST = 200
_SECONDS = 2.0
"""So long a server may take to list its models."""
_EMBEDDED_CANNOT = "a 135M demonstration model: it fills in a fixed analysis plan and cannot answer open questions"


class ModelChoice(NamedTuple):
    """Which model was taken, why, what it cannot do, and how to take another."""

    text: str
    client: ChatCompletionClient
    why: str
    cannot: str
    change: str

    def line(self) -> str:
        """Return all of it as one line of plain text, at most 200 characters; a long name is cut in its middle."""
        what = f": {self.cannot}" if self.cannot else ""
        rest = " ".join(f" ({self.why}){what}. Change: {self.change}".split())
        room = max(_LONGEST - len(rest) - len("Model  "), 20)
        return f"Model {_shortened(' '.join(self.text.split()), room)} {rest}"[:_LONGEST]


def _shortened(text: str, room: int) -> str:
    if len(text) <= room:
        return text
    half = (room - 1) // 2
    return f"{text[: room - 1 - half]}…{text[-half:]}"


def choose(model: str | ChatCompletionClient | None = None) -> ModelChoice:
    """Choose the model to work with.

    The first of these that is there: `model`; the variable AGENTNB_MODEL; OPENAI_API_KEY; OPENAI_BASE_URL (a server
    of one's own, which is asked for its models unless OPENAI_MODEL names one); AGENTNB_GGUF, a file; the embedded
    model, if it was fetched.

    Args:
        model: A client, or a text such as `openai:gpt-4o-mini`.

    Raises:
        UnknownName: If the text is of no known form; the message lists the forms.
        ModelNotConfigured: If there is no model to choose; the message lists the ways to one.
        ModelUnreachable: If a server was named and cannot be asked for its models.
    """
    if isinstance(model, ChatCompletionClient):
        return _chosen(model, "the client you gave", "give another client")
    if model is not None and model.strip():
        return _chosen(model_from_text(model), "as asked", _CHANGE)
    named = os.environ.get(MODEL_VARIABLE, "").strip()
    if named:
        return _chosen(model_from_text(named), f"{MODEL_VARIABLE} names it", _CHANGE)
    if os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_KEY"):
        return _chosen(openai_model(""), _why_openai(), _CHANGE)
    file = os.environ.get("AGENTNB_GGUF", "").strip()
    if file:
        return _chosen(local_model(file), "AGENTNB_GGUF names it", _CHANGE)
    from agentnb.models import weights

    if weights.find() is not None:
        return _chosen(local_model(""), "nothing else is set", _CHANGE)
    raise ModelNotConfigured(
        "No model to work with. Any one of these gives one: `python -m agentnb fetch` (a small embedded model, "
        "98 MB, works offline); the environment variable OPENAI_API_KEY; OPENAI_BASE_URL, a server of your own; "
        f"AGENTNB_GGUF, a model file. Or name one with --model or {MODEL_VARIABLE}: {_FORMS}."
    )


def _why_openai() -> str:
    model = "OPENAI_MODEL names it" if os.environ.get("OPENAI_MODEL") else ""
    if os.environ.get("OPENAI_BASE_URL"):
        return "OPENAI_BASE_URL is set" + (f", {model}" if model else "")
    return "OPENAI_API_KEY is set" + (f", {model}" if model else "")


def _chosen(client: ChatCompletionClient, why: str, change: str) -> ModelChoice:
    return ModelChoice(client.model_name, client, why, _cannot(client), change)


def _cannot(client: ChatCompletionClient) -> str:
    if getattr(client, "embedded", False):
        return _EMBEDDED_CANNOT
    if client.model_name.startswith("replay"):
        return "gives recorded answers only"
    info = client.model_info
    lacks = [
        text for key, text in (("function_calling", "call tools"), ("vision", "see images")) if not info.get(key, False)
    ]
    return f"cannot {' or '.join(lacks)}" if lacks else ""


def model_from_text(text: str) -> ChatCompletionClient:
    """Make the client a text names: `prefix:rest`, or a prefix alone.

    Prefixes are `openai`, `local`, `replay`, and those that installed packages declare as `model.<prefix>` in the
    entry-point group `agentnb.components`: functions that take the rest and return a client.

    Raises:
        UnknownName: If the prefix is not known; the message lists the forms.
    """
    prefix, _, rest = text.strip().partition(":")
    known = plugins.names("model")
    if prefix not in known:
        others = [name for name in known if name not in ("local", "openai", "replay")]
        more = f", {', '.join(f'{name}:…' for name in others)}" if others else ""
        hint = f" Did you mean 'openai:{text.strip()}'?" if catalog.info_of(text.strip()) else ""
        raise UnknownName(f"{text!r} names no model. Write one of: {_FORMS}{more}.{hint}")
    made = plugins.load("model", prefix)(rest.strip())
    if not isinstance(made, ChatCompletionClient):
        raise UserError(f"The plugin behind the model prefix {prefix!r} gave {made!r}, which is no model client.")
    return made


def openai_model(rest: str) -> ChatCompletionClient:
    """Make the client of `openai:rest`.

    Args:
        rest: The model's name; if empty OPENAI_MODEL, else what the server at OPENAI_BASE_URL has, else gpt-4o-mini.

    Raises:
        ModelNotConfigured: If a key is needed and not set.
        ModelUnreachable: If the server at OPENAI_BASE_URL does not tell which models it has.
    """
    from agentnb.models.openai import OpenAIChatCompletionClient

    client = OpenAIChatCompletionClient(
        model=rest or os.environ.get("OPENAI_MODEL", "").strip() or _served_or_default()
    )
    client.check_configured()
    return client


def _served_or_default() -> str:
    address = os.environ.get("OPENAI_BASE_URL", "")
    if not address:
        return DEFAULT_OPENAI_MODEL
    key = os.environ.get("OPENAI_API_KEY", "")
    try:
        served = served_models(address, key=key)
    except ModelUnreachable:
        if key:
            return DEFAULT_OPENAI_MODEL  # many gateways list nothing; the first request will tell
        raise
    return DEFAULT_OPENAI_MODEL if DEFAULT_OPENAI_MODEL in served else served[0]


def served_models(address: str, *, key: str = "") -> list[str]:
    """Ask a server for its models; at least one.

    Args:
        address: Up to `/v1`.
        key: Sent as the bearer's token if given.

    Raises:
        ModelUnreachable: If it does not answer, or lists none.
    """
    problem: object
    url = f"{address.rstrip('/')}/models"
    try:
        if not url.startswith(("http://", "https://")):
            raise ValueError("an address begins with http:// or https://")
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:
            data: Any = json.load(response)
        names = [str(model["id"]) for model in data["data"]]
        if names:
            return names
        problem = "it lists no model"
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = getattr(error, "reason", None) or error or type(error).__name__
    shown = address.rpartition("@")[2] if "@" in address else address
    raise ModelUnreachable(
        f"The server at OPENAI_BASE_URL ({shown}) did not tell its models: {problem}. Is it running, and does the "
        "address end where the API begins, as in http://127.0.0.1:8000/v1? If it lists none, set OPENAI_MODEL."
    )


def _file(rest: str, what: str) -> Path:
    path = Path(rest).expanduser()
    if not path.is_file():
        raise UserError(f"{what} {str(path)!r} is not there (looked in {Path.cwd()}). Give the path of a file.")
    return path


def local_model(rest: str) -> ChatCompletionClient:
    """Make the client of `local:rest`.

    Args:
        rest: A GGUF file; if empty AGENTNB_GGUF, else the embedded model.

    Raises:
        ModelNotConfigured: If the embedded model was not fetched.
        UserError: If the file is not there.
    """
    from agentnb.models import weights
    from agentnb.models.local import LocalChatCompletionClient

    named = rest or os.environ.get("AGENTNB_GGUF", "").strip()
    if named:
        return LocalChatCompletionClient(_file(named, "The model file"))
    if weights.find() is None:
        raise ModelNotConfigured(
            "The embedded model is not here yet. Fetch it once with `python -m agentnb fetch` (98 MB), or name a "
            "model file of your own: local:FILE.gguf."
        )
    return LocalChatCompletionClient()


def replay_model(rest: str) -> ChatCompletionClient:
    """Make the client of `replay:rest`, which gives the answers of a run again, named by its file or its id.

    Raises:
        UserError: If no run is named, or it is not there.
        LogUnreadable: If it is no run's file.
    """
    from agentnb.models.replay import ReplayChatCompletionClient

    if not rest:
        raise UserError("Say which run to replay: replay:FILE, a file such as .agentnb/runs/….jsonl, or a run's id.")
    path = Path(rest).expanduser()
    return ReplayChatCompletionClient.from_log(path if path.is_file() else rest)
