"""The embedded model for tests that need it."""

from __future__ import annotations

import pytest

from agentnb.models import weights

needs_weights = [
    pytest.mark.weights,
    pytest.mark.skipif(
        weights.find() is None, reason="the weights are not here; `python -m agentnb fetch` brings them"
    ),
]
