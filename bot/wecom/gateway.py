"""WeCom as a gateway: everything we ask of a platform, answered by WeCom."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from bot.chance import Chance
from bot.clock import Clock
from bot.gateway import ArchivePage, Chat, CorpTag, Identity, KfPage, Parcel
from bot.outgoing import Outgoing
from bot.wecom.aibot import Aibots
from bot.wecom.appchat import Chats
from bot.wecom.archive import Archive
from bot.wecom.client import WeComClient
from bot.wecom.kf import Kf
from bot.wecom.moment import Moments
from bot.wecom.person import person
from bot.wecom.registry import WeComRegistry
from bot.wecom.send import Sending
from bot.wecom.settings import WeComSettings
from bot.wecom.task import Tasks
from sop.archive import ArchiveDecided
from sop.card import Card
from sop.kf import Care, KfMoved, KfSessionTold
from sop.message import CAPABILITIES, Capabilities, Channel
from sop.moment import MomentReported
from sop.receipt import Sent
from sop.update import GroupDescribed, MemberDescribed, TaskReported
from storage.engine import Database
from storage.shared import Shared


class WeComGateway(WeComRegistry):
    """Implements :class:`bot.registry.Registry`; each noun's calls live in a file of their own."""

    def __init__(
        self,
        settings: WeComSettings,
        outgoing: Outgoing,
        clock: Clock,
        chance: Chance,
        shared: Shared,
        db: Database | None = None,
    ) -> None:
        """``db`` keeps the files that messages carry; without it only words can be sent."""
        self._client = WeComClient(settings, outgoing, clock, chance, shared)
        self.aibots = Aibots(settings, outgoing, clock, chance, shared, db)
        self._sending, self._tasks = Sending(self._client, self.aibots, db), Tasks(self._client)
        self._chats, self._moments = Chats(self._client), Moments(self._client)
        super().__init__(self._client)
        self._kf = Kf(self._client)
        self._archive = Archive(self._client)

    def capabilities(self, channel: Channel) -> Capabilities:
        return CAPABILITIES[channel]

    def silent(self, channel: Channel) -> Collection[str]:
        return self.aibots.silent() if channel is Channel.AIBOT else ()

    async def send(self, parcel: Parcel) -> Sent:
        return await self._sending.send(parcel)

    # ------------------------------------------------------------ group-send tasks

    async def find_task(self, parcel: Parcel, since: datetime) -> str | None:
        return await self._tasks.find(parcel, since)

    async def task(self, task: str, sender: str, *, to_groups: bool) -> TaskReported:
        return await self._tasks.report(task, sender)

    async def remind(self, task: str) -> None:
        await self._tasks.remind(task)

    async def cancel(self, task: str) -> None:
        await self._tasks.cancel(task)

    async def moment(self, job: str, moment: str, sender: str) -> MomentReported:
        return await self._moments.report(job, moment, sender)

    # ------------------------------------------------------------ after it is said

    async def update_card(
        self, code: str, *, staff: tuple[str, ...], app: str = "", button: str = "", card: Card | None = None
    ) -> None:
        await self._sending.update_card(code, staff, app, button, card)

    async def unsay(self, number: str, *, app: str = "") -> None:
        await self._sending.unsay(number, app)

    # ------------------------------------------------------------ internal groups, and files

    async def create_chat(
        self, name: str, *, owner: str, staff: tuple[str, ...], number: str, app: str = ""
    ) -> str:
        return await self._chats.create(name, owner, staff, number, app)

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
        await self._chats.change(number, name=name, owner=owner, add=add, remove=remove, app=app)

    async def chat(self, number: str, *, app: str = "") -> Chat:
        return await self._chats.get(number, app)

    async def file(self, number: str) -> bytes:
        return await self._sending.library.heard(number)

    # ------------------------------------------------------------ who is who

    async def staff(self) -> tuple[str, ...]:
        return await self._directory.staff()

    async def members_of(self, staff: str) -> tuple[str, ...]:
        return await self._directory.members_of(staff)

    async def member(self, member: str) -> MemberDescribed:
        return await self._directory.member(member)

    async def groups(self) -> tuple[str, ...]:
        return await self._directory.groups()

    async def group(self, group: str) -> GroupDescribed:
        return await self._directory.group(group)

    async def tags(self) -> tuple[CorpTag, ...]:
        return await self._directory.tags()

    async def add_tag(self, name: str, *, group: str) -> CorpTag:
        return await self._directory.add_tag(name, group=group)

    async def mark(
        self, member: str, staff: str, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()
    ) -> None:
        await self._directory.mark(member, staff, add=add, remove=remove)

    # ------------------------------------------------------------ listening

    async def hear_kf(self, account: str, *, cursor: str, token: str) -> KfPage:
        return await self._kf.hear(account, cursor=cursor, token=token)

    async def kf_accounts(self) -> tuple[str, ...]:
        return await self._kf.accounts()

    async def kf_members(self, members: Sequence[str]) -> tuple[MemberDescribed, ...]:
        return await self._kf.members(members)

    async def kf_session(self, account: str, member: str) -> KfSessionTold:
        return await self._kf.session(account, member)

    async def move_kf(self, account: str, member: str, care: Care, *, staff: str = "") -> KfMoved:
        return await self._kf.move(account, member, care, staff)

    async def hear_archive(self, seq: int) -> ArchivePage:
        return await self._archive.hear(seq)

    def opens_archive(self, version: int) -> bool:
        return self._archive.opens(version)

    async def agreed_in_group(self, group: str) -> tuple[ArchiveDecided, ...]:
        return await self._archive.agreed_in_group(group)

    async def agreed_alone(self, pairs: Collection[tuple[str, str]]) -> tuple[ArchiveDecided, ...]:
        return await self._archive.agreed_alone(pairs)

    # ------------------------------------------------------------ signing in, and being there

    async def who(self, code: str) -> Identity:
        credentials = self._client.credentials
        answer = await self._client.call(
            "GET", "auth/getuserinfo", credentials.of_app(credentials.app()), query={"code": code}, demands=()
        )
        return Identity(
            staff=person(str(answer.get("userid") or "")),
            member=str(answer.get("external_userid") or ""),
            openid=str(answer.get("openid") or ""),
        )
