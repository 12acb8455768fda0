"""A platform for the sender's tests: it answers what a table says, and remembers what reached it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.gateway import ArchivePage, Chat, CorpTag, Identity, KfPage, Parcel
from sop.archive import ArchiveDecided
from sop.card import Card
from sop.errors import SendError, Unanswered
from sop.kf import Care, KfMoved, KfSessionTold
from sop.message import CAPABILITIES, Capabilities, Channel
from sop.moment import MomentReported
from sop.receipt import Sent
from sop.update import GroupDescribed, MemberDescribed, TaskReported

Outcome = Sent | SendError | Callable[[Parcel], Sent]


class LostAnswer(Unanswered):
    """The platform did it, and nobody heard."""

    def __init__(self) -> None:
        super().__init__("timeout after 10 s")


@dataclass
class Post:
    """Implements :class:`bot.gateway.Gateway`; ``outcomes`` are used up one by one, then everything is sent."""

    outcomes: dict[Channel, list[Outcome]] = field(default_factory=dict)
    asked: list[Parcel] = field(default_factory=list)
    arrived: list[Parcel] = field(default_factory=list)
    tasks: dict[str, str] = field(default_factory=dict)  # content → task number, for finding again
    looked_for: list[datetime] = field(default_factory=list)

    def silent(self, channel: Channel) -> Collection[str]:
        return ()

    def will(self, channel: Channel, *outcomes: Outcome) -> None:
        self.outcomes.setdefault(channel, []).extend(outcomes)

    @property
    def texts(self) -> list[str]:
        """What reached people, in order."""
        return [parcel.content.text for parcel in self.arrived]

    def capabilities(self, channel: Channel) -> Capabilities:
        return CAPABILITIES[channel]

    async def send(self, parcel: Parcel) -> Sent:
        self.asked.append(parcel)
        waiting = self.outcomes.get(parcel.channel, [])
        outcome = waiting.pop(0) if waiting else Sent(f"no-{len(self.asked)}")
        if isinstance(outcome, LostAnswer | Sent) or callable(outcome):
            self._arrive(parcel)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome if isinstance(outcome, Sent) else outcome(parcel)

    def _arrive(self, parcel: Parcel) -> None:
        """An identical request is dropped where the platform does so."""
        if CAPABILITIES[parcel.channel].safe_to_repeat and parcel in self.arrived:
            return
        self.arrived.append(parcel)
        self.tasks.setdefault(parcel.content.text, f"found-{len(self.arrived)}")

    async def find_task(self, parcel: Parcel, since: datetime) -> str | None:
        self.looked_for.append(since)
        return self.tasks.get(parcel.content.text)

    async def task(self, task: str, sender: str, *, to_groups: bool) -> TaskReported:
        raise NotImplementedError

    async def remind(self, task: str) -> None:
        raise NotImplementedError

    async def cancel(self, task: str) -> None:
        raise NotImplementedError

    async def moment(self, job: str, moment: str, sender: str) -> MomentReported:
        raise NotImplementedError

    async def update_card(
        self, code: str, *, staff: tuple[str, ...], app: str = "", button: str = "", card: Card | None = None
    ) -> None:
        raise NotImplementedError

    async def unsay(self, number: str, *, app: str = "") -> None:
        raise NotImplementedError

    async def create_chat(
        self, name: str, *, owner: str, staff: tuple[str, ...], number: str, app: str = ""
    ) -> str:
        raise NotImplementedError

    async def change_chat(
        self,
        number: str,
        *,
        name: str = "",
        owner: str = "",
        add: tuple[str, ...] = (),
        remove: tuple[str, ...] = (),
        app: str = "",
    ) -> None:
        raise NotImplementedError

    async def chat(self, number: str, *, app: str = "") -> Chat:
        raise NotImplementedError

    async def file(self, number: str) -> bytes:
        raise NotImplementedError

    async def staff(self) -> tuple[str, ...]:
        raise NotImplementedError

    async def members_of(self, staff: str) -> tuple[str, ...]:
        raise NotImplementedError

    async def groups(self) -> tuple[str, ...]:
        raise NotImplementedError

    async def member(self, member: str) -> MemberDescribed:
        raise NotImplementedError

    async def group(self, group: str) -> GroupDescribed:
        raise NotImplementedError

    async def tags(self) -> tuple[CorpTag, ...]:
        raise NotImplementedError

    async def add_tag(self, name: str, *, group: str) -> CorpTag:
        raise NotImplementedError

    async def mark(
        self, member: str, staff: str, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()
    ) -> None:
        raise NotImplementedError

    async def hear_kf(self, account: str, *, cursor: str, token: str) -> KfPage:
        raise NotImplementedError

    async def kf_accounts(self) -> tuple[str, ...]:
        raise NotImplementedError

    async def kf_members(self, members: Sequence[str]) -> tuple[MemberDescribed, ...]:
        raise NotImplementedError

    async def kf_session(self, account: str, member: str) -> KfSessionTold:
        raise NotImplementedError

    async def move_kf(self, account: str, member: str, care: Care, *, staff: str = "") -> KfMoved:
        raise NotImplementedError

    async def hear_archive(self, seq: int) -> ArchivePage:
        raise NotImplementedError

    def opens_archive(self, version: int) -> bool:
        raise NotImplementedError

    async def agreed_in_group(self, group: str) -> tuple[ArchiveDecided, ...]:
        raise NotImplementedError

    async def agreed_alone(self, pairs: Collection[tuple[str, str]]) -> tuple[ArchiveDecided, ...]:
        raise NotImplementedError

    async def who(self, code: str) -> Identity:
        raise NotImplementedError
