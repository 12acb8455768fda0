"""The demo, and the stand-in WeCom on its own."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from bot.cli.frame import out, run_async
from bot.clock import SystemClock
from bot.demo import PASSWORD, Demo, ask_for_results, demo, saturday_evening
from bot.log import set_up
from bot.reckoning import Reckoning, reckon
from bot.simulator.serve import serve
from bot.simulator.simulator import Simulator
from sop.errors import Misconfigured


def add_to(app: typer.Typer) -> None:
    app.command("demo")(show)
    app.command("simulator")(simulate)


def show(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where bot and console listen.")] = 8080,
    speed: Annotated[
        float, typer.Option(min=0.0, help="World seconds a second; 1440 plays a day a minute.")
    ] = 1.0,
    seconds: Annotated[
        float, typer.Option(min=0.0, help="Stop after so long with a self-check; 0 runs on.")
    ] = 0.0,
) -> None:
    """Simulator, bot and console in one process, with a living sample community."""
    set_up(level="error", fmt="console")
    reckoning = run_async(_play(port, speed, seconds))
    if reckoning is not None:
        out.print(reckoning.table())
        if not reckoning.agrees:
            out.print("机器人和模拟器对不上，见上表。", style="red")
            raise typer.Exit(1)
        out.print("机器人与模拟器的记录一致。", style="green")


async def _play(port: int, speed: float, seconds: float) -> Reckoning | None:
    async with demo(
        port=port, speed=speed, start=saturday_evening(SystemClock().now()), say=out.print
    ) as running:
        out.print(f"\n  群星演示已就绪：{running.url}/", style="bold")
        out.print(f"  控制台账号 demo，密码 {PASSWORD}。Ctrl-C 结束。\n")
        if not seconds:
            await asyncio.Event().wait()
        await asyncio.sleep(seconds)
        return await _settled(running)


async def _settled(running: Demo) -> Reckoning:
    """Stop the clock, let everything under way arrive, ask for the last results, then compare both sides."""
    running.simulator.pace(0)
    await running.simulator.quiet()
    await running.app.quiet()
    await ask_for_results(running.app)
    await running.app.quiet()
    return await reckon(running.app, running.simulator)


def simulate(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where the stand-in listens.")] = 9600,
    bot: Annotated[
        str, typer.Option(help="The bot's address, for callbacks; people act once its doors answer.")
    ] = "",
) -> None:
    """The stand-in WeCom alone, for developing against."""
    set_up(level="warning", fmt="console")
    if bot and not bot.startswith(("http://", "https://")):
        raise typer.BadParameter("An address begins with http:// or https://.", param_hint="--bot")

    def ready(simulator: Simulator) -> None:
        from bot.simulator.corp import as_toml

        out.print(f"模拟的企业微信：{simulator.api_base}，聊天页面：{simulator.chat_url}")
        out.print("把这些写进 config.toml：\n")
        out.print(as_toml(simulator.settings()))

    try:
        run_async(serve(port=port, bot_url=bot, ready=ready))
    except OSError as error:
        raise Misconfigured(
            f"Port {port} cannot be used: {error.strerror or error}.",
            remedy="Stop what runs there, or choose another --port.",
        ) from error
