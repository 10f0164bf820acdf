"""What a recipe is: a function that makes a ready team."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from agentnb.base import Team
from agentnb.models.base import ChatCompletionClient


class Recipe(Protocol):
    """Makes a team; packages declare theirs as `team.<name>` in the entry-point group `agentnb.components`."""

    def __call__(
        self,
        *,
        model: str | ChatCompletionClient | None = None,
        data: Mapping[str, Any] | None = None,
        max_turns: int | None = None,
    ) -> Team:
        """Make the team.

        Args:
            model: Which model works in it; default: what is configured.
            data: Variables the team shall work on, by name. They are looked at here; whoever calls hands them over with
                `await team.share(data)`.
            max_turns: Ends a run after so many turns.
        """
        ...
