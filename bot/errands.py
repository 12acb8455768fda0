"""Errands: we ask the platform, and what it answers comes back through the inbox like everything that happens.

An errand may be asked again, so trouble only means later; but of several processes one asks at a time. Nothing here
sends a message.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from bot.appchat import ChatErrands
from bot.bell import Bell
from bot.clock import Clock
from bot.directory import DirectoryWalk
from bot.greeting import GreetingErrands
from bot.listening import Listening
from bot.parcel import parcel_of
from bot.registry import Registry
from bot.way import WayErrands
from sop.errors import Blocked, Busy, Estranged, NotFound, QunxingError, Refused, SendError
from sop.receipt import Outcome, State
from sop.update import FriendLost, TaskReported, Update
from storage import inbox
from storage.alarm import raise_alarm
from storage.engine import Connection, Database
from storage.errand import Errand, ErrandStore
from storage.mark import MarkStore
from storage.member import MemberStore
from storage.outbox import Entry, OutboxStore
from storage.position import read_position, write_position
from storage.tag import TagStore
from storage.task import Task, TaskStore

log = structlog.get_logger()

AT_ONCE = 8
TERM = timedelta(seconds=90)  # for which errands are ours; kept as long as we are at them
PIECE = 50  # results of a group-send that are settled in one transaction
LOOK_EVERY = timedelta(minutes=1)  # for a task whose creation got no answer


@dataclass
class Errands:
    """Runs waiting errands until told to stop; any number may run over one database."""

    db: Database
    gateway: Registry
    clock: Clock
    bell: Bell
    woken: Bell  # the worker's
    alone: bool = False  # nobody else asks: what is held when we start was left by a dead process
    idle_s: float = 60.0
    only: tuple[str, ...] = ()  # the kinds we run; all when none is named
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def run(self) -> None:
        if self.alone:
            await self.db.write(lambda c: ErrandStore(c).let_all_go())
        wait = 0.0
        while True:
            with await self.bell.wait(wait):
                while await self.run_once() and not self.bell.closed:
                    pass
                next_at = await self.db.read(lambda c: ErrandStore(c).next_at())
                wait = self.idle_s
                if next_at is not None:
                    wait = min(wait, max(0.05, (next_at - self.clock.now()).total_seconds()))

    async def run_once(self) -> int:
        """Run what is due; returns how many that was."""
        now = self.clock.now()
        if not await self.db.read(lambda c: ErrandStore(c).any_due(now, self.only)):
            return 0
        errands = await self.db.write(lambda c: ErrandStore(c).take(now, AT_ONCE * 4, TERM, self.only))
        async with self._ours(errands):
            await asyncio.gather(*(self._run(errand) for errand in errands))
        return len(errands)

    @asynccontextmanager
    async def _ours(self, errands: Sequence[Errand]) -> AsyncIterator[None]:
        """Nobody else asks these meanwhile; called away in the middle, we leave them to others at once."""
        keeping = asyncio.create_task(self._keep(errands))
        try:
            yield
        except BaseException:
            await asyncio.shield(self.db.write(lambda c: ErrandStore(c).let_go(errands)))
            raise
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])

    async def _keep(self, errands: Sequence[Errand]) -> None:
        while True:
            await self.clock.sleep(TERM.total_seconds() / 3)
            with self.clock.hold():
                until = self.clock.now() + TERM
                await self.db.write(partial(_keep, errands=errands, until=until))

    async def _run(self, errand: Errand) -> None:
        async with self._turns:
            try:
                await self._ways[errand.what](errand)
            except Refused as error:  # asking again would be refused again
                log.warning(
                    "errand refused", what=errand.what, whom=errand.whom, reason=error.reason, code=error.code
                )
                await self.db.write(lambda c: ErrandStore(c).done(errand))
                if isinstance(error, Estranged):
                    await self._part(errand)
            except SendError as error:
                await self._failed(errand, error)
            except QunxingError as error:  # foreseen: a line says it all
                await self._failed(errand, Busy(str(error)))
            except Exception as error:  # an answer we cannot read must not end the role
                log.exception("errand failed", what=errand.what, whom=errand.whom)
                await self._failed(errand, Busy(f"{type(error).__name__}: {error}"))
            else:
                await self.db.write(lambda c: ErrandStore(c).done(errand))

    async def _part(self, errand: Errand) -> None:
        """What was asked of a friendship tells that it is over, and nobody had told us; half of one is none yet."""
        now, member, staff = self.clock.now(), str(errand.data.get("member")), str(errand.data.get("staff"))
        friend = await self.db.read(lambda c: MemberStore(c, now).friendship(member, staff))
        if friend is not None and friend.lost_at is None and not friend.half:
            await self._tell(FriendLost(at=now, member=member, staff=staff, by="staff"))

    async def _failed(self, errand: Errand, error: SendError) -> None:
        """Later; where an administrator must act first, operators are told."""
        log.warning("errand waits", what=errand.what, whom=errand.whom, reason=error.reason, code=error.code)
        now = self.clock.now()

        def write(connection: Connection) -> None:
            ErrandStore(connection).failed(errand, error.reason, now, retry_after=error.retry_after)
            if isinstance(error, Blocked):
                key = f"errand:{errand.what}:{error.code}:{now.date().isoformat()}"
                raise_alarm(connection, key, error.reason, now)

        await self.db.write(write)

    async def _tell(self, *updates: Update, lane: str = "", position: tuple[str, str] | None = None) -> None:
        """Put answers into the inbox, and in the same transaction how far we have read."""
        now = self.clock.now()
        knocks = [inbox.knock_of(update, lane=lane or _lane(update), now=now) for update in updates]

        def store(connection: Connection) -> None:
            if knocks:
                inbox.insert(connection, knocks)
            if position is not None:
                write_position(connection, *position)

        await self.db.write(store)
        self.woken.ring()

    # ------------------------------------------------------------ the questions

    async def _member(self, errand: Errand) -> None:
        await self._tell(await self.gateway.member(errand.whom))

    async def _task(self, errand: Errand) -> None:
        to_groups = bool(errand.data["to_groups"])
        told = await self.gateway.task(errand.whom, str(errand.data["sender"]), to_groups=to_groups)
        await self._tell(*await self._news(told))

    async def _news(self, told: TaskReported) -> list[TaskReported]:
        """A report without what the ledger knows already, in pieces that no callback has to wait long for."""
        settled = await self.db.read(lambda c: TaskStore(c).settled(told.task))
        fresh = [one for one in told.results if one[0] not in settled and one[1] != Outcome.UNSENT]
        pieces = [tuple(fresh[start : start + PIECE]) for start in range(0, len(fresh), PIECE)] or [()]
        first = [replace(told, results=piece, cancelled=False) for piece in pieces[:-1]]
        return [*first, replace(told, results=pieces[-1])]

    async def _moment(self, errand: Errand) -> None:
        """What became of a moment; its number is asked for once and then kept."""
        name = f"moment:{errand.whom}"
        known = await self.db.read(lambda c: read_position(c, name))
        told = await self.gateway.moment(errand.whom, known, str(errand.data["sender"]))
        await self._tell(told, lane=errand.whom, position=(name, told.moment))

    async def _card(self, errand: Errand) -> None:
        """Change the card somebody pressed; a code that is used up has done its work."""
        data = errand.data
        await self.gateway.update_card(
            str(data["code"]), staff=(str(data["staff"]),), app=str(data["app"]), button=str(data["button"])
        )

    async def _unsay(self, errand: Errand) -> None:
        """Take an app message back; that it was is part of its story, and that it could not be an operator must know."""
        number, by = str(errand.data["number"]), str(errand.data["by"])
        now = self.clock.now()
        try:
            await self.gateway.unsay(number, app=str(errand.data["app"]))
        except Refused as refusal:
            told = f"消息 {errand.whom} 没有撤回：{refusal.reason}"
            await self.db.write(lambda c: raise_alarm(c, f"unsay:{errand.whom}", told, now))
            return
        reason = f"运营 {by} 撤回了这条消息"
        ids = [int(errand.whom)]
        await self.db.write(lambda c: OutboxStore(c, now).move(ids, State.CANCELLED, reason=reason))

    async def _remind(self, errand: Errand) -> None:
        await self.gateway.remind(errand.whom)

    async def _recall(self, errand: Errand) -> None:
        """Take a task back, then ask who had got it by then."""
        with suppress(Refused):  # it was taken back before, or has been sent to the last
            await self.gateway.cancel(errand.whom)
        sender, to_groups = str(errand.data["sender"]), bool(errand.data["to_groups"])
        told = await self.gateway.task(errand.whom, sender, to_groups=to_groups)
        await self._tell(*await self._news(replace(told, cancelled=True)))

    async def _mark(self, errand: Errand) -> None:
        """Write a tag to the platform on one friendship, making the corporate tag when there is none yet."""
        member, staff, name = (str(errand.data[key]) for key in ("member", "staff", "tag"))
        added = bool(errand.data.get("added", True))
        now = self.clock.now()
        number = await self.db.read(lambda c: TagStore(c, now).platform_id(name))
        if not number and added:
            made = await self.gateway.add_tag(name, group=str(errand.data.get("group") or "群星"))
            number = made.id
            await self.db.write(
                lambda c: TagStore(c, now).remember(name, made.id, made.group, told=made.name)
            )
        try:
            if number:
                await self.gateway.mark(
                    member, staff, **({"add": (number,)} if added else {"remove": (number,)})
                )
        except NotFound as error:  # deleted there meanwhile, and nobody told us
            await self.db.write(lambda c: TagStore(c, now).forget_platform_id(number))
            raise Busy("标签已在企业微信里删除，将重新建立", retry_after=1.0) from error
        except Refused:
            await self.db.write(lambda c: MarkStore(c, now).give_up(member, staff, name, added))
            raise
        done = self.clock.now()
        await self.db.write(lambda c: MarkStore(c, done).settle(member, staff, name, added))

    async def _remark(self, errand: Errand) -> None:
        """Write what a staff member shall call the member."""
        data = errand.data
        await self.gateway.remark(str(data["member"]), str(data["staff"]), str(data["remark"]))

    async def _adopt(self, errand: Errand) -> None:
        """Look for a task whose creation got no answer: found, it is ours; not found in time, a person decides."""
        ids = [int(one) for one in errand.data["ids"]]
        entries = await self.db.read(lambda c: OutboxStore(c, self.clock.now()).several(ids))
        unknown = [entry for entry in entries if entry.state is State.UNKNOWN]
        if not unknown:
            return
        found = await self.gateway.find_task(
            parcel_of(unknown), datetime.fromisoformat(str(errand.data["since"]))
        )
        now = self.clock.now()
        if found is None and now < datetime.fromisoformat(str(errand.data["until"])):
            again = now + LOOK_EVERY
            await self.db.write(lambda c: ErrandStore(c).advance(errand, errand.data, again))
            return
        await self.db.write(lambda c: self._adopted(c, unknown, found, now))

    def _adopted(
        self, connection: Connection, unknown: list[Entry], found: str | None, now: datetime
    ) -> None:
        store, ids = OutboxStore(connection, now), [entry.id for entry in unknown]
        if found is None:
            unfound = "十分钟内没查到这条群发任务，请人工核对后再决定"
            store.explain(ids, unfound)
            store.trail.messages(ids, unfound)
            return
        first = unknown[0].message
        store.trail.messages(ids, "在平台上查到了这条群发任务，不用重发")
        store.adopt(ids, found, reason=f"等待「{first.sender}」在企业微信里确认发送")
        TaskStore(connection).open(Task(found, first.sender, bool(first.to_group), State.CREATED, now))
        ErrandStore(connection).add(
            Errand(
                what="task",
                whom=found,
                at=now,
                data={"sender": first.sender, "to_groups": bool(first.to_group)},
            )
        )

    _ways: dict[str, Callable[[Errand], Awaitable[None]]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        listening = Listening(self.db, self.gateway, self.clock, self.woken)
        walk = DirectoryWalk(self.db, self.gateway, self.clock, self.woken)
        self._ways = {
            "member": self._member,
            "kf": listening.kf,
            "kf_accounts": listening.kf_accounts,
            "kf_member": listening.kf_member,
            "kf_session": listening.kf_session,
            "move_kf": listening.move_kf,
            "archive": listening.archive,
            "task": self._task,
            "remind": self._remind,
            "moment": self._moment,
            "card": self._card,
            "unsay": self._unsay,
            "recall": self._recall,
            "mark": self._mark,
            "remark": self._remark,
            "adopt": self._adopt,
            "directory": walk.begin,
            "tags": walk.tags,
            "friends": walk.friends,
            "groups": walk.groups,
            "group": walk.group,
            "statistics": walk.statistics,
            "staff_statistics": walk.staff_statistics,
            "way": WayErrands(self.db, self.gateway, self.clock).run,
            "greeting": GreetingErrands(self.db, self.gateway, self.clock).run,
            "appchat": ChatErrands(self.db, self.gateway, self.clock).run,
        }


def _keep(connection: Connection, errands: Sequence[Errand], until: datetime) -> None:
    ErrandStore(connection).keep(errands, until)


def _lane(update: Update) -> str:
    return str(
        getattr(update, "group", "") or getattr(update, "member", "") or getattr(update, "task", "") or "self"
    )
