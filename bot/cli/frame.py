"""What every command shares: finding the configuration, running async work, speaking to a terminal."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from bot.config import Config, load
from bot.log import set_up
from sop.errors import Misconfigured, QunxingError, TemplateError
from storage import schema
from storage.engine import Database, database

T = TypeVar("T")

ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config", envvar="QUNXING_CONFIG", help="The configuration file (config.toml).", show_default=False
    ),
]

PAPER = 160  # columns of what is not a terminal, so that a piped table is whole

# no markup: [console] is a section, and a group may be called [bold]
out = Console(highlight=False, soft_wrap=True, markup=False, width=None if sys.stdout.isatty() else PAPER)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


def configured(path: Path | None, *, required: bool = False) -> Config:
    """The configuration in force; without a file the defaults hold, unless one was asked for by name."""
    chosen = path or Path("config.toml")
    if not chosen.exists():
        if path is not None or required:
            raise Misconfigured(
                f"There is no configuration at {chosen}.",
                remedy="Run qunxing init, or name another with --config.",
            )
        return load(None, os.environ)
    return load(chosen, os.environ)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run async work to its end, on the fast loop where there is one."""
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop

    return uvloop.run(work)


def complain(error: QunxingError) -> None:
    """Say what went wrong, and what to do next."""
    if isinstance(error, TemplateError):
        err.print(str(error), style="red")
        return
    err.print(f"错误 / error: {error}", style="red")


def quiet_log(level: str = "warning") -> None:
    """Commands speak to people: only warnings of the machinery are shown, or less."""
    set_up(level=level, fmt="console")


def with_database(config: Path | None, work: Callable[[Database], Awaitable[T]]) -> T:
    """Do some work with the installation's database, its schema in order."""
    url = configured(config).storage.database.get_secret_value()

    async def opened() -> T:
        async with database(url) as db:
            await schema.ensure(db)
            return await work(db)

    return run_async(opened())


def who() -> str:
    """Who sits at this terminal, for the record of who published what."""
    try:
        return f"命令行 {getpass.getuser()}"
    except (KeyError, OSError):  # nobody by that number
        return "命令行"
