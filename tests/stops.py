"""Two ways to stop what goes on."""

from __future__ import annotations

import asyncio
from typing import Any

from agentnb.core import CancellationToken


def stop(how: str, token: CancellationToken, running: asyncio.Future[Any]) -> None:
    """Cancel the token, for "token", or the task itself."""
    if how == "token":
        token.cancel()
    else:
        running.cancel()
