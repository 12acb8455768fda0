from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.world import THURSDAY, World, world_at


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A corp and the bot, on a Thursday at 19:00 in Shanghai."""
    async with world_at(THURSDAY, tmp_path) as world:
        yield world
