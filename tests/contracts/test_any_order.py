"""Callbacks come late, twice and in any order; what we know afterwards is the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from sop.staff import StaffChanged
from sop.update import (
    FriendAdded,
    FriendLost,
    GroupCreated,
    GroupDismissed,
    MembersJoined,
    MembersLeft,
    Update,
)
from storage.tables import metadata
from storage.tx import Tx
from tests.contracts.heard import START, after, hear

PLAN = """id = "{id}"
name = "{id}"
[trigger]
on = "{on}"
[audience]
everyone = true
[[step]]
id = "hello"
when = {{ day = 1, time = 19:30:00 }}
text = "你好呀"
"""
PEOPLE, STAFF, GROUP = ("wm-a", "wm-b", "wm-c"), ("li", "su"), "wr1"
SECOND = timedelta(seconds=1)


# ---------------------------------------------------------------- what really happened

Deed = tuple[str, ...]
DEEDS: st.SearchStrategy[list[Deed]] = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["befriend", "half", "drop", "dropped"]), st.sampled_from(PEOPLE), st.sampled_from(STAFF)),
        st.tuples(st.sampled_from(["join", "leave"]), st.sampled_from(PEOPLE)),
        st.tuples(st.just("quit"), st.sampled_from(STAFF)),
        st.tuples(st.just("dismiss")),
    ),
    min_size=3,
    max_size=14,
)  # fmt: skip


class Truth:
    """The world as deeds change it, and the callbacks they make, a second apart."""

    def __init__(self) -> None:
        self.friends: set[tuple[str, str]] = set()
        self.half: set[tuple[str, str]] = set()
        self.seats: set[str] = set()
        self.gone: set[str] = set()
        self.dismissed, self.version = False, 0
        self.at = START
        self.told: list[Update] = [GroupCreated(at=START, id="0", group=GROUP)]

    def tell(self, kind: type[Update], **values: Any) -> None:
        self.told.append(kind(at=self.at, id=str(len(self.told)), **values))

    def do(self, deed: Deed) -> None:
        self.at += SECOND
        getattr(self, f"_{deed[0]}")(*deed[1:])

    def _befriend(self, member: str, staff: str) -> None:
        pair = (member, staff)
        if pair not in self.friends and staff not in self.gone:
            self.friends.add(pair)
            self.half.discard(pair)
            self.tell(FriendAdded, member=member, staff=staff)

    def _half(self, member: str, staff: str) -> None:
        pair = (member, staff)
        if pair not in self.friends | self.half and staff not in self.gone:
            self.half.add(pair)
            self.tell(FriendAdded, member=member, staff=staff, half=True)

    def _drop(self, member: str, staff: str) -> None:
        self._lose(member, staff, "staff")

    def _dropped(self, member: str, staff: str) -> None:
        self._lose(member, staff, "member")

    def _lose(self, member: str, staff: str, by: str) -> None:
        pair = (member, staff)
        if pair in self.friends | self.half:
            self.friends.discard(pair)
            self.half.discard(pair)
            self.tell(FriendLost, member=member, staff=staff, by=by)

    def _join(self, member: str) -> None:
        if member not in self.seats and not self.dismissed:
            self.seats.add(member)
            self.tell(MembersJoined, group=GROUP, members=(member,), **self._next())

    def _leave(self, member: str) -> None:
        if member in self.seats and not self.dismissed:
            self.seats.discard(member)
            self.tell(MembersLeft, group=GROUP, members=(member,), **self._next())

    def _quit(self, staff: str) -> None:
        if staff not in self.gone:
            self.gone.add(staff)
            self.friends = {pair for pair in self.friends if pair[1] != staff}
            self.half = {pair for pair in self.half if pair[1] != staff}
            self.tell(StaffChanged, staff=staff, present=False, left=True)

    def _dismiss(self) -> None:
        if not self.dismissed:
            self.dismissed = True
            self.tell(GroupDismissed, group=GROUP)

    def _next(self) -> dict[str, str]:
        self.version += 1
        return {"before": f"v{self.version - 1}", "after": f"v{self.version}"}


def lived(deeds: Iterable[Deed]) -> Truth:
    truth = Truth()
    for deed in deeds:
        truth.do(deed)
    return truth


# ---------------------------------------------------------------- what we know of it


@cache
def furnished() -> sqlite3.Connection:
    """A house with its templates, in which nothing has happened yet; the stories begin with copies of it."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    with engine.begin() as connection:
        tx = Tx(connection, START)
        for name, on in (("befriended", "friend.added"), ("seated", "group.joined")):
            saved = tx.templates.save(name, name, PLAN.format(id=name, on=on), by="test")
            tx.templates.publish(name, saved.version, zone="Asia/Shanghai")
    raw = engine.raw_connection().driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


