"""Faults are noisy: only what nobody expected is told."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from tests.world import THURSDAY, World, world_at


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(wrapper_class=before)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A corp and the bot, on a Thursday at 19:00 in Shanghai."""
    async with world_at(THURSDAY, tmp_path) as world:
        yield world
