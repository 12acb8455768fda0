"""What appears in a talk when something is sent there: lines for people to see, records for the archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.simulator.world import Line, World, group_talk


def show(
    world: World, talk: str, speaker: str, text: str, attachments: Sequence[Mapping[str, Any]], **data: Any
) -> None:
    """A text and its attachments, one line each, as a phone shows them."""
    if text:
        world.talk(talk, speaker, text, **data)
    for attachment in attachments:
        show_attachment(world, talk, speaker, attachment, **data)


def show_attachment(
    world: World, talk: str, speaker: str, attachment: Mapping[str, Any], **data: Any
) -> Line:
    sort = str(attachment.get("msgtype", "file"))
    inner: Mapping[str, Any] = attachment.get(sort) or {}
    if sort == "link":
        return world.talk(
            talk,
            speaker,
            str(inner.get("title", "")),
            kind="link",
            url=str(inner.get("url", "")),
            description=str(inner.get("desc", "")),
            **data,
        )
    return world.talk(talk, speaker, f"[{sort}] {inner.get('title', '')}".strip(), **data)


def say_in_group(
    world: World,
    group: str,
    speaker: str,
    text: str,
    attachments: Sequence[Mapping[str, Any]] = (),
    **data: Any,
) -> None:
    """Somebody speaks in a 客户群: everyone there sees it, the archive keeps it."""
    show(world, group_talk(group), speaker, text, attachments, **data)
    others = [seat for seat in world.groups[group].seats if seat != speaker]
    if text:
        keep(world, speaker, others, "text", {"content": text}, room=group)
    for attachment in attachments:
        if attachment.get("msgtype") == "link":
            link = attachment["link"]
            content = {
                "title": link.get("title", ""),
                "description": link.get("desc", ""),
                "link_url": link.get("url", ""),
            }
            keep(world, speaker, others, "link", content, room=group)


def keep(
    world: World,
    speaker: str,
    to: Sequence[str],
    sort: str,
    content: Mapping[str, Any],
    *,
    room: str = "",
    action: str = "send",
    name: str = "",
    anyway: bool = False,
) -> str:
    """Archive one message, unless its speaker is a member who has not agreed to that; its number.

    ``name`` is what the message's object is called, where it is not called like its sort.
    """
    member = world.members.get(speaker)
    if member is not None and not (member.archived or anyway or world.rules.archive_everyone):
        return ""
    now = world.now()
    number = world.number("archive")
    msgid = f"{4_410_000_000 + number}_{int(now.timestamp())}_external"
    world.archive.append(
        {
            "seq": number,
            "msgid": msgid,
            "action": action,
            "from": speaker,
            "tolist": list(to),
            "roomid": room,
            "msgtime": int(now.timestamp() * 1000),
            "msgtype": sort,
            name or sort: dict(content),
        }
    )
    return msgid


def deliver(world: World, channel: str, to: str, text: str, **facts: Any) -> None:
    """Note for the journal that something really reached somebody."""
    world.journal.note("delivery", channel=channel, to=to, text=text, **facts)
    world.journal.counts[f"delivery {channel}"] += 1
