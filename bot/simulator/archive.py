"""The archive: records after a number, five days back at most; as they are, sealed, and who agreed to them.

developer.work.weixin.qq.com paths 91774 and 91782. What the platform's own library does behind its last seal nobody
outside knows; :class:`StandInLibrary` seals with AES instead, and keeps the rest as documented.
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bot.cipher import RsaKey, open_file, seal_file
from bot.simulator.calls import Answer, Api, Call, Refusal
from bot.simulator.world import Member, World
from sop.errors import Refused

MOST, PAIRS_MOST = 1000, 100
DECRYPT_FAILED = 10006
BY = frozenset({"archive"})


def records_after(world: World, seq: int, limit: int) -> tuple[list[dict[str, Any]], bool]:
    """The records there still are, and whether more follow."""
    records = world.archive
    oldest = int((world.now() - timedelta(days=world.rules.archive_days)).timestamp() * 1000)
    start = max(
        bisect_right(records, seq, key=lambda record: record["seq"]),
        bisect_right(records, oldest - 1, key=_said_at),
    )
    end = start + min(limit, world.rules.archive_page)
    return records[start:end], end < len(records)


def _said_at(record: dict[str, Any]) -> int:
    """What does not say when it was said counts as new."""
    at = record.get("msgtime")
    return at if type(at) is int else 2**62


def feed(call: Call) -> Answer:
    seq, limit = (call.number("seq", default=0), call.number("limit", default=MOST, least=1))
    if limit > MOST:
        raise Refusal(301058)
    records, more = records_after(call.world, seq, limit)
    return {"chatdata": records, "more": int(more)}


@dataclass
class StandInLibrary:
    """Pulls and opens as the platform's library does, from a world instead of the network.

    ``versions`` are the corp's public keys; records are sealed with the newest.
    """

    world: World
    versions: dict[int, RsaKey]
    pulls: list[int] = field(default_factory=list)
    fails: list[Exception] = field(default_factory=list)  # what the next pulls end in

    def chat_data(self, seq: int, limit: int, timeout_s: int) -> bytes:
        self.pulls.append(seq)
        if self.fails:
            raise self.fails.pop(0)
        records, _ = records_after(self.world, seq, min(limit, MOST))
        sealed = [self._sealed(record) for record in records]
        return json.dumps({"errcode": 0, "errmsg": "ok", "chatdata": sealed}, ensure_ascii=False).encode()

    def decrypt(self, key: bytes, sealed: str) -> bytes:
        try:
            return open_file(key.decode("ascii"), base64.b64decode(sealed))
        except ValueError as mistake:
            raise Refused("decrypt", code=DECRYPT_FAILED) from mistake
        except Exception as mistake:
            raise Refused(str(mistake), code=DECRYPT_FAILED) from mistake

    def _sealed(self, record: dict[str, Any]) -> dict[str, Any]:
        version = max(self.versions)
        key = base64.b64encode(self.world.chance.bytes(32))
        plain = json.dumps(
            {name: value for name, value in record.items() if name != "seq"}, ensure_ascii=False
        )
        return {
            "seq": record["seq"],
            "msgid": record.get("msgid", ""),
            "publickey_ver": version,
            "encrypt_random_key": base64.b64encode(self.versions[version].seal(key)).decode(),
            "encrypt_chat_msg": base64.b64encode(seal_file(key.decode(), plain.encode())).decode(),
        }


# ---------------------------------------------------------------- who agreed


def room_agreed(call: Call) -> Answer:
    """What the members of a group decided; employees are not asked."""
    group = call.world.groups.get(call.text("roomid"))
    if group is None:
        raise Refusal(40035, "roomid")
    seated = [call.world.members[seat.id] for seat in group.seats.values() if seat.id in call.world.members]
    return {"agreeinfo": [_agreed(call.world, one) for one in seated]}


def single_agreed(call: Call) -> Answer:
    info = call.body.get("info") or []
    if len(info) > PAIRS_MOST:
        raise Refusal(301060)
    found = []
    for pair in info:
        member = call.world.members.get(str(pair.get("exteranalopenid", "")))
        if member is not None and (pair.get("userid"), member.id) in call.world.friendships:
            found.append({"userid": pair["userid"], **_agreed(call.world, member)})
    return {"agreeinfo": found}


def _agreed(world: World, member: Member) -> dict[str, Any]:
    return {
        "status_change_time": int(world.now().timestamp()),
        "agree_status": "Agree" if member.archived else "Disagree",
        "exteranalopenid": member.id,  # so the platform spells it
    }


def archived_staff(call: Call) -> Answer:
    """``msgaudit/get_permit_user_list``: whose talks are kept."""
    if not call.world.rules.archive_open:
        raise Refusal(301053)
    return {"ids": list(call.world.staff)}


CALLS = {
    "archive/feed": Api("GET", feed, BY),
    "msgaudit/check_room_agree": Api("POST", room_agreed, BY),
    "msgaudit/check_single_agree": Api("POST", single_agreed, BY),
    "msgaudit/get_permit_user_list": Api("POST", archived_staff, BY),
}
