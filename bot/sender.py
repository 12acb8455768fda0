"""The sender: claims what waits, asks the policy once more, sends, and writes down what became of it.

Everything is marked *sending* before it leaves. What then gets no trustworthy answer is *unknown*: it is
repeated only where the platform itself drops a repeat, looked up where the platform can tell, and otherwise waits in review.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from bot.arrival import Arrivals
from bot.bell import Bell
from bot.clock import Clock
from bot.gateway import Gateway, Parcel
from bot.parcel import CONFIRMED, SHARED, SINGLE, parcels
from sop.errors import Blocked, Busy, Crowded, Refused, SendError, Unanswered
from sop.message import Channel
from sop.quota import MEMBERS_PER_TASK
from sop.receipt import SETTLED, Sent, State
from sop.timing import Later, Never, Verdict
from storage import lease
from storage.alarm import raise_alarm
from storage.consent import ConsentStore
from storage.engine import Connection, Database
from storage.errand import Errand, ErrandStore
from storage.guard import GuardStore
from storage.kf import KfStore
from storage.outbox import Entry, OutboxStore, Silent
from storage.policy import House, judge
from storage.rival import TemplateOf
from storage.task import Task, TaskStore
from storage.template import TemplateStore

log = structlog.get_logger()

CHUNK = 100  # claimed in one transaction, so that whoever stores a callback waits a moment only
AT_ONCE = 96  # requests in flight
AHEAD = 96  # claimed while those are in flight, so that no place stays free
FEW = 64  # free places worth a claim: claiming many together costs little more than claiming one
STALE = timedelta(
    seconds=1
)  # who had to wait longer for a place is asked about again, for they may have said no
ROUND = 1000  # messages sent before other channels have their turn
BLOCKED_FOR = timedelta(minutes=5)
REPEATS = 3  # of an unanswered send, where the platform drops a repeat
REPEAT_WINDOW = timedelta(minutes=25)  # the platform remembers requests for 30 minutes
LOOK_UP_FOR = timedelta(minutes=10)
DEAD_AFTER = timedelta(seconds=45)  # longer than any request may take
CLOCKS_DIFFER = timedelta(minutes=1)
MOMENT_S = 0.05
MANY_LANES = 10_000
Lane = tuple[
    Channel, str, tuple[str, ...], bool
]  # what waits for the same turns: urgent messages have their own
FIRST_LOOK = timedelta(seconds=20)  # a new task is still being dispatched for some seconds


@dataclass
class Claimed:
    """One round's harvest: how many were looked at, what may leave now, and what was kept back."""

    seen: int
    ready: list[Entry] = field(default_factory=list)
    kept: list[tuple[Entry, State]] = field(default_factory=list)

    def join(self, more: Claimed) -> None:
        self.seen += more.seen
        self.ready += more.ready
        self.kept += more.kept


@dataclass(frozen=True)
class _Fate:
    """What becomes of a message that does not leave, or that nobody knows of."""

    state: State
    reason: str
    due_at: datetime | None = None


