"""What the SDK, its HTTP layer and servers raise, as errors that say whose turn it is."""

from __future__ import annotations

import email.utils
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from agentnb.core import now
from agentnb.exceptions import (
    ModelAuthError,
    ModelError,
    ModelNotFound,
    ModelRateLimited,
    ModelRequestRefused,
    ModelResponseInvalid,
    ModelTimeout,
    ModelUnreachable,
)

__all__ = ["Faults", "without_login"]

_KEY_LIKE = re.compile(r"\b(?:sk|key|gsk|xai)-[\w*.-]{4,}")


class Faults:
    """Turns failures of one model at one address into `ModelError`s; no message holds a key.

    Args:
        model: The model as the server knows it.
        name: The model in one short text.
        url: The server's address.
        variable: The environment variable that holds the key.
        secrets: Texts that no message may hold; None and short ones are left alone.
    """

    def __init__(self, model: str, name: str, url: str, variable: str, secrets: Iterable[object]) -> None:
        self.model = model
        self.name = name
        self.where = without_login(url)
        self.variable = variable
        self._secrets = [secret for secret in secrets if isinstance(secret, str) and len(secret) > 7]

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return _KEY_LIKE.sub("…", text)

    def translated(self, error: Exception, partial: str) -> ModelError:
        """Return the error that stands for an exception of the SDK or below it."""
        # By name: the HTTP layer below the SDK changed between its major versions, and with it the classes.
        names = {cls.__name__ for cls in type(error).__mro__}
        if "APIStatusError" in names:
            return self.refusal(error.status_code, error.body, error, partial)  # type: ignore[attr-defined]
        lost = f" The answer broke off after {len(partial)} characters." if partial else ""
        if names & {"APITimeoutError", "TimeoutException", "TimeoutError"}:
            return ModelTimeout(
                f"{self.name} at {self.where} did not answer in time.{lost} "
                "Give the client a longer timeout (seconds), or look whether the server is busy.",
                partial=partial,
            )
        if names & {"APIConnectionError", "TransportError", "RequestError", "StreamError", "OSError"}:
            if partial:
                return ModelUnreachable(f"The connection to {self.where} was lost.{lost}", partial=partial)
            return ModelUnreachable(
                f"No connection to {self.where} for {self.name} ({self._clean(_root(error))}). Is the server running, "
                "and is OPENAI_BASE_URL its address?"
            )
        if names & {"JSONDecodeError", "UnicodeDecodeError", "APIResponseValidationError"}:
            return self.malformed(error, str(error).encode(), partial)
        return ModelError(
            f"{self.name} at {self.where} failed ({type(error).__name__}): {self._clean(str(error))}", partial=partial
        )

    def malformed(self, flaw: Exception, data: bytes, partial: str) -> ModelError:
        """Return the error for bytes that are no chat answer."""
        return ModelResponseInvalid(
            f"{self.name} at {self.where} sent what is no chat answer ({type(flaw).__name__}): "
            f"{self._clean(data[:200].decode('utf-8', 'replace'))!r}. Does OPENAI_BASE_URL end where the API begins, "
            "as in http://127.0.0.1:8000/v1?",
            partial=partial,
        )

    def in_stream(self, error: Any, partial: str) -> ModelError:
        """Return the error for one that a server sent in place of an answer."""
        return self.refusal(_status_in(error), error, None, partial)

    def refusal(self, status: int, body: Any, error: Exception | None, partial: str) -> ModelError:
        """Return the error for a server's refusal.

        Args:
            status: The HTTP status, or the one that comes nearest.
            body: The server's error object or text.
            error: The SDK's exception, whose response carries the headers.
            partial: Text received before.
        """
        said, code = _said(body, error)
        said = self._clean(said)
        if code == "insufficient_quota":
            return ModelRequestRefused(f"The account behind {self.variable} has no quota left ({status}): {said}")
        if status in (401, 403):
            return ModelAuthError(
                f"{self.where} refused the key or what it may do ({status}). Check {self.variable}, and that it "
                f"belongs to this address (OPENAI_BASE_URL). The server said: {said}",
                partial=partial,
            )
        if status == 404 or (400 <= status < 500 and _model_missing(said, code)):
            return ModelNotFound(
                f"{self.where} does not know the model {self.model!r} ({status}: {said}). Choose another with "
                "--model openai:NAME, or check that OPENAI_BASE_URL ends where the API begins, as in …/v1.",
                partial=partial,
            )
        asked = _retry_after(error)
        if status == 429 or (status in (503, 529) and asked is not None):
            return ModelRateLimited(
                f"{self.name} at {self.where} asks to wait"
                f"{'' if asked is None else f' {asked:.1f} s'} ({status}): {said}",
                retry_after=asked,
                partial=partial,
            )
        if status == 408:
            return ModelTimeout(f"{self.name} at {self.where} timed out (408): {said}", partial=partial)
        if status >= 500:
            return ModelUnreachable(
                f"{self.where} failed to answer for {self.name} ({status}): {said} This is the server's side; "
                "try again later, or another server (OPENAI_BASE_URL).",
                partial=partial,
            )
        return ModelRequestRefused(f"{self.name} refused the request ({status}): {said}", partial=partial)


def without_login(url: str) -> str:
    """Return an address without user, password and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _model_missing(said: str, code: str) -> bool:
    text = said.lower()
    signs = ("not found", "not exist", "no such", "unknown model")
    return code == "model_not_found" or ("model" in text and any(sign in text for sign in signs))


def _root(error: BaseException) -> str:
    """Return the innermost message of a failed connection, which says why."""
    seen = error
    while (deeper := seen.__cause__ or seen.__context__) is not None:
        seen = deeper
    return str(seen) or str(error) or type(error).__name__


def _said(body: Any, error: Exception | None) -> tuple[str, str]:
    """Return a server's words and its error code."""
    inner = body.get("error", body) if isinstance(body, Mapping) else body
    if isinstance(inner, Mapping):
        text = inner.get("message") or inner.get("detail") or json.dumps(inner, default=str)
        code = inner.get("code") or inner.get("type") or ""
    else:
        text, code = inner or getattr(error, "message", "") or "(nothing)", ""
    return " ".join(str(text).split())[:500], str(code)


def _status_in(error: Any) -> int:
    """Return the HTTP status that comes nearest to an error sent as a chunk."""
    fields = error if isinstance(error, Mapping) else {"message": error}
    for key in ("code", "status", "status_code"):
        value = str(fields.get(key))
        if value.isdigit() and 400 <= int(value) < 600:
            return int(value)
    words = f"{fields.get('code')} {fields.get('type')}".lower()
    table = (("rate_limit", 429), ("not_found", 404), ("authentication", 401), ("permission", 403), ("invalid", 400))
    return next((status for word, status in (*table, ("exceed_context", 400)) if word in words), 500)


def _retry_after(error: Exception | None) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if not value:
            continue
        try:
            return max(0.0, float(value) * unit)
        except ValueError:
            pass
        try:
            return max(0.0, (email.utils.parsedate_to_datetime(value) - now()).total_seconds())
        except (TypeError, ValueError):
            continue
    return None
