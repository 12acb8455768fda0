"""Listening to streams the platform keeps for us: 微信客服 and the archive, page after page.

Each page goes into the inbox in one transaction with how far we have read. Told twice, an item is one item; what cannot be
read is parked with its reason, and stops nothing behind it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import structlog

from bot.bell import Bell
from bot.clock import Clock
from bot.gateway import ArchivePage, Gateway, Unread
from sop import archive, kf
from sop.archive import Agreements, ArchiveDecided, Pair, spoken_by
from sop.errors import Busy, Refused
from sop.kf import Care, KfMoved
from sop.update import MemberDescribed, MessageHeard, Update
from storage import inbox
from storage.alarm import raise_alarm
from storage.consent import ConsentStore
from storage.engine import Connection, Database
from storage.errand import Errand, ErrandStore
from storage.kf import KfStore
from storage.position import drop_position, first_position, positions_below, read_position, write_position

log = structlog.get_logger()

EMPTY_PAGES = 10  # in a row, on the same spot, though more is promised
WAIT_S = 30.0
ARCHIVE, HEARD_ARCHIVE = "archive", "heard:archive"  # how far we have read, and when
LACKING = "archive:lacking:"  # from which record on a version of the private key was wanted
ASKED = "archive_asked"  # how we know of a decision: the platform told us when asked
SEALED = "archive/sealed"  # where records that could not be opened are parked


@dataclass
class Listening:
    """The errands that read streams; the rest of their family is in ``bot.errands``."""

    db: Database
    gateway: Gateway
    clock: Clock
    woken: Bell  # the worker's

    # ------------------------------------------------------------ 微信客服

    async def kf(self, errand: Errand) -> None:
        account, patience, more = errand.whom, EMPTY_PAGES, True
        await self._look_back(f"微信客服 {account}", _heard(account), kf.KEPT)
        while more:
            cursor = await self.db.read(lambda c: read_position(c, f"kf:{account}"))
            page = await self.gateway.hear_kf(account, cursor=cursor, token=self._token(errand))
            more = page.more
            patience = EMPTY_PAGES if page.cursor != cursor or page.updates else patience - 1
            await self.take(
                page.updates, page.unread, {f"kf:{account}": page.cursor, _heard(account): self._now()}
            )
            if more and patience <= 0:
                raise Busy("客服消息一直说还有下一页却是空的，稍后再读", retry_after=WAIT_S)

    def _token(self, errand: Errand) -> str:
        """What the doorbell brought, while it is good."""
        until = str(errand.data.get("until") or "")
        good = until and self.clock.now() < datetime.fromisoformat(until)
        return str(errand.data.get("token", "")) if good else ""

    async def kf_accounts(self, errand: Errand) -> None:
        """Listen to accounts no bell has told us of."""
        accounts, now = await self.gateway.kf_accounts(), self.clock.now()

        def ask(connection: Connection) -> None:
            for account in accounts:
                if not read_position(connection, f"kf:{account}"):
                    ErrandStore(connection).remind(Errand(what="kf", whom=account, at=now))

        await self.db.write(ask)

    async def kf_member(self, errand: Errand) -> None:
        await self.take(await self.gateway.kf_members([errand.whom]))

    async def kf_session(self, errand: Errand) -> None:
        account, visitor = str(errand.data["account"]), await self._visitor(errand)
        await self.take([await self.gateway.kf_session(account, visitor)])

    async def _visitor(self, errand: Errand) -> str:
        """By which id 微信客服 knows the member an errand is about."""
        member = str(errand.data["member"])
        return await self.db.read(lambda c: KfStore(c).address(member))

    async def move_kf(self, errand: Errand) -> None:
        """Move a session; where the platform knows no way, say where it is instead."""
        account, member = str(errand.data["account"]), await self._visitor(errand)
        now = self.clock.now()
        try:
            moved = await self.gateway.move_kf(account, member, Care(errand.data["care"]))
        except Refused as error:
            told = await self.gateway.kf_session(account, member)
            moved = KfMoved(
                at=told.at,
                member=member,
                account=account,
                care=told.care,
                staff=told.staff,
                refused=error.reason,
            )
        await self.take([replace(moved, id=f"moved:{errand.id}:{now.isoformat()}")])

    # ------------------------------------------------------------ the archive

    async def archive(self, errand: Errand) -> None:
        await self._go_back_for_keys()
        await self._look_back("会话内容存档", HEARD_ARCHIVE, archive.KEPT)
        more = True
        while more:
            seq = int(await self.db.read(lambda c: read_position(c, ARCHIVE)) or 0)
            page = await self._pulled(seq)
            more = page.more
            if more and page.seq == seq:
                raise Busy("存档一直说还有下一页却没有往前走，稍后再读", retry_after=WAIT_S)
            await self._keep_archive(page)
        await self._tell_what_is_lacking()

    async def _pulled(self, seq: int) -> ArchivePage:
        try:
            return await self.gateway.hear_archive(seq)
        except Refused as error:  # asking again will not help, and meanwhile days run out
            day = self.clock.now().date().isoformat()
            await self.alarm(f"archive:refused:{error.code}:{day}", error.reason)
            raise

    async def _keep_archive(self, page: ArchivePage) -> None:
        """Keep the words of those who agreed, and of nobody else; others' are never written down."""
        agreements = await self._agreements(page.updates)
        heard = agreements.filtered(page.updates)
        now = self.clock.now()

        def store(connection: Connection) -> None:
            consent = ConsentStore(connection, now)
            for decided in agreements.news:
                _decide(consent, decided, now)
            for version, seq in page.lacking.items():
                first_position(connection, f"{LACKING}{version}", str(seq))

        await self.take(heard, page.unread, {ARCHIVE: str(page.seq), HEARD_ARCHIVE: self._now()}, also=store)
        await self._hurry(page)

    async def _agreements(self, updates: Sequence[Update]) -> Agreements:
        """What is known of who agreed; what is not known is asked."""
        wanted = {pair for update in updates if (pair := spoken_by(update)) is not None}
        known = await self.db.read(lambda c: _known(c, wanted, self.clock.now()))
        agreements = Agreements({pair: agreed for pair, agreed in known.items() if agreed is not None})
        unknown = wanted - set(agreements.known)
        for decided in await self._asked(unknown, updates):
            agreements.learn(decided)
        return agreements

    async def _asked(self, unknown: set[Pair], updates: Sequence[Update]) -> list[ArchiveDecided]:
        """Ask about groups one by one, about chats with employees together."""
        groups = {update.group for update in updates if isinstance(update, MessageHeard)}
        found: list[ArchiveDecided] = []
        for group in sorted({scope for _, scope in unknown} & groups):
            found += await self._unless_refused(self.gateway.agreed_in_group(group), group)
        alone = {pair for pair in unknown if pair[1] not in groups}
        if alone:
            found += await self._unless_refused(self.gateway.agreed_alone(alone), "单聊")
        told = {(one.member, one.scope) for one in found}
        now = self.clock.now()
        silent = [
            ArchiveDecided(at=now, member=member, scope=scope, agreed=False, asked=True)
            for member, scope in sorted(unknown - told)
        ]
        return [one for one in found if one.member] + silent

    async def _unless_refused(
        self, asking: Awaitable[tuple[ArchiveDecided, ...]], where: str
    ) -> tuple[ArchiveDecided, ...]:
        """Where the platform does not say who agreed, nobody's words are used, and operators are told."""
        try:
            return await asking
        except Refused as error:
            day = self.clock.now().date().isoformat()
            text = f"查不到谁同意了会话存档（{where}：{error.reason}），这里的外部成员发言先不使用"
            await self.alarm(f"archive:agreed:{where}:{day}", text)
            return ()

    async def _hurry(self, page: ArchivePage) -> None:
        """Say so before the platform throws away what we have not read yet."""
        now = self.clock.now()
        last = max((update.at for update in page.updates), default=now)
        if page.more and now - last >= archive.LATE:
            text = f"会话存档读到 {(now - last).days} 天前，还没追上；平台只保留 {archive.KEPT.days} 天，再慢就会丢"
            await self.alarm(f"archive:late:{now.date().isoformat()}", text)

    async def _go_back_for_keys(self) -> None:
        """A key that was missing has come: read again from where it was first wanted; twice heard is once heard."""
        waiting = await self.db.read(_lacking)
        come = {version: seq for version, seq in waiting.items() if self.gateway.opens_archive(version)}
        if not come:
            return

        def go_back(connection: Connection) -> None:
            reached = int(read_position(connection, ARCHIVE) or 0)
            write_position(connection, ARCHIVE, str(min(reached, min(come.values()) - 1)))
            inbox.drop_parked(connection, SEALED)
            for version in waiting:
                drop_position(connection, f"{LACKING}{version}")

        await self.db.write(go_back)

    async def _tell_what_is_lacking(self) -> None:
        for version in await self.db.read(_lacking):
            text = (
                f"会话存档缺第 {version} 版私钥，这一版的消息先放在一边；"
                "把它放到 wecom.archive.private_key_file 指的地方，会自动补读（最多补 5 天）"
            )
            await self.alarm(f"archive:key:{version}", text)

    # ------------------------------------------------------------ keeping

    def _now(self) -> str:
        return self.clock.now().isoformat()

    async def take(
        self,
        updates: Sequence[Update],
        unread: Sequence[Unread] = (),
        positions: Mapping[str, str] = MappingProxyType({}),
        also: Callable[[Connection], None] = lambda connection: None,
    ) -> None:
        """Keep what was heard, and in the same transaction how far we have read."""
        now = self.clock.now()
        known = await self._known_people(updates)
        knocks = [inbox.knock_of(update, lane=lane_of(update), now=now, named=True) for update in known]
        aside = [(inbox.knock_at(one.door, one.body, now), one.reason) for one in unread]

        def store(connection: Connection) -> None:
            inbox.insert(connection, knocks)
            inbox.lay_aside(connection, aside)
            also(connection)
            for name, value in positions.items():
                write_position(connection, name, value)

        await self.db.write(store)
        self.woken.ring()

    async def _known_people(self, updates: Sequence[Update]) -> list[Update]:
        """Whoever we know by another id is spoken of by that one."""
        speakers = {member for update in updates if (member := getattr(update, "member", ""))}
        behind = await self.db.read(lambda c: KfStore(c).members_behind(speakers)) if speakers else {}
        return [_renamed(update, behind) for update in updates]

    async def _look_back(self, what: str, position: str, kept: timedelta) -> None:
        """Who has not listened for longer than the platform keeps things must know that some are gone."""
        now = self.clock.now()
        last = await self.db.read(lambda c: read_position(c, position))
        if last and now - datetime.fromisoformat(last) > kept:
            days = (now - datetime.fromisoformat(last)).days
            text = f"{what} 已有 {days} 天没有读到；平台只保留 {kept.days} 天，更早的内容取不回来了"
            log.error("stream was left too long", what=what, days=days)
            await self.alarm(f"late:{position}:{now.date().isoformat()}", text)

    async def alarm(self, key: str, text: str) -> None:
        now = self.clock.now()
        await self.db.write(lambda c: raise_alarm(c, key, text, now))


