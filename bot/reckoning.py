"""The demo's self-check: what the bot says it did, beside what the simulator saw. They must agree."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from bot.app import App
from bot.simulator.simulator import Simulator
from sop.message import Channel
from sop.receipt import State
from storage import inbox, total
from storage.engine import Connection


@dataclass(frozen=True)
class Line:
    """One number from both sides; ``seen`` is None where the simulator can't know."""

    what: str
    ours: int
    seen: int | None = None

    @property
    def agrees(self) -> bool:
        return self.seen is None or self.seen == self.ours


@dataclass(frozen=True)
class Reckoning:
    lines: tuple[Line, ...]

    @property
    def agrees(self) -> bool:
        return all(line.agrees for line in self.lines)

    def table(self) -> Table:
        table = Table("", "机器人", "模拟器", "")
        for line in self.lines:
            seen = "" if line.seen is None else str(line.seen)
            mark = "" if line.seen is None else Text("✓", "green") if line.agrees else Text("✗", "red")
            table.add_row(line.what, str(line.ours), seen, mark)
        return table


async def reckon(app: App, simulator: Simulator) -> Reckoning:
    """Compare both sides; call it when nothing is under way any more."""
    seen = simulator.summary()
    return await app.db.read(lambda c: _reckon(c, seen))


def _reckon(connection: Connection, seen: dict[str, int]) -> Reckoning:
    waiting = inbox.counts(connection)
    messages = total.messages(connection)

    def sent(channel: Channel) -> int:
        return messages.get((str(channel), str(State.SENT)), 0)

    claimed, stocked = total.claimed(connection), total.stocked(connection)
    scored, groups = total.scored(connection), total.group_count(connection)
    return Reckoning(
        (
            Line("收到回调", total.doors(connection), seen["callbacks_acked"]),
            Line("还没处理的动态", waiting["waiting"], 0),
            Line("停放的动态", waiting["parked"], 0),
            Line("处理完的动态", waiting["done"]),
            Line("记录的行为", total.activities(connection)),
            Line("进入的旅程", total.journeys(connection)),
            Line("欢迎语", sent(Channel.WELCOME), seen["welcomes"]),
            Line("客服回复", sent(Channel.KF), seen["kf_messages"]),
            Line("应用消息", sent(Channel.APP), seen["app_messages"]),
            Line("群机器人", sent(Channel.WEBHOOK), seen["webhook_posts"]),
            Line("群发任务", total.tasks(connection), seen["tasks_created"]),
            Line("群发送达", sent(Channel.GROUP_SEND), seen["group_send_deliveries"]),
            Line(
                "结果未知", sum(count for (_, state), count in messages.items() if state == State.UNKNOWN), 0
            ),
            Line("答题", total.answers(connection)),
            Line("发出的券", claimed, claimed if claimed <= stocked else stocked),
            Line("有评分的群", scored, groups),
        )
    )
