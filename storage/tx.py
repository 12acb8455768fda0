"""One unit of work: every noun's store over one connection at one instant, and what changed on the way.

Changing something that others care about is noted as an update; noted updates are handled before the commit, in the same
transaction. So handlers never call each other.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection

from sop.update import Update
from storage.activity import ActivityStore
from storage.audience import AudienceStore
from storage.consent import ConsentStore
from storage.conversation import ConversationStore
from storage.coupon import CouponStore
from storage.due import DueStore
from storage.engagement import EngagementStore
from storage.errand import ErrandStore
from storage.experiment import ExperimentStore
from storage.field import FieldStore
from storage.group import GroupStore
from storage.guard import GuardStore
from storage.hour import HourStore
from storage.interaction import InteractionStore
from storage.journey import JourneyStore
from storage.kf import KfStore
from storage.link import LinkStore
from storage.mark import MarkStore
from storage.media import MediaStore
from storage.member import MemberStore
from storage.outbox import OutboxStore
from storage.pause import PauseStore
from storage.planned import PlannedStore
from storage.staff import StaffStore
from storage.statistic import StatisticStore
from storage.stride import StrideStore
from storage.tag import TagStore
from storage.task import TaskStore
from storage.template import TemplateStore
from storage.tier import TierStore
from storage.trail import TrailStore
from storage.way import WayStore
from storage.zone import ZoneStore


class Tx:
    """A transaction as handlers see it."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self.connection = connection
        self.now = now
        self._noted: list[Update] = []
        self._count = 0

    # ------------------------------------------------------------ noted updates

    def note(self, update: Update) -> None:
        """Say that something changed; whoever cares hears it before the commit."""
        self._noted.append(update)

    def take_noted(self, cause: Update) -> list[Update]:
        """What was noted since the last call, each with an identity derived from its cause."""
        noted, self._noted = self._noted, []
        named: list[Update] = []
        for update in noted:
            self._count += 1
            named.append(replace(update, id=f"{cause.id}.{self._count}"))
        return named

    def noted_so_far(self) -> int:
        return len(self._noted)

    def forget_noted_since(self, mark: int) -> None:
        del self._noted[mark:]

    def savepoint(self) -> AbstractContextManager[Any]:
        return self.connection.begin_nested()

    # ------------------------------------------------------------ the nouns

    @cached_property
    def members(self) -> MemberStore:
        return MemberStore(self.connection, self.now, self.note)

    @cached_property
    def groups(self) -> GroupStore:
        return GroupStore(self.connection, self.now)

    @cached_property
    def staff(self) -> StaffStore:
        return StaffStore(self.connection)

    @cached_property
    def tags(self) -> TagStore:
        return TagStore(self.connection, self.now, self.note)

    @cached_property
    def marks(self) -> MarkStore:
        return MarkStore(self.connection, self.now)

    @cached_property
    def statistics(self) -> StatisticStore:
        return StatisticStore(self.connection, self.now)

    @cached_property
    def media(self) -> MediaStore:
        return MediaStore(self.connection, self.now)

    @cached_property
    def ways(self) -> WayStore:
        return WayStore(self.connection, self.now)

    @cached_property
    def consent(self) -> ConsentStore:
        return ConsentStore(self.connection, self.now)

    @cached_property
    def conversations(self) -> ConversationStore:
        return ConversationStore(self.connection)

    @cached_property
    def kf(self) -> KfStore:
        return KfStore(self.connection)

    @cached_property
    def templates(self) -> TemplateStore:
        return TemplateStore(self.connection, self.now)

    @cached_property
    def pauses(self) -> PauseStore:
        return PauseStore(self.connection, self.now)

    @cached_property
    def guards(self) -> GuardStore:
        return GuardStore(self.connection, self.now)

    def audiences(self, zone: str) -> AudienceStore:
        """Audiences, with the days of a time zone."""
        return AudienceStore(self.connection, self.now, zone)

    @cached_property
    def fields(self) -> FieldStore:
        return FieldStore(self.connection)

    @cached_property
    def zones(self) -> ZoneStore:
        return ZoneStore(self.connection)

    @cached_property
    def hours(self) -> HourStore:
        return HourStore(self.connection, self.now)

    @cached_property
    def journeys(self) -> JourneyStore:
        return JourneyStore(self.connection, self.now)

    @cached_property
    def experiments(self) -> ExperimentStore:
        return ExperimentStore(self.connection, self.now)

    @cached_property
    def due(self) -> DueStore:
        return DueStore(self.connection)

    @cached_property
    def errands(self) -> ErrandStore:
        return ErrandStore(self.connection)

    @cached_property
    def outbox(self) -> OutboxStore:
        return OutboxStore(self.connection, self.now)

    @cached_property
    def planned(self) -> PlannedStore:
        return PlannedStore(self.connection, self.now)

    @cached_property
    def strides(self) -> StrideStore:
        return StrideStore(self.connection, self.now)

    @cached_property
    def tasks(self) -> TaskStore:
        return TaskStore(self.connection)

    @cached_property
    def coupons(self) -> CouponStore:
        return CouponStore(self.connection, self.now)

    @cached_property
    def interactions(self) -> InteractionStore:
        return InteractionStore(self.connection, self.now)

    @cached_property
    def links(self) -> LinkStore:
        return LinkStore(self.connection, self.now)

    @cached_property
    def activity(self) -> ActivityStore:
        return ActivityStore(self.connection)

    @cached_property
    def engagement(self) -> EngagementStore:
        return EngagementStore(self.connection)

    @cached_property
    def trail(self) -> TrailStore:
        return TrailStore(self.connection, self.now)

    @cached_property
    def tiers(self) -> TierStore:
        return TierStore(self.connection)
