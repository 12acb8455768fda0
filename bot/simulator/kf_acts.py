"""What employees and members do in 微信客服, with the items and doorbells the platform makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.simulator import kf
from bot.simulator.kf_session import ENDED, PERSON, code, move
from bot.simulator.world import KfAccount, World, kf_talk

TAKEN, GIVEN, OVER, AGAIN = 1, 2, 3, 4  # change_type


@dataclass
class KfActs:
    """The people's hands at one corp's 微信客服; ``ring`` rings an account's doorbell."""

    world: World
    ring: Callable[[str], None]

    def open_account(self, account: str, name: str) -> None:
        self.world.accounts[account] = KfAccount(account, name)

    def serve(self, staff: str, account: str, *, on_duty: bool = True) -> None:
        """An employee goes on duty at an account, or off."""
        self.world.accounts[account].servicers[staff] = on_duty
        status = {"servicer_userid": staff, "status": 1 if on_duty else 2}
        self._event(account, "servicer_status_change", status if on_duty else {**status, "stop_type": 0})

    def take(self, staff: str, member: str, account: str) -> str:
        """An employee takes a member from the queue; the code that came with it."""
        return self._hand(member, account, TAKEN, "", staff)

    def give(self, staff: str, other: str, member: str, account: str) -> None:
        self._hand(member, account, GIVEN, staff, other)

    def end(self, staff: str, member: str, account: str) -> str:
        """An employee closes the conversation; the code that came with it."""
        return self._hand(member, account, OVER, staff, "")

    def reopen(self, staff: str, member: str, account: str) -> None:
        self._hand(member, account, AGAIN, "", staff)

    def write(self, staff: str, member: str, account: str, text: str) -> str:
        """An employee writes to the member in the client; the item's number."""
        one = self.world.accounts[account]
        move(one.sessions[member], PERSON, staff)
        self.world.talk(kf_talk(account, member), staff, text)
        item = kf.put(self.world, one, member, "text", {"content": text}, origin=kf.BY_STAFF, servicer=staff)
        self.ring(account)
        return item

    def send(self, member: str, account: str, sort: str, content: dict[str, Any]) -> str:
        """The member sends something that is no text; the item's number."""
        one = self.world.accounts[account]
        kf.wake(self.world, one, member)
        item = kf.put(self.world, one, member, sort, content, origin=kf.BY_MEMBER)
        self.ring(account)
        return item

    def recall(self, member: str, account: str, msgid: str, *, by_staff: bool = False) -> None:
        about = {"external_userid": member, "recall_msgid": msgid}
        self._event(account, "servicer_recall_msg" if by_staff else "user_recall_msg", about)

    def bar(self, staff: str, member: str, account: str, *, barred: bool = True) -> None:
        """An employee takes no more messages of this member."""
        about = {"servicer_userid": staff, "external_userid": member, "reject_switch": int(barred)}
        self._event(account, "reject_customer_msg_switch_change", about)

    def garble(self, account: str, item: Any) -> None:
        """Put something into the stream that is not what the platform promises."""
        self.world.accounts[account].items.append(item)
        self.ring(account)

    def _hand(self, member: str, account: str, change: int, old: str, new: str) -> str:
        one, state = self.world.accounts[account], ENDED if change == OVER else PERSON
        move(one.sessions[member], state, new)
        about = {"external_userid": member, "change_type": change, "old_servicer_userid": old}
        about |= {"new_servicer_userid": new}
        if change in (TAKEN, OVER):
            about["msg_code"] = code(self.world, one, member, state)
        self._event(account, "session_status_change", about)
        return str(about.get("msg_code", ""))

    def _event(self, account: str, kind: str, about: dict[str, Any]) -> None:
        event = {"event_type": kind, "open_kfid": account, **about}
        kf.put(self.world, self.world.accounts[account], "", "event", event, origin=kf.BY_SYSTEM)
        self.ring(account)
