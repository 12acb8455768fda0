"""The database: bring it up to date, copy it, bring a copy back."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit, urlunsplit

import typer

from bot.cli.frame import ConfigPath, configured, out, quiet_log, run_async
from bot.config import Config
from sop.errors import Misconfigured
from storage import schema
from storage.copy import copy_sqlite, must_be_idle, restore_sqlite
from storage.engine import database, sqlite_path

app = typer.Typer(help="Schema and copies.", no_args_is_help=True)


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="db")


@app.command("upgrade")
def upgrade(config: ConfigPath = None) -> None:
    """Bring the schema up to date."""
    quiet_log()
    url = configured(config).storage.database.get_secret_value()

    async def work() -> tuple[str, str]:
        async with database(url) as db:
            return await schema.upgrade(db)

    before, after = run_async(work())
    out.print(f"数据库结构：{before or '空'} → {after}")


@app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(help="Where the copy goes.")], config: ConfigPath = None
) -> None:
    """Copy the database while it runs."""
    quiet_log()
    settings = configured(config)
    if file.exists():
        raise Misconfigured(f"{file} exists already.", remedy="Name another file; nothing is overwritten.")
    path = sqlite_path(settings.storage.database.get_secret_value())
    if path is None:
        _postgres("pg_dump", settings, ["--format=custom", f"--file={file}"])
    else:
        copy_sqlite(path, file)
    out.print(f"已备份到 {file}（{file.stat().st_size / 1e6:.1f} MB）")


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="A copy made by backup.")], config: ConfigPath = None
) -> None:
    """Bring a copy back; what was there is kept beside it."""
    quiet_log()
    settings = configured(config)
    if not file.exists():
        raise Misconfigured(f"There is no copy at {file}.", remedy="Check the path.")
    url = settings.storage.database.get_secret_value()
    path = sqlite_path(url)
    if path is None:
        run_async(_must_be_idle(url))
        _postgres("pg_restore", settings, ["--clean", "--if-exists", str(file)])
    else:
        kept = restore_sqlite(file, path)
        if kept is not None:
            out.print(f"原来的数据库留在 {kept}")
    out.print("已恢复。先停着机器人核对一遍再启动：备份之后发生的事它都不知道。")


async def _must_be_idle(url: str) -> None:
    async with database(url) as db:
        await db.read(must_be_idle)


def _postgres(tool: str, settings: Config, arguments: list[str]) -> None:
    if shutil.which(tool) is None:
        raise Misconfigured(f"{tool} is not installed.", remedy="Install PostgreSQL's client programs.")
    url = urlsplit(settings.storage.database.get_secret_value())
    host = url.netloc.rpartition("@")[2]
    shown = (
        f"{url.username}@{host}" if url.username else host
    )  # the password is nobody's business in a process list
    target = ["--dbname", urlunsplit(url._replace(scheme="postgresql", netloc=shown))]
    environment = {**os.environ, **({"PGPASSWORD": unquote(url.password)} if url.password else {})}
    done = subprocess.run(
        [tool, *target, *arguments], check=False, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise Misconfigured(
            f"{tool} failed: {done.stderr.strip() or done.returncode}.",
            remedy="Check the file, storage.database and that the server runs.",
        )