@dataclass
class Sender:
    """Sends until told to stop; any number may run over one database."""

    db: Database
    gateway: Gateway
    clock: Clock
    bell: Bell
    woken: Bell  # the worker's
    house: House
    name: str
    alone: bool = True  # nobody else sends: what is marked sending when we start was left by a dead sender
    idle_s: float = 60.0
    on_settled: Callable[[Entry, State], None] = lambda entry, state: None
    _fence: int = 0
    _arrivals: Arrivals = field(init=False)
    _open: int = 0  # claimed for a request that has no answer yet
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _landed: asyncio.Event = field(default_factory=asyncio.Event)
    _promised: dict[Lane, datetime] = field(default_factory=dict)  # the last turn promised in a lane

    def __post_init__(self) -> None:
        self._arrivals = Arrivals(self.db, self.clock)

    async def run(self) -> None:
        await self.start()
        wait = 0.0
        while True:
            with await self.bell.wait(wait):
                await self.send_once()
                if not self.alone:
                    await self.look_after_others()
                wait = await self._until_next()

    async def start(self) -> None:
        """Take a fencing number, and see to what a dead sender left in the middle of a send."""
        now = self.clock.now()
        before = now + timedelta(seconds=1) if self.alone else now - DEAD_AFTER

        def begin(connection: Connection) -> int:
            fence = lease.next_fence(connection, "sender", self.name)
            self._take_over(connection, before, fence, now)
            return fence

        self._fence = await self.db.write(begin)

    async def look_after_others(self) -> None:
        """What another sender left in the middle when it died must not stay there unseen."""
        now = self.clock.now()
        before = now - DEAD_AFTER
        if await self.db.read(lambda c: OutboxStore(c, now).any_orphan(before)):
            await self.db.write(lambda c: self._take_over(c, before, self._fence, now))

    def _take_over(self, connection: Connection, before: datetime, fence: int, now: datetime) -> None:
        orphans = OutboxStore(connection, now).orphaned(before, fence)
        for parcel, entries in parcels(orphans):
            died = Unanswered("发送途中程序中断，不知是否送达")
            self._settle(
                connection, parcel, entries, died, self._fate(parcel, entries, died, now), fence, now
            )

    async def send_once(self) -> int:
        """Claim, judge and send until nothing waits, tasks now and then and singles in between; how many it saw."""
        flying, total = set[asyncio.Task[None]](), 0
        try:
            while (seen := await self._round(flying)) and not self.bell.closed:
                total += seen
            return total + seen
        finally:
            await asyncio.gather(*flying)

    async def _round(self, flying: set[asyncio.Task[None]]) -> int:
        """One batch of tasks, and a round of singles; requests of the round before may still be in flight."""
        seen = self._start(await self._claim(SHARED, MEMBERS_PER_TASK), flying)
        while seen < ROUND and not self.bell.closed:
            singles = await self._claim(SINGLE, max(FEW, AT_ONCE + AHEAD - self._open))
            if not singles.seen:
                break
            seen += self._start(singles, flying)
            await self._room()
        return seen

    def _start(self, claimed: Claimed, flying: set[asyncio.Task[None]]) -> int:
        for parcel, entries in parcels(claimed.ready):
            self._open += 1
            task = asyncio.create_task(self._send(parcel, entries))
            flying.add(task)
            task.add_done_callback(lambda done: _forget(done, flying))
        return claimed.seen

    async def _room(self) -> None:
        """Return when a claim's worth of places is free; those whose answer has come no longer take one."""
        while self._open > AT_ONCE + AHEAD - FEW:
            self._landed.clear()
            await self._landed.wait()

    async def _until_next(self) -> float:
        silent = self._silent()
        next_at = await self.db.read(lambda c: OutboxStore(c, self.clock.now(), silent).next_at())
        if next_at is None:
            return self.idle_s
        return min(self.idle_s, max(0.05, (next_at - self.clock.now()).total_seconds()))

    async def _claim(self, channels: Sequence[Channel], limit: int) -> Claimed:
        now = self.clock.now()
        names = [str(channel) for channel in channels]
        silent = self._silent()
        waiting = await self.db.read(lambda c: OutboxStore(c, now, silent).any_waiting(names))
        if not waiting:
            return Claimed(0)
        harvest = await self._harvest(names, limit, now, silent)
        for entry, state in harvest.kept:
            self.on_settled(entry, state)
        return harvest

    async def _harvest(self, channels: Sequence[str], limit: int, now: datetime, silent: Silent) -> Claimed:
        """Claim in short transactions what then shares the fewest tasks; who said no meanwhile is taken out again."""
        harvest = Claimed(0)
        while harvest.seen < limit:
            size = min(CHUNK, limit - harvest.seen)
            claim = partial(self._claim_and_judge, channels=channels, limit=size, now=now, silent=silent)
            chunk = await self.db.write(claim)
            harvest.join(chunk)
            if chunk.seen < size:
                break
        if harvest.seen > CHUNK:
            await self._look_again(harvest, now)
        return harvest

    async def _look_again(self, harvest: Claimed, now: datetime) -> None:
        """The last chunk was claimed some time after the first."""
        ready, harvest.ready = harvest.ready, []
        judged = await self.db.read(lambda c: judge(c, ready, now, self.house, self._template_of(c)))
        dropped = dict[_Fate, list[Entry]]()
        for entry, verdict in judged:
            fate = _kept_back(entry, verdict, now)
            (harvest.ready if fate is None else dropped.setdefault(fate, [])).append(entry)
        if dropped:
            await self.db.write(lambda c: self._keep_back(OutboxStore(c, now), dropped, harvest))

    def _keep_back(self, store: OutboxStore, kept: Mapping[_Fate, Sequence[Entry]], harvest: Claimed) -> None:
        for fate, entries in kept.items():
            ids = _ids(entries)
            store.settle(
                ids, fate.state, fence=self._fence, reason=fate.reason, due_at=fate.due_at, untried=True
            )
            _note_change(store, entries, fate)
            harvest.kept += [(entry, fate.state) for entry in entries]

    def _claim_and_judge(
        self, connection: Connection, channels: Sequence[str], limit: int, now: datetime, silent: Silent
    ) -> Claimed:
        """Verdicts are part of the claim's transaction, so nobody can opt out between the question and the mark."""
        store = OutboxStore(connection, now, silent)
        claimed = store.claim(limit, channels=channels, fence=self._fence)
        harvest, kept = Claimed(len(claimed)), dict[_Fate, list[Entry]]()
        for entry, verdict in judge(connection, claimed, now, self.house, self._template_of(connection)):
            fate = _kept_back(entry, verdict, now)
            (harvest.ready if fate is None else kept.setdefault(fate, [])).append(entry)
        harvest.ready = _addressed(connection, harvest.ready)
        self._keep_back(store, kept, harvest)
        return harvest

    def _silent(self) -> Silent:
        return {str(channel): self.gateway.silent(channel) for channel in SINGLE}

    def _template_of(self, connection: Connection) -> TemplateOf:
        return TemplateStore(connection, self.clock.now()).read

    async def _send(self, parcel: Parcel, entries: Sequence[Entry]) -> None:
        try:
            sent = await self._ask(parcel, entries)
        except SendError as error:
            await self._went_wrong(parcel, entries, error)
        except Exception as error:  # a fault of ours after the request may have left: nobody knows
            log.exception("send failed", channel=str(parcel.channel))
            await self._went_wrong(parcel, entries, Unanswered(f"{type(error).__name__}: {error}"))
        else:
            if sent is not None:
                await self._accepted(parcel, entries, sent)

    async def _ask(self, parcel: Parcel, entries: Sequence[Entry]) -> Sent | None:
        """What the platform answers when there is a place for the request; None when it may not leave any more."""
        try:
            async with self._places:
                if parcel.channel in SINGLE and not await self._still_may(entries):
                    return None
                return await self.gateway.send(parcel)
        finally:
            self._open -= 1
            self._landed.set()

    async def _still_may(self, entries: Sequence[Entry]) -> bool:
        now = self.clock.now()
        if now - (entries[0].tried_at or now) < STALE:
            return True
        harvest = Claimed(len(entries), list(entries))
        await self._look_again(harvest, now)
        for entry, state in harvest.kept:
            self.on_settled(entry, state)
        return bool(harvest.ready)

    # ------------------------------------------------------------ what became of it

    async def _accepted(self, parcel: Parcel, entries: Sequence[Entry], sent: Sent) -> None:
        if parcel.channel not in CONFIRMED and not sent.failed:
            await self._arrivals.note(entries[0], sent.number)
            self._report(entries, State.SENT)
            self.woken.ring()
            return
        failed = [entry for entry in entries if entry.recipient in sent.failed]
        good = [entry for entry in entries if entry.recipient not in sent.failed]
        now = self.clock.now()

        def settle(connection: Connection) -> None:
            store = OutboxStore(connection, now)
            GuardStore(connection, now).watch(entry.message.template for entry in failed)
            if parcel.channel in SHARED:
                self._created(connection, parcel, good, sent.number, now)
            else:
                self._awaits_tap(connection, parcel, good, sent.number, now)
            store.settle(
                _ids(failed),
                State.REFUSED,
                fence=self._fence,
                reason="平台未接受该接收人",
                number=sent.number,
            )

        await self.db.write(settle)
        self._report(good, State.CREATED)
        self._report(failed, State.REFUSED)
        self.woken.ring()

    def _created(
        self, connection: Connection, parcel: Parcel, entries: Sequence[Entry], number: str, now: datetime
    ) -> None:
        if not self._awaits_tap(connection, parcel, entries, number, now):
            return
        data = {"sender": parcel.sender, "to_groups": parcel.audience == "group"}
        TaskStore(connection).open(
            Task(number, parcel.sender, parcel.audience == "group", State.CREATED, now)
        )
        ErrandStore(connection).add(Errand(what="task", whom=number, at=now + FIRST_LOOK, data=data))
        asked = [entry for entry in entries if entry.message.marketing]
        refused = ConsentStore(connection, now).refused({entry.message.to_member for entry in asked})
        late = [entry.id for entry in asked if entry.message.to_member in refused]
        if late:  # they said no while the request was on its way
            OutboxStore(connection, now).move(late, State.CANCELLED, reason="对方已退订，从群发任务里撤出")
            ErrandStore(connection).add(Errand(what="recall", whom=number, at=now, data=data))

    def _awaits_tap(
        self, connection: Connection, parcel: Parcel, entries: Sequence[Entry], number: str, now: datetime
    ) -> int:
        return OutboxStore(connection, now).settle(
            _ids(entries),
            State.CREATED,
            fence=self._fence,
            number=number,
            reason=f"等待「{parcel.sender}」在企业微信里确认发送",
        )

    async def _went_wrong(self, parcel: Parcel, entries: Sequence[Entry], error: SendError) -> None:
        now, fence = self.clock.now(), self._fence
        fate = self._fate(parcel, entries, error, now)
        await self.db.write(lambda c: self._settle(c, parcel, entries, error, fate, fence, now))
        log.warning(
            "not sent",
            channel=str(parcel.channel),
            state=str(fate.state),
            reason=fate.reason,
            code=error.code,
        )
        self._report(entries, fate.state)

    def _settle(
        self,
        connection: Connection,
        parcel: Parcel,
        entries: Sequence[Entry],
        error: SendError,
        fate: _Fate,
        fence: int,
        now: datetime,
    ) -> None:
        store = OutboxStore(connection, now)
        store.settle(
            _ids(entries),
            fate.state,
            fence=fence,
            reason=fate.reason,
            due_at=fate.due_at,
            doubt=isinstance(error, Unanswered),
        )
        if not isinstance(error, Crowded):  # whose turn comes in a moment
            _note_change(store, entries, fate)
        if isinstance(error, Blocked):
            key = f"blocked:{parcel.channel}:{error.code}:{now.date().isoformat()}"
            raise_alarm(connection, key, f"发送通道 {parcel.channel} 已停：{fate.reason}", now)
        if isinstance(error, Refused):
            GuardStore(connection, now).watch(entry.message.template for entry in entries)
        if isinstance(error, Refused) and parcel.channel is Channel.KF:
            ErrandStore(connection).remind(_ask_who_attends(parcel, now))
        if fate.state is State.UNKNOWN and parcel.channel in SHARED:
            ErrandStore(connection).add(_look_up(entries, now))

    def _fate(self, parcel: Parcel, entries: Sequence[Entry], error: SendError, now: datetime) -> _Fate:
        """What becomes of messages that were not sent, or that nobody knows of."""
        again: datetime | None = now
        match error:
            case Crowded():
                again = self._turn_of(parcel, entries, error, now)
            case Busy():
                again = now + timedelta(seconds=max(1.0, error.retry_after))
            case Blocked():
                again = now + BLOCKED_FOR
            case Refused():
                again = None
        if not isinstance(error, Unanswered) and not any(entry.doubt_at for entry in entries):
            return _Fate(State.REFUSED if again is None else State.WAITING, error.reason, again)
        if again is not None and self._may_repeat(parcel, entries, again):
            reason = f"没有得到可信的答复，平台会去掉重复，再发一次：{error.reason}"
            return _Fate(State.WAITING, reason, again)
        return _Fate(State.UNKNOWN, f"没有得到可信的答复：{error.reason}")

    def _turn_of(self, parcel: Parcel, entries: Sequence[Entry], error: Crowded, now: datetime) -> datetime:
        """When it is this message's turn: behind those we sent away before it, so that nobody is asked about in vain."""
        to = parcel.recipients if parcel.channel is Channel.APP else ()
        lane = (parcel.channel, parcel.sender, to, entries[0].message.urgent)
        first = now + timedelta(seconds=max(MOMENT_S, error.retry_after))
        last = self._promised.get(lane)
        again = first if last is None else max(first, last + timedelta(seconds=error.step))
        self._promised[lane] = again
        if len(self._promised) > MANY_LANES:
            self._promised = {lane: at for lane, at in self._promised.items() if at > now}
        return again

    def _may_repeat(self, parcel: Parcel, entries: Sequence[Entry], again: datetime) -> bool:
        """Only where the platform drops an identical request, and only while it does."""
        if not self.gateway.capabilities(parcel.channel).safe_to_repeat:
            return False
        return all(entry.attempts <= REPEATS and _is_remembered(entry, again) for entry in entries)

    def _report(self, entries: Sequence[Entry], state: State) -> None:
        for entry in entries:
            self.on_settled(entry, state)


