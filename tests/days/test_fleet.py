"""The story does not change when it outgrows one machine: PostgreSQL, Redis, and every role on its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sop.receipt import State
from tests.world import THURSDAY, World, fleet_at

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]


@pytest.fixture
async def fleet(tmp_path: Path, postgres_url: str, redis_url: str) -> AsyncIterator[World]:
    async with fleet_at(THURSDAY, tmp_path, postgres_url, redis_url) as world:
        yield world


async def test_a_newcomer_is_welcomed_joins_and_claims_across_four_processes(fleet: World) -> None:
    await fleet.publishes("welcome")
    await fleet.coupons("coffee", 3, name="咖啡券")
    await fleet.founds("新手答疑群")

    lin = await fleet.joins("小林", "新手答疑群")
    reply = await lin.says("领券")

    assert "很高兴认识你" in lin.heard_from("linmo")[0]
    assert "coffee-" in reply
    assert (await lin.known()).groups == frozenset({"新手答疑群"})
    assert {entry.state for entry in await lin.messages()} == {State.SENT}