def _heard(account: str) -> str:
    """The name under which is kept when we last listened to an account."""
    return f"heard:kf:{account}"


def _renamed(update: Update, behind: Mapping[str, str]) -> Update:
    name = behind.get(getattr(update, "member", ""))
    if name is None or isinstance(update, MemberDescribed):  # a description is of the id it was asked for
        return update
    changed: dict[str, Any] = {"member": name}  # whoever has a member can be renamed
    return replace(update, **changed)


def lane_of(update: Update) -> str:
    """What an update must stay in order with: its group, else its member."""
    names = ("group", "member", "task")
    return next((str(value) for name in names if (value := getattr(update, name, ""))), "self")


def _known(connection: Connection, pairs: Collection[Pair], now: datetime) -> dict[Pair, bool | None]:
    """What is known of who agreed; None where an old no should be asked about again."""
    if not pairs:
        return {}
    purposes = {archive.purpose(scope) for _, scope in pairs}
    decisions = ConsentStore(connection, now).newest({member for member, _ in pairs}, purposes)
    found: dict[Pair, bool | None] = {}
    for member, scope in pairs:
        decision = decisions.get((member, archive.purpose(scope)))
        if decision is not None:
            stale = decision.channel == ASKED and now - decision.at >= archive.ASK_AGAIN
            found[member, scope] = None if stale and not decision.granted else decision.granted
    return found


def _decide(consent: ConsentStore, decided: ArchiveDecided, now: datetime) -> None:
    """Write down a decision; one the platform told us when asked is dated by its day, so that we know how old it is."""
    consent.decide(
        decided.member,
        decided.agreed,
        channel=ASKED if decided.asked else "archive",
        wording=now.date().isoformat() if decided.asked else "1",
        purpose=archive.purpose(decided.scope),
    )


def _lacking(connection: Connection) -> dict[int, int]:
    """Versions of the key that are wanted, and the first record of each."""
    versions = positions_below(connection, LACKING)
    return {int(version): int(read_position(connection, f"{LACKING}{version}")) for version in versions}
