"""What a handler sees beside the update: the transaction, the instant, the settings and who is speaking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from handlers.filters import folded
from sop.consent import Wish, wish
from sop.kf import BACK_WORDS, WITH_PEOPLE
from sop.member import Member
from sop.update import MessageHeard, Update
from storage.conversation import Conversation
from storage.policy import House
from storage.tx import Tx


@dataclass(frozen=True)
class Settings:
    """What operators decided once for the whole community; the configuration fills it in."""

    house: House = field(default_factory=House)
    public_url: str = "http://127.0.0.1:8080"
    main_app: str = ""  # the app whose messages reach staff
    kf_account: str = ""
    webhook: str = ""  # the internal group where operators read reports
    operators: tuple[str, ...] = ()  # staff who hear alarms
    alarm_line: float = 30.0
    archive: bool = False  # can we read what is said in groups
    callback_days: int = 30  # how long handled callbacks are kept
    trail_days: int = 180  # how long it is kept what was decided on the way

    @property
    def zone(self) -> str:
        return self.house.zone


@dataclass
class Context:
    """One update's surroundings. Handlers change the world through ``tx`` and nowhere else."""

    tx: Tx
    now: datetime
    settings: Settings
    token: Callable[[], str]  # a text nobody can guess
    fraction: Callable[[], float]  # chance, 0 ≤ x < 1
    update: Update

    @cached_property
    def member(self) -> Member | None:
        """The member this update is about, None when it is about nobody we know."""
        who = getattr(self.update, "member", "")
        return self.tx.members.get(who) if who else None

    @cached_property
    def hushed(self) -> bool:
        """A colleague is speaking with this member, so we only listen; what the member tells *us* to do is done."""
        heard = self.update
        if not isinstance(heard, MessageHeard) or heard.via != "kf":
            return False
        session = self.tx.kf.session(heard.member, heard.account)
        if session is None or session.care not in WITH_PEOPLE:
            return False
        return wish(heard.text) not in (Wish.STOP, Wish.START) and folded(heard.text) not in BACK_WORDS

    @cached_property
    def conversation(self) -> Conversation | None:
        """The dialogue this member is in the middle of."""
        who = getattr(self.update, "member", "")
        return self.tx.conversations.of(who, self.now) if who else None
