"""The directory: read all of WeCom's staff, members, groups and tags now, instead of waiting for the hour."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bot.bell import Bell
from bot.chance import SystemChance
from bot.cli.frame import ConfigPath, configured, err, out, quiet_log, run_async
from bot.clock import SystemClock
from bot.config import Config
from bot.errands import Errands
from bot.outgoing import Outgoing
from bot.setting import wecom_settings
from bot.wecom.gateway import WeComGateway
from sop.errors import Misconfigured
from storage import inbox, schema
from storage.engine import Database, database
from storage.errand import Errand, ErrandStore
from storage.shared import Shared
from storage.shared_memory import MemoryShared

KINDS = ("directory", "tags", "friends", "groups", "group", "member")


def add_to(parent: typer.Typer) -> None:
    parent.command("sync")(sync)


def sync(
    full: Annotated[bool, typer.Option(help="Handle everything again, not only what has changed.")] = False,
    config: ConfigPath = None,
) -> None:
    """Read staff, members, groups and tags from WeCom; broken off, the next run goes on where this one stopped."""
    quiet_log()
    settings = configured(config, required=True)

    async def work() -> tuple[int, int, list[str]]:
        async with errands_at(settings, KINDS) as errands:
            clock, db = errands.clock, errands.db
            wanted = Errand(what="directory", whom="all", data={"full": full}, at=clock.now())
            await db.write(lambda c: ErrandStore(c).add(wanted))
            asked = await _to_the_end(errands)
            waiting = (await db.read(inbox.counts))["waiting"]
            return asked, waiting, await troubles(db, KINDS)

    asked, waiting, wrong = run_async(work())
    out.print(f"问了企业微信 {asked} 次，有 {waiting} 条变化等群星处理（qunxing run 运行时自动处理）。")
    if wrong:
        raise Misconfigured(
            "没有读完：" + "；".join(wrong), remedy="按提示处理后再运行 qunxing sync，会从断开的地方继续。"
        )


@asynccontextmanager
async def errands_at(settings: Config, kinds: Collection[str]) -> AsyncIterator[Errands]:
    """Errands of these kinds over the configured database and corp, run by us; a bot that runs meanwhile does no harm."""
    if not settings.wecom.contact.secret.get_secret_value():
        raise Misconfigured(
            "There is no secret for customer contact.",
            remedy="Fill in [wecom.contact] secret.",
            field="wecom.contact.secret",
        )
    clock = SystemClock()
    async with (
        database(settings.storage.database.get_secret_value()) as db,
        _shared(settings) as shared,
        Outgoing(clock) as outgoing,
    ):
        await schema.ensure(db)
        gateway = WeComGateway(wecom_settings(settings), outgoing, clock, SystemChance(), shared)
        yield Errands(db, gateway, clock, Bell(clock), Bell(clock), only=tuple(kinds))


async def troubles(db: Database, kinds: Collection[str]) -> list[str]:
    """Why errands of these kinds are not done, each reason once."""
    troubled = await db.read(lambda c: ErrandStore(c).troubled(1000))
    return list(dict.fromkeys(reason for errand, reason in troubled if errand.what in kinds and reason))


async def _to_the_end(errands: Errands) -> int:
    """Ask until nothing of ours is due any more; how often that was."""
    asked = 0
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("正在读取通讯录")
        while done := await errands.run_once():
            asked += done
            left = await errands.db.read(lambda c: ErrandStore(c).count(KINDS))
            progress.update(task, description=f"已问 {asked} 次，还有 {left} 个问题")
    return asked


def _shared(settings: Config) -> Shared:
    url = settings.storage.redis.get_secret_value()
    if not url:
        return MemoryShared()
    from storage.shared_redis import RedisShared  # only a fleet needs the client

    return RedisShared.at(url)
