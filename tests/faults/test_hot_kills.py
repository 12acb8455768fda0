"""Kill the whole process again and again while it works: nothing acknowledged is lost, nothing happens twice.

Killing a process does not test a power cut; syncing before each acknowledgement is proved elsewhere.
No failure in 20 hot kills bounds the failure rate at about 3/20 a kill (95 %).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.storm import Outcome, Plan, Storm

SEED = int(os.environ.get("QUNXING_STORM_SEED", "20261122"))


@pytest.mark.timeout(420)
async def test_twenty_hot_kills_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    plan = Plan(members=500, coupons=300, kills=20, seed=SEED)

    outcome = await Storm(tmp_path, plan).run()

    told(plan, outcome)
    assert outcome.broken == []
    assert outcome.hot_kills == plan.kills, "too few kills landed to say anything"
    assert outcome.acked >= 2_000, "too few callbacks were acknowledged to say anything"
    assert outcome.claimed == plan.coupons, "too few coupons were claimed to say anything"


@pytest.mark.timeout(240)
async def test_acknowledging_before_storing_would_be_caught(tmp_path: Path) -> None:
    plan = Plan(members=100, coupons=50, kills=6, seed=SEED, mutant="reply_before_commit")

    outcome = await Storm(tmp_path, plan).run()

    told(plan, outcome)
    assert any("acked but lost" in one for one in outcome.broken)


@pytest.mark.timeout(240)
async def test_a_missing_member_key_would_be_caught(tmp_path: Path) -> None:
    plan = Plan(members=60, coupons=100, kills=2, seed=SEED, mutant="no_member_key")

    outcome = await Storm(tmp_path, plan).run()

    told(plan, outcome)
    assert any("holds 2 coupons" in one for one in outcome.broken)


def told(plan: Plan, outcome: Outcome) -> None:
    print(
        f"seed {plan.seed}: {outcome.hot_kills} hot kills, {outcome.acked} acks, {outcome.claimed} claims,"
        f" {len(outcome.broken)} broken {outcome.broken[:3]}"
    )
