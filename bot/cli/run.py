"""Running the bot: all of it in one process, or one role."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bot.app import EVERYTHING, App, Role, answer_swiftly
from bot.chance import SystemChance
from bot.cli.frame import ConfigPath, configured, out, quiet_log, run_async
from bot.config import Config, write_new
from bot.console.app import add_operator
from bot.finding import Finding
from bot.log import set_up
from sop.errors import Conflict, Misconfigured
from storage.errand import Errand, ErrandStore
from storage.operator import OperatorStore


def add_to(app: typer.Typer) -> None:
    app.command("init")(init)
    app.command("check")(check)
    app.command("run")(run)
    for role in Role:
        app.command(str(role), help=f"The {role} role on its own; any number may run.")(_alone(role))


def init(
    directory: Annotated[Path, typer.Option("--dir", help="Where to write config.toml.")] = Path("."),
) -> None:
    """Write config.toml with generated secrets."""
    path = write_new(directory, SystemChance())
    out.print(f"已写好 {path}。填上企业微信的 corp_id 和各个 secret，然后运行：qunxing check")
    out.print(
        "控制台的第一个账号是 admin，密码在 config.toml 的 [console] 里；再加账号：qunxing user add NAME"
    )


MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("…", "yellow")}


def check(
    config: ConfigPath = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list of findings for programs.")] = False,
) -> None:
    """What is wrong with the installation, and what to do."""
    from bot.doctor import examine

    quiet_log("error")
    findings: list[Finding] = []

    def found(finding: Finding) -> None:
        findings.append(finding)
        if not as_json:
            _show(finding)

    async def look(settings: Config) -> None:
        async for finding in examine(settings):
            found(finding)

    try:
        settings = configured(config)
    except Misconfigured as error:
        found(Finding("配置", False, error.reason, error.remedy))
    else:
        run_async(look(settings))
    bad = sum(finding.good is False for finding in findings)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
    else:
        out.print(f"{bad} 处要处理。" if bad else "没有发现问题。")
    if bad:
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    mark, colour = MARKS[finding.good]
    out.print(mark, style=colour, end=" ")
    out.print(f"{finding.what}：{finding.said}")
    if finding.remedy:
        out.print(f"   → {finding.remedy}")


def run(config: ConfigPath = None) -> None:
    """Everything in one process."""
    _start(configured(config, required=True), EVERYTHING)


def _alone(role: Role) -> Callable[..., None]:
    def command(config: ConfigPath = None) -> None:
        _start(configured(config, required=True), [role])

    command.__name__ = str(role)
    return command


def _start(config: Config, roles: Sequence[Role]) -> None:
    set_up(level=config.log.level, fmt=config.log.format, secrets=config.secrets())
    run_async(_until_told(config, roles))


async def _first_account(app: App) -> None:
    """While there is no account at all, the administrator named in the configuration gets one."""
    console, now = app.config.console, app.clock.now()
    password = console.administrator_password.get_secret_value()
    if password and not await app.db.read(lambda c: OperatorStore(c, now).all()):
        with suppress(Conflict):  # another process was first
            await add_operator(app.db, console.administrator, password, "admin", now)


async def catch_up(app: App) -> None:
    """Ask who is there: callbacks of the time before this start may be lost, and the first start knows nobody."""
    now = app.clock.now()
    if Role.TICK in app.roles and app.config.wecom.contact.secret.get_secret_value():
        await app.db.write(lambda c: ErrandStore(c).add(Errand(what="directory", whom="all", at=now)))
        app.bells["errands"].ring()


async def _until_told(config: Config, roles: Sequence[Role]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with App(config, roles=roles) as app:
        answer_swiftly()
        await _first_account(app)
        await catch_up(app)
        if Role.WEB in roles:
            out.print(f"群星在 {config.server.public_url} 运行，控制台：{config.server.public_url}/console/")
        await stop.wait()
