"""``qunxing why``: why a member got a message, or did not."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.frame import ConfigPath, configured, out, quiet_log, with_database
from bot.clock import SystemClock
from sop.timing import spoken
from sop.why import Because
from storage.engine import Connection, Database
from storage.why import WhyStore


def add_to(app: typer.Typer) -> None:
    app.command("why")(why)


def why(
    member: Annotated[str, typer.Argument(help="The member's external userid.")],
    message: Annotated[int, typer.Option(help="One message of the ledger, by its number.")] = 0,
    template: Annotated[str, typer.Option(help="One template; without it, every one that is in force.")] = "",
    config: ConfigPath = None,
) -> None:
    """Say in one line why a member got something or nothing, with everything that was decided beneath."""
    quiet_log()
    zone, now = configured(config).community.timezone, SystemClock().now()

    def ask(connection: Connection) -> list[Because]:
        store = WhyStore(connection, now, zone)
        if message:
            return [store.message(message, member)]
        return [store.template(member, template)] if template else list(store.templates(member).values())

    async def work(db: Database) -> list[Because]:
        return await db.read(ask)

    for because in with_database(config, work):
        out.print(because.line, style="bold")
        for mark in because.trace:
            out.print(f"  {spoken(mark.at, zone) if mark.at else '—'}  {mark.what}")
