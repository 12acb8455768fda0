"""What the contracts of storage and of the roles share."""

from __future__ import annotations

import pytest

from bot.clock import TurnedClock
from tests.contracts.world import NOW


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock(NOW)
