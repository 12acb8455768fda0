"""Parcels: which messages of the ledger share one request to the platform, and the receipt of one that arrived."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.gateway import Parcel
from sop.message import CAPABILITIES, Channel
from sop.quota import GROUPS_PER_TASK, MEMBERS_PER_TASK
from sop.update import MessageSent
from storage import inbox
from storage.outbox import Entry

SINGLE = tuple(channel for channel in Channel if CAPABILITIES[channel].individual_text)
SHARED = tuple(channel for channel in Channel if not CAPABILITIES[channel].individual_text)
CONFIRMED = tuple(channel for channel in Channel if CAPABILITIES[channel].confirmed_by_person)


def parcels(entries: Sequence[Entry]) -> list[tuple[Parcel, list[Entry]]]:
    """One request for each message, but one for all recipients of equal content where a person must confirm."""
    alone = [(parcel_of([entry]), [entry]) for entry in entries if entry.message.channel in SINGLE]
    shared: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.message.channel in SHARED:
            shared.setdefault(entry.digest, []).append(entry)
    together = []
    for same in shared.values():
        size = GROUPS_PER_TASK if same[0].message.to_group else MEMBERS_PER_TASK
        together += [same[start : start + size] for start in range(0, len(same), size)]
    return alone + [(parcel_of(same), same) for same in together]


def parcel_of(entries: Sequence[Entry]) -> Parcel:
    first = entries[0].message
    return Parcel(
        channel=first.channel,
        content=first.content,
        recipients=tuple(entry.address or entry.recipient for entry in entries),
        audience="group" if first.to_group else "staff" if first.to_staff else "member",
        sender=first.sender,
        key=first.key,
        welcome_code=first.welcome_code,
        ticket=first.ticket,
    )


def receipt_of(entry: Entry, now: datetime) -> inbox.Knock:
    """The news that a message arrived, for our own inbox."""
    told = MessageSent(
        at=now,
        id=f"sent:{entry.id}",
        message=entry.id,
        member=entry.message.to_member,
        group=entry.message.to_group,
    )
    return inbox.knock_of(told, lane=entry.recipient or "self", now=now)
