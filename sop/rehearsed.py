"""What a rehearsal comes to: a calendar, reasons, and what staff would have to confirm; never longer for more members."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sop.message import Channel
from sop.quota import GROUPS_PER_TASK, MEMBERS_PER_TASK
from sop.stage import Absence, Outcome, Scene, Stage, Walker
from sop.template import Subject
from sop.timing import local_day

SHOWN = 20  # people named behind a number


@dataclass
class Count:
    """How many, and who the first of them are."""

    number: int = 0
    people: list[str] = field(default_factory=list)

    def add(self, called: str) -> None:
        self.number += 1
        if len(self.people) < SHOWN:
            self.people.append(called)


@dataclass
class Summary:
    """What a rehearsal comes to; its size depends on days, steps, senders and reasons, not on members."""

    stage: Stage
    looked_at: int = 0
    begun: int = 0
    absent: dict[str, Count] = field(default_factory=dict)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    calendar: dict[tuple[str, int], Count] = field(default_factory=dict)  # (local day, step): what leaves
    reasons: dict[tuple[str, Outcome], Count] = field(default_factory=dict)
    tasks: dict[tuple[str, str], dict[tuple[datetime, str], int]] = field(default_factory=dict)

    def add(self, walker: Walker, scenes: Sequence[Scene | Absence]) -> None:
        self.looked_at += 1
        called, absences = walker.to.called, {one.reason for one in scenes if isinstance(one, Absence)}
        played = [one for one in scenes if isinstance(one, Scene)]
        self.begun += bool(played)
        for reason in absences if not played else ():
            self.absent.setdefault(reason, Count()).add(called)
        for scene in played:
            self._count(scene)

    def _count(self, scene: Scene) -> None:
        self.outcomes[scene.outcome] += 1
        day = local_day(scene.at, self.stage.zone).isoformat()
        if scene.outcome is not Outcome.SENT:
            reason = _kind_of(scene.reason)
            self.reasons.setdefault((reason, scene.outcome), Count()).add(scene.called)
            return
        self.calendar.setdefault((day, scene.step), Count()).add(scene.called)
        if scene.channel is Channel.GROUP_SEND:
            tasks = self.tasks.setdefault((scene.sender, day), {})
            content = (scene.at, scene.text)
            tasks[content] = tasks.get(content, 0) + 1

    def confirmations(self, per_task: int = 0) -> list[tuple[str, str, int]]:
        """Staff member, local day and how many tasks wait for their tap; a task holds at most ``per_task``, else what the platform takes."""
        to_groups = self.stage.template.subject is Subject.GROUP
        per_task = per_task or (GROUPS_PER_TASK if to_groups else MEMBERS_PER_TASK)
        found = [
            (sender, day, sum(-(-size // per_task) for size in tasks.values()))
            for (sender, day), tasks in self.tasks.items()
        ]
        return sorted(found, key=lambda row: (row[1], -row[2], row[0]))


def _kind_of(reason: str) -> str:
    """A reason without the name and the moment that differ from one recipient to the next."""
    for common in ("没有可以代发的员工", "错过了发送窗口，跳过", "错过了，等运营决定是否补发"):
        if common in reason:
            return common
    if "上限" in reason:
        return "到了每周的上限" + ("，来不及在时限内再发" if "时限" in reason else "，改到之后")
    for common in ("免打扰时段", "离上一条太近", "平台的发送额度已用完"):
        if reason.startswith(common):
            return common + ("，来不及在时限内再发" if "时限" in reason else "")
    return "已过发送时限" if reason.startswith("已过发送时限") else reason