def _forget(done: asyncio.Task[None], flying: set[asyncio.Task[None]]) -> None:
    """What went well; of what did not, the caller must hear."""
    if not done.cancelled() and done.exception() is None:
        flying.discard(done)


def _ids(entries: Sequence[Entry]) -> list[int]:
    return [entry.id for entry in entries]


def _note_change(store: OutboxStore, entries: Sequence[Entry], fate: _Fate) -> None:
    """What may not be the last word is kept, once for as long as it holds; the last word stands in the ledger."""
    if fate.state not in SETTLED:
        store.trail.messages([entry.id for entry in entries if entry.reason != fate.reason], fate.reason)


def _look_up(entries: Sequence[Entry], now: datetime) -> Errand:
    """The platform is asked for a task of this content, from shortly before the request left."""
    left = min(entry.tried_at or now for entry in entries) - CLOCKS_DIFFER
    return Errand(
        what="adopt",
        whom=f"{entries[0].digest}:{entries[0].id}",
        at=now + timedelta(seconds=30),
        data={"ids": _ids(entries), "since": left.isoformat(), "until": (now + LOOK_UP_FOR).isoformat()},
    )


def _addressed(connection: Connection, ready: list[Entry]) -> list[Entry]:
    """Whom 微信客服 knows by another id is written to under that one."""
    members = {entry.message.to_member for entry in ready if entry.message.channel is Channel.KF}
    if not members or not (others := KfStore(connection).addresses(members)):
        return ready
    return [
        replace(entry, address=others.get(entry.message.to_member, ""))
        if entry.message.channel is Channel.KF
        else entry
        for entry in ready
    ]


def _ask_who_attends(parcel: Parcel, now: datetime) -> Errand:
    """The platform took it amiss: perhaps somebody else looks after this member by now."""
    account, member = parcel.sender, parcel.recipients[0]
    data = {"account": account, "member": member}
    return Errand(what="kf_session", whom=f"{account}:{member}", data=data, at=now)


def _kept_back(entry: Entry, verdict: Verdict, now: datetime) -> _Fate | None:
    """What becomes of a message that may not leave now; None when it may."""
    if entry.doubt_at is not None:
        again = verdict.until if isinstance(verdict, Later) else now
        if isinstance(verdict, Never) or not _is_remembered(entry, again):
            return _Fate(State.UNKNOWN, "上一次发送没有得到可信的答复，现在再发就可能重复")
    match verdict:
        case Later():
            return _Fate(State.WAITING, verdict.reason, verdict.until)
        case Never():
            return _Fate(State.REFUSED, verdict.reason)
    return None


def _is_remembered(entry: Entry, again: datetime) -> bool:
    """Whether the platform would still recognise a repeat at that instant."""
    return again - (entry.doubt_at or entry.tried_at or again) < REPEAT_WINDOW
