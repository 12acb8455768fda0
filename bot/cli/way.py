"""Ways in: QR codes for posters and groups, whose scans tell where people came from."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from bot.chance import SystemChance
from bot.cli.directory import errands_at, troubles
from bot.cli.frame import ConfigPath, configured, out, quiet_log, run_async
from bot.clock import SystemClock
from bot.errands import Errands
from sop.errors import Conflict, Misconfigured, NotFound
from sop.way import Way, WayKind, objections
from storage import schema
from storage.engine import Connection, database
from storage.errand import Errand, ErrandStore
from storage.way import KeptWay, Standing, WayStore

app = typer.Typer(help="Ways in: QR codes whose scans tell where people came from.", no_args_is_help=True)
STANDINGS = {"making": "正在生成", "ready": "可用", "refused": "没有成功", "dropped": "已停用"}


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="way")


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What operators call it, like 一月海报.")],
    staff: Annotated[
        list[str] | None, typer.Option(help="Whom a scan befriends (userid); may be repeated.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Which group a scan joins (chat_id); up to five.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag for who scans; may be repeated.")] = None,
    state: Annotated[
        str, typer.Option(help="What WeCom brings back with them; made up when not given.")
    ] = "",
    ask: Annotated[bool, typer.Option(help="Staff accept each friend themselves.")] = False,
    config: ConfigPath = None,
) -> None:
    """Make a QR code that leads to staff, or into groups, and print the address of its picture."""
    quiet_log()
    settings = configured(config, required=True)
    if bool(staff) == bool(group):
        raise typer.BadParameter("Give --staff or --group, and not both.")
    way = Way(
        state=state or f"qx{SystemChance().bytes(6).hex()}",
        name=name,
        kind=WayKind.CONTACT if staff else WayKind.JOIN,
        tags=tuple(tag or ()),
        staff=tuple(staff or ()),
        needs_no_consent=not ask,
        groups=tuple(group or ()),
    )
    if problems := objections(way):
        raise typer.BadParameter(" ".join(problems))

    async def work() -> KeptWay:
        async with errands_at(settings, ("way",)) as errands:
            return await _make(errands, way)

    kept = run_async(work())
    out.print(f"「{name}」已生成，渠道标识 {way.state}。二维码图片：{kept.image or '（小程序用，没有图片）'}")


async def _make(errands: Errands, way: Way) -> KeptWay:
    now = errands.clock.now()

    def wish(c: Connection) -> None:
        WayStore(c, now).add(way, "qunxing way")
        ErrandStore(c).add(Errand(what="way", whom=way.state, data={"do": "make"}, at=now))

    try:
        await errands.db.write(wish)
    except Conflict:
        raise Misconfigured(
            f"渠道标识 {way.state} 已经用过了。", remedy="换一个 --state。", field="state"
        ) from None
    await errands.run_once()
    kept = await errands.db.read(lambda c: WayStore(c, now).get(way.state))
    if kept is not None and kept.standing is Standing.READY:
        return kept
    why = (kept.reason if kept else "") or "；".join(await troubles(errands.db, ("way",)))
    refused = kept is not None and kept.standing is Standing.REFUSED
    remedy = (
        "改正后换个名称和 --state 再建。" if refused else "群星运行时会自动再试；qunxing way list 看结果。"
    )
    raise Misconfigured(f"还没有生成：{why}。", remedy=remedy)


@app.command("list")
def listed(config: ConfigPath = None) -> None:
    """Every way, and how it is doing."""
    quiet_log()
    url = configured(config).storage.database.get_secret_value()

    async def work() -> Table:
        async with database(url) as db:
            await schema.ensure(db)
            ways = await db.read(lambda c: WayStore(c, SystemClock().now()).all())
        table = Table("标识", "名称", "通向", "标签", "状态", "二维码或原因")
        for one in ways:
            leads = "、".join(one.way.staff or one.way.groups)
            shown = one.reason or one.image
            table.add_row(
                one.way.state, one.way.name, leads, "、".join(one.way.tags), STANDINGS[one.standing], shown
            )
        return table

    out.print(run_async(work()))


@app.command("drop")
def drop(
    state: Annotated[str, typer.Argument(help="The way's state, as qunxing way list shows it.")],
    config: ConfigPath = None,
) -> None:
    """Let a QR code stop working; who came through it stays tagged."""
    quiet_log()
    settings = configured(config, required=True)

    async def work() -> list[str]:
        async with errands_at(settings, ("way",)) as errands:
            now = errands.clock.now()
            if await errands.db.read(lambda c: WayStore(c, now).get(state)) is None:
                raise NotFound("way", state)
            errand = Errand(what="way", whom=state, data={"do": "drop"}, at=now)
            await errands.db.write(lambda c: ErrandStore(c).add(errand))
            await errands.run_once()
            return await troubles(errands.db, ("way",))

    wrong = run_async(work())
    if wrong:
        raise Misconfigured("还没有停用：" + "；".join(wrong), remedy="群星运行时会自动再试。")
    out.print(f"渠道 {state} 已停用。")
