"""Internal groups that the app makes and speaks in."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bot.chance import SystemChance
from bot.cli.frame import ConfigPath, configured, out, quiet_log, run_async
from bot.clock import SystemClock
from sop.errors import Conflict, NotFound
from sop.group import GroupKind
from storage import schema
from storage.engine import Connection, database
from storage.errand import Errand, ErrandStore
from storage.group import GroupStore

app = typer.Typer(help="Internal groups the app makes.", no_args_is_help=True)

Staff = Annotated[list[str], typer.Option(help="A WeCom userid; may be given again and again.")]
NOBODY: list[str] = []


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="group")


@app.callback()
def _group() -> None:
    """Internal groups the app makes."""


@app.command("found")
def found(
    name: str,
    owner: Annotated[str, typer.Option(help="The WeCom userid of its owner.")],
    staff: Staff,
    config: ConfigPath = None,
) -> None:
    """Make an internal group of staff; the running bot asks WeCom for it."""
    number = SystemChance().bytes(12).hex()
    everybody = list(dict.fromkeys([owner, *staff]))
    _ask(number, {"do": "found", "name": name, "owner": owner, "staff": everybody}, config, new=name)
    out.print(
        f"已登记内部群「{name}」（编号 {number}），群星运行时会在企业微信里建好它；没有办成会在控制台提醒"
    )


@app.command("change")
def change(
    group: str,
    name: Annotated[str, typer.Option(help="Its new name.")] = "",
    owner: Annotated[str, typer.Option(help="Its new owner.")] = "",
    add: Staff = NOBODY,
    remove: Staff = NOBODY,
    config: ConfigPath = None,
) -> None:
    """Rename an internal group of ours (by name or number), or let staff in and out."""
    data = {"do": "change", "name": name, "owner": owner, "add": list(add), "remove": list(remove)}
    _ask(group, data, config)
    out.print(f"已登记对内部群「{group}」的修改，群星运行时会交给企业微信")


def _ask(group: str, data: dict[str, Any], config: ConfigPath, *, new: str = "") -> None:
    """Leave an errand for the running bot: about a group that is there, or one of a name nobody has."""
    quiet_log()
    url = configured(config).storage.database.get_secret_value()
    now = SystemClock().now()

    def leave(connection: Connection) -> None:
        store = GroupStore(connection, now)
        known = store.get(group) or store.named(group)
        if new and store.named(new) is not None:
            raise Conflict("group", new)
        if not new and (known is None or known.kind != GroupKind.INTERNAL):
            raise NotFound("internal group", group)
        whom = known.id if known is not None else group
        ErrandStore(connection).add(Errand(what="appchat", whom=whom, data=data, at=now))

    async def work() -> None:
        async with database(url) as db:
            await schema.ensure(db)
            await db.write(leave)

    run_async(work())