def known_after(updates: Iterable[Update]) -> dict[str, Any]:
    """What a fresh house knows after hearing these; each is handled a while after everything happened."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        furnished().backup(raw)
        hear(connection, *updates, now=after(minutes=5))
        state = _state(Tx(connection, after(minutes=5)))
    engine.dispose()
    return state


def _state(tx: Tx) -> dict[str, Any]:
    group = tx.groups.get(GROUP)
    journeys = [journey for person in PEOPLE for journey in tx.journeys.of(person)]
    return {
        "friends": tx.members.friendships(),
        "seats": {seat.member for seat in tx.groups.seated(GROUP)},
        "dismissed": group is not None and not group.alive,
        "begun": sorted({(one.template, one.whom) for one in journeys}),
        "twice": [(one.template, one.whom) for one in journeys if one.run > 1],
        "stray": [
            one.template
            for one in journeys
            if one.state == "active" and not _reachable(tx, one.template, one.whom)
        ],
    }


def _reachable(tx: Tx, template: str, whom: str) -> bool:
    """Seated, a friend of somebody, or waiting to be taken over from somebody who left the corp."""
    if template == "seated":
        return tx.groups.is_seated(GROUP, whom)
    bonds = [tx.members.friendship(whom, staff) for staff in STAFF]
    return any(bond is not None and (bond.lost_at is None or bond.lost_by == "left") for bond in bonds)


def must_end_alike(deeds: list[Deed], chance: Any, *, shuffles: int) -> None:
    """Told in order, and told in other orders with some of it twice, the story ends in the truth."""
    truth = lived(deeds)
    in_order = known_after(truth.told)

    for _ in range(shuffles):
        shuffled = truth.told + chance.sample(truth.told, len(truth.told) // 3)
        chance.shuffle(shuffled)
        assert known_after(shuffled) == in_order

    assert in_order["friends"] == truth.friends
    assert in_order["seats"] == truth.seats
    assert in_order["dismissed"] == truth.dismissed
    assert (in_order["twice"], in_order["stray"]) == ([], [])


SOME = settings(
    max_examples=20, phases=[Phase.explicit, Phase.generate], suppress_health_check=[HealthCheck.too_slow]
)


LOST_AND_ASKED_AGAIN: list[Deed] = [
    ("befriend", "wm-a", "su"),
    ("drop", "wm-a", "su"),
    ("half", "wm-a", "su"),
]


@SOME
@example(deeds=LOST_AND_ASKED_AGAIN, chance=Random(1))
@given(deeds=DEEDS, chance=st.randoms(use_true_random=False))
def test_any_order_and_any_repeats_end_in_the_same_state(deeds: list[Deed], chance: Any) -> None:
    must_end_alike(deeds, chance, shuffles=3)


@pytest.mark.full
@pytest.mark.timeout(3600)
@settings(SOME, max_examples=1000)
@given(deeds=DEEDS, chance=st.randoms(use_true_random=False))
def test_a_thousand_histories_end_alike_in_ten_orders_each(deeds: list[Deed], chance: Any) -> None:
    must_end_alike(deeds, chance, shuffles=10)
