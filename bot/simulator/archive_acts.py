"""What people do that only the archive hears: words of every kind, recalls, and agreeing to be archived at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.simulator.talks import keep
from bot.simulator.world import World

WECOM, WECHAT = "wecom", "wechat"


@dataclass
class ArchiveActs:
    """The people's mouths; ``ring`` rings the archive's doorbell."""

    world: World
    ring: Callable[[], None]

    def send(self, group: str, who: str, sort: str, content: dict[str, Any], *, name: str = "") -> str:
        """Anything but plain words, said in a group; the message's number. ``name`` is what its object is called."""
        others = [seat for seat in self.world.groups[group].seats if seat != who]
        number = keep(self.world, who, others, sort, content, room=group, name=name)
        self.ring()
        return number

    def quote(self, group: str, who: str, quoted: tuple[str, str], text: str, *, client: str = WECOM) -> str:
        """Answer somebody's words (name, words) by quoting them, as this client writes it."""
        name, words = quoted
        whole = f"这是一条引用/回复消息：\n“{name}：\n{words}”\n------\n{text}"
        if client == WECHAT:
            whole = f"「{name}：{words}」\n- - - - - - - - - - - - - - -\n{text}"
        return self.send(group, who, "text", {"content": whole})

    def alone(self, speaker: str, reader: str, text: str) -> str:
        """A word between a member and an employee."""
        number = keep(self.world, speaker, [reader], "text", {"content": text})
        self.ring()
        return number

    def recall(self, group: str, who: str, number: str) -> None:
        content = {"pre_msgid": number}
        others = [seat for seat in self.world.groups[group].seats if seat != who]
        keep(self.world, who, others, "revoke", content, room=group, action="recall")
        self.ring()

    def decide(self, member: str, *, agreed: bool) -> None:
        """A member agrees to being archived, or no longer does, everywhere at once."""
        self.world.members[member].archived = agreed
        sort = "agree" if agreed else "disagree"
        content = {"userid": member, f"{sort}_time": int(self.world.now().timestamp() * 1000)}
        for group in self.world.groups_with(member):
            staff = [seat.id for seat in group.seats.values() if seat.staff]
            keep(self.world, member, staff, sort, content, room=group.id, anyway=True)
        for bond in self.world.followers(member):
            keep(self.world, member, [bond.staff], sort, content, anyway=True)
        self.ring()

    def garble(self, record: dict[str, Any]) -> int:
        """Put something among the records that is not what the platform promises; its number."""
        number = self.world.number("archive")
        self.world.archive.append({"seq": number, **record})
        self.ring()
        return number
