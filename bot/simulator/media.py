"""Files handed to the platform: numbers that last three days, addresses that last for good.

developer.work.weixin.qq.com paths 90253, 90254, 90256; a webhook's own file is on path 99110.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bot.simulator.calls import Answer, Api, Call, Refusal
from bot.simulator.world import Kept, World

LIFE = timedelta(days=3)
MB = 1024 * 1024
LARGEST = {"image": 10 * MB, "voice": 2 * MB, "video": 10 * MB, "file": 20 * MB}
LARGEST_PICTURE = 2 * MB
CORP, ATTACHMENT = "corp", "attachment"

_HEAD = re.compile(rb'name="(?P<field>[^"]*)"(?:; filename="(?P<name>[^"]*)")?')


@dataclass(frozen=True)
class Upload:
    """The one file of a form."""

    field: str
    name: str
    whole: bytes


def upload_of(content_type: str, body: bytes) -> Upload | None:
    """The file a form carries, None when the request is no form with a file."""
    found = re.search(r"multipart/form-data; *boundary=\"?([^\";]+)", content_type)
    if found is None:
        return None
    parts = body.split(b"--" + found[1].encode())
    for part in parts[1:-1]:
        head, _, whole = part.partition(b"\r\n\r\n")
        told = _HEAD.search(head)
        if told is not None and told["name"] is not None:
            return Upload(told["field"].decode(), told["name"].decode("utf-8", "replace"), whole[:-2])
    return None


def upload(call: Call) -> Answer:
    return keep(call, call.text("type"), CORP)


def upload_attachment(call: Call) -> Answer:
    if call.text("attachment_type") not in ("1", "2"):
        raise Refusal(41072, "attachment_type")
    sort = call.text("media_type")
    if sort not in ("image", "video", "file"):
        raise Refusal(41072, "media_type")
    return keep(call, sort, ATTACHMENT)


def upload_picture(call: Call) -> Answer:
    """An address for good; a corp may have so many a day and a month."""
    whole = _file(call, "media", LARGEST_PICTURE).whole
    if not call.limits.picture(call.now):
        raise Refusal(45009)
    url = f"https://wework.qpic.cn/sim/{call.world.id('PIC')}"
    call.world.pictures[url] = len(whole)
    return {"url": url}


def keep(call: Call, sort: str, place: str) -> Answer:
    """A file kept for three days, known in one place only."""
    if sort not in LARGEST:
        raise Refusal(40035, "type")
    found = _file(call, "media", LARGEST[sort])
    number = f"{call.world.id('MEDIA')}-{call.world.chance.token(8)}"
    kept = Kept(number, sort, found.name, found.whole, place, call.now + LIFE)
    call.world.kept[number] = kept
    return {"type": sort, "media_id": number, "created_at": str(int(call.now.timestamp()))}


def get(call: Call) -> Answer:
    """The bytes themselves; one file cannot be had twice at the same time."""
    kept = known(call.world, call.text("media_id"), CORP)
    if kept.number in call.world.fetching:
        raise Refusal(45033)
    call.world.fetching.add(kept.number)
    call.after.append(lambda: call.world.fetching.discard(kept.number))
    return {"whole": kept.whole}


def known(world: World, number: Any, place: str, sort: str = "") -> Kept:
    """The living file of a number in its place."""
    kept = world.kept.get(str(number))
    if kept is None or kept.place != place or world.now() >= kept.expires or (sort and kept.sort != sort):
        raise Refusal(40007)
    return kept


def check_attachments(world: World, attachments: list[dict[str, Any]]) -> None:
    """The files of a mass send or a welcome are known: by number, pictures by the address they were given."""
    for attachment in attachments:
        sort = str(attachment["msgtype"])
        inner = attachment[sort]
        if sort == "image" and "pic_url" in inner:
            if inner["pic_url"] not in world.pictures:
                raise Refusal(40035, "pic_url")
        elif sort in ("image", "video", "file"):
            known(world, inner.get("media_id"), CORP, sort)
        elif sort == "miniprogram":
            known(world, inner.get("pic_media_id"), CORP, "image")


def _file(call: Call, field: str, most: int) -> Upload:
    found = upload_of(call.content_type, call.whole)
    if found is None or found.field != field:
        raise Refusal(44001)
    if len(found.whole) <= 5:
        raise Refusal(44001, "too small")
    if len(found.whole) > most:
        raise Refusal(41080, f"{len(found.whole)} bytes")
    return found


ANYBODY = frozenset({"app", "contact", "kf"})
CALLS = {
    "media/upload": Api("POST", upload, ANYBODY),
    "media/get": Api("GET", get, ANYBODY),
    "media/uploadimg": Api("POST", upload_picture, ANYBODY),
    "media/upload_attachment": Api("POST", upload_attachment),
}
