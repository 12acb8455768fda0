"""Edits under way: one version to a journey unless it is moved on purpose, and no step twice even then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from random import Random

import pytest

from storage.version import VersionStore
from tests.world import Person, World, july

STEPS = "abcdef"
HEAD = """
id = "plan"
name = "计划"

[trigger]
on = "friend.added"

[audience]
everyone = true

[rules]
weekly_cap = 50
"""
COUNTS = [
    pytest.param(4, 5, id="small"),
    pytest.param(1000, 100, id="stated", marks=pytest.mark.full),
]


@pytest.mark.parametrize(("members", "edits"), COUNTS)
async def test_edits_mix_no_versions_within_a_journey(world: World, members: int, edits: int) -> None:
    people = await started(world, members)

    await edited(world, edits, Random(5), move=False)

    said = [await told(one) for one in people]
    assert {version for one in said for version, _ in one} == {"1"}
    assert [[step for _, step in one] for one in said] == [list(STEPS)] * members


@pytest.mark.parametrize(("members", "edits"), COUNTS)
async def test_nobody_who_is_moved_hears_a_step_twice(world: World, members: int, edits: int) -> None:
    people = await started(world, members)

    await edited(world, edits, Random(5), move=True)

    said = [await told(one) for one in people]
    assert len({version for one in said for version, _ in one}) > 1
    assert [max(Counter(step for _, step in one).values()) for one in said] == [1] * members


# ---------------------------------------------------------------- how it is told


async def started(world: World, members: int) -> list[Person]:
    await world.publishes(text=plan(1, STEPS))
    return [await world.befriends(f"成员{number}") for number in range(members)]


async def edited(world: World, edits: int, chance: Random, *, move: bool) -> None:
    """Publish edits over the six days of the plan: steps change their words and places, come and go."""
    for edit in range(edits):
        version = edit + 2
        await world.publishes(text=plan(version, changed(chance)))
        if move:
            await moved(world, version)
        if (edit + 1) % max(1, edits // 5) == 0:
            await evening(world, 3 + edit * 5 // edits)
    for day in range(8, 10):
        await evening(world, day)


async def moved(world: World, version: int) -> None:
    await world.change(lambda tx: VersionStore(tx.connection, tx.now).migrate("plan", version))
    await world.turn(minutes=5)
    await world.confirms_all()


def changed(chance: Random) -> list[str]:
    """One step is gone, and two neighbours have changed places."""
    gone, at = chance.choice(STEPS), chance.randrange(len(STEPS) - 2)
    steps = [step for step in STEPS if step != gone]
    steps[at : at + 2] = reversed(steps[at : at + 2])
    return steps


async def evening(world: World, day: int) -> None:
    await world.leap_to(july(day, "19:29"))
    await world.turn(minutes=5)
    await world.confirms_all()


async def told(person: Person) -> list[tuple[str, str]]:
    """What was said, as (version, step)."""
    heard = (text.partition("/") for text in person.heard_from("linmo"))
    return [(version, step) for version, _, step in heard]


def plan(version: int, steps: Iterable[str]) -> str:
    return HEAD + "".join(
        f'\n[[step]]\nid = "{step}"\nwhen = {{ day = {day}, time = 19:30:00 }}\ntext = "{version}/{step}"\n'
        for day, step in enumerate(steps, start=1)
    )
