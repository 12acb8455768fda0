"""Console accounts."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.frame import ConfigPath, configured, out, quiet_log, run_async
from bot.clock import SystemClock
from bot.console.app import add_operator
from storage import schema
from storage.engine import database

app = typer.Typer(help="Console accounts.", no_args_is_help=True)


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="user")


@app.callback()
def _group() -> None:
    """Console accounts."""


@app.command("add")
def add(
    name: str,
    role: Annotated[str, typer.Option(help="admin or operator")] = "operator",
    staff: Annotated[str, typer.Option(help="The WeCom userid whose scan signs in to this account.")] = "",
    password: Annotated[
        str,
        typer.Option(
            prompt="密码 / password",
            confirmation_prompt=True,
            hide_input=True,
            help="Asked for when not given.",
        ),
    ] = "",
    config: ConfigPath = None,
) -> None:
    """Let somebody sign in to the console."""
    quiet_log()
    url = configured(config).storage.database.get_secret_value()

    async def work() -> None:
        async with database(url) as db:
            await schema.ensure(db)
            await add_operator(db, name, password, role, SystemClock().now(), staff=staff)

    run_async(work())
    out.print(f"已添加账号 {name}（{role}）")
