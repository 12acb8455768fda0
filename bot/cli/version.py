"""Which version of a template is in force: approve, roll back, move running journeys, pause and go on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from bot.cli.frame import ConfigPath, configured, out, quiet_log, who, with_database
from bot.clock import SystemClock
from sop.errors import NotFound
from sop.template import Step
from storage.engine import Connection, Database
from storage.operator import OperatorStore
from storage.pause import PauseStore
from storage.template import TemplateStore
from storage.version import Passage, Traveller, VersionStore

T = TypeVar("T")
Version = Annotated[int, typer.Option(help="0 is the newest.")]


def add_to(sop: typer.Typer) -> None:
    for name, command in (
        ("approve", approve), ("rollback", rollback), ("migrate", migrate), ("pause", pause), ("resume", resume),
    ):  # fmt: skip
        sop.command(name)(command)


def approve(template: str, version: Version = 0, config: ConfigPath = None) -> None:
    """Agree to a draft that somebody else wrote; large audiences need it before they are published."""

    def work(connection: Connection, now: datetime) -> int:
        store = TemplateStore(connection, now)
        chosen = version or _newest(store, template)
        store.review(template, chosen, by=who())
        OperatorStore(connection, now).record(who(), "approved a template", f"{template} v{chosen}")
        return chosen

    out.print(f"已批准 {template} 第 {_done(config, work)} 版，可以发布了。")


def rollback(
    template: str,
    to: Annotated[int, typer.Option(help="Which version; 0 is the one in force before.")] = 0,
    config: ConfigPath = None,
) -> None:
    """Publish an earlier version again; journeys under way stay where they are, unless you migrate them."""
    zone = configured(config).community.timezone

    def work(connection: Connection, now: datetime) -> int:
        store = TemplateStore(connection, now)
        chosen = to or store.before(template)
        store.publish(template, chosen, zone=zone, by=who())
        OperatorStore(connection, now).record(who(), "rolled a template back", f"{template} v{chosen}")
        return chosen

    number = _done(config, work)
    out.print(f"已退回到 {template} 第 {number} 版。已经在路上的人留在原来的版本上；")
    out.print(f"要一起移过来，先看 qunxing sop migrate {template} --version {number}")


def migrate(
    template: str,
    version: Version = 0,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without it, only show who would move where.")
    ] = False,
    people: Annotated[int, typer.Option(min=0, max=1000, help="How many to name of each passage.")] = 0,
    config: ConfigPath = None,
) -> None:
    """Move everybody under way to one version, matching steps by id; nobody hears a step twice."""

    def look(connection: Connection, now: datetime) -> tuple[int, list[tuple[Passage, str]]]:
        chosen, store = (
            version or _newest(TemplateStore(connection, now), template),
            VersionStore(connection, now),
        )
        passages = store.passages(template, chosen)
        return chosen, [
            (one, _names(store.people(template, one.version, one.step, people))) for one in passages
        ]

    def work(chosen: int, connection: Connection, now: datetime) -> int:
        OperatorStore(connection, now).record(who(), "moved journeys", f"{template} v{chosen}")
        return VersionStore(connection, now).migrate(template, chosen)

    chosen, passages = _done(config, look)
    if not passages:
        out.print(f"没有人在 {template} 的别的版本上，不用移。")
        return
    table = Table("现在的版本", "下一步", f"到第 {chosen} 版", "人数", *(["谁"] if people else []))
    for one, names in passages:
        row = [f"第 {one.version} 版", _called(one.before), _called(one.after), str(one.count)]
        table.add_row(*row, *([names] if people else []))
    out.print(table)
    if not yes:
        out.print("以上只是预览，什么也没有动。加上 --yes 就开始移。")
        return
    out.print(
        f"{_done(config, partial(work, chosen))} 个旅程开始移到第 {chosen} 版，群星运行时一批一批完成。"
    )


def pause(template: str, config: ConfigPath = None) -> None:
    """Stop a template at once: nothing of it is planned or sent, and what waits for a tap is taken back."""

    def work(connection: Connection, now: datetime) -> bool:
        _newest(TemplateStore(connection, now), template)
        OperatorStore(connection, now).record(who(), "paused a template", template)
        return PauseStore(connection, now).pause(template, who())

    out.print(f"{template} 已暂停。" if _done(config, work) else f"{template} 本来就暂停着。")


def resume(template: str, config: ConfigPath = None) -> None:
    """Let a template go on; nothing is said twice, and what came too late follows its step's own rule."""

    def work(connection: Connection, now: datetime) -> bool:
        OperatorStore(connection, now).record(who(), "resumed a template", template)
        return PauseStore(connection, now).resume(template)

    out.print(f"{template} 已恢复。" if _done(config, work) else f"{template} 没有暂停。")


def _names(travellers: list[Traveller]) -> str:
    return "、".join(one.name or one.whom for one in travellers)


def _called(step: Step | None) -> str:
    return "走完了" if step is None else step.name or step.id


def _newest(store: TemplateStore, template: str) -> int:
    newest = store.newest_version(template)
    if not newest:
        raise NotFound("template", template)
    return newest


def _done(config: Path | None, work: Callable[[Connection, datetime], T]) -> T:
    """One transaction in the installation's database."""
    quiet_log()

    async def written(db: Database) -> T:
        now = SystemClock().now()
        return await db.write(lambda c: work(c, now))

    return with_database(config, written)
