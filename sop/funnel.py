"""The funnel 漏斗 of a template: for how many each step was due, what kept it back, and what followed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

_CLAUSE = re.compile(r"[，,：:（(；;]")
_NUMBERS = re.compile(r"\d+(?:[.:/]\d+)*")


class Stage(StrEnum):
    """What became of a step for somebody; each number of a funnel is one of these."""

    DUE = "due"  # 到点
    WAITING = "waiting"  # 还在等: for its hour, its words, a tap
    KEPT = "kept"  # 没发出, with the reason
    SENT = "sent"  # 发到
    OPENED = "opened"  # 打开了链接
    ANSWERED = "answered"  # 作答
    GOAL = "goal"  # 之后达成目标


STAGES: dict[Stage, str] = {
    Stage.DUE: "到点",
    Stage.WAITING: "还在等",
    Stage.KEPT: "没发出",
    Stage.SENT: "发到",
    Stage.OPENED: "打开",
    Stage.ANSWERED: "作答",
    Stage.GOAL: "达成目标",
}


@dataclass(frozen=True)
class StepLine:
    """One step: how many at each stage, and how many were kept back for which reason."""

    step: str
    counts: Mapping[Stage, int]
    kept: Mapping[str, int] = field(default_factory=dict)

    def share(self, stage: Stage, of: Stage = Stage.SENT) -> float | None:
        """How many of a hundred; None of nobody."""
        whole = self.counts.get(of, 0)
        return self.counts.get(stage, 0) / whole if whole else None


def gist(reason: str) -> str:
    """What reasons have in common that differ in dates and numbers: their first clause without them."""
    clause = _CLAUSE.split(reason, maxsplit=1)[0]
    return _NUMBERS.sub("…", clause).strip() or "没有写原因"
