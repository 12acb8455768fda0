"""A corp as it stands the day its administrator has set everything up: an app, its doors, its secrets."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from typing import Any

from bot.chance import Chance
from bot.clock import Clock
from bot.simulator.world import Bot, Door, Holder, KfAccount, Webhook, World

APP, AGENT_ID, ARCHIVE_AGENT_ID = "qunxing", 1000002, 2000004
KF_ACCOUNT = "wkQXdemoKF000000000000000001"
BOT, SOCKET = "helper", "/aibot/socket"
LETTERS = string.ascii_letters + string.digits
TAIL = "BCDFGHJKLNOPRSTVWXZabdefhijlmnpqrtuvxyz1235679"  # these set the spare bits


def open_corp(clock: Clock, chance: Chance, *, archive_door: bool = False) -> World:
    """A corp without people: the app ``qunxing``, contact, 微信客服, archive and one webhook."""
    world = World(clock, chance)
    for name, agent_id in ((f"app/{APP}", AGENT_ID), ("contact", 0), ("kf", 0), ("archive", 0)):
        world.holders[name] = Holder(name, _letters(chance, 43), agent_id)
    doors = [(f"app/{APP}", AGENT_ID), ("contact", 0), ("kf", 0)]
    for name, agent_id in [*doors, *([("archive", ARCHIVE_AGENT_ID)] if archive_door else [])]:
        world.doors[name] = Door(name, _letters(chance, 24), aes_key(chance), agent_id)
    world.accounts[KF_ACCOUNT] = KfAccount(KF_ACCOUNT, "群星小客服")
    key = "-".join(chance.bytes(size).hex() for size in (4, 2, 2, 2, 6))
    world.webhooks[key] = Webhook("ops", key)
    return world


def add_bot(world: World, mode: str, *, name: str = BOT, plain_ids: bool = True) -> Bot:
    """A 智能机器人 somebody made in the console, with the keys of its transport."""
    bot = Bot(name, "群星", mode, f"BOT-{world.number('bot')}", _letters(world.chance, 43), plain_ids)
    world.bots[name] = bot
    if mode == "webhook":
        door = f"aibot/{name}"
        world.doors[door] = Door(door, _letters(world.chance, 24), aes_key(world.chance), for_corp=False)
    return bot


def settings(world: World, api_base: str) -> dict[str, Any]:
    """What goes into the bot's configuration, shaped like its TOML."""
    wecom: dict[str, Any] = {"corp_id": world.corp_id, "api_base": api_base, "oauth_base": api_base}
    wecom["app"] = [
        {"name": name, "agent_id": world.holders[f"app/{name}"].agent_id, **_keys(world, f"app/{name}")}
        for name in world.app_names()
    ]
    for name in ("contact", "kf"):
        if name in world.holders:
            wecom[name] = _keys(world, name)
    if "kf" in wecom and world.accounts:
        wecom["kf"]["account"] = next(iter(world.accounts))
    if "archive" in world.holders:
        feed = f"{api_base}/cgi-bin/archive/feed"
        wecom["archive"] = {**_keys(world, "archive"), "feed_url": feed}
    if world.bots:
        wecom["socket_base"] = f"{api_base.replace('http', 'ws', 1)}{SOCKET}"
        wecom["aibot"] = [_bot_keys(world, bot) for bot in world.bots.values()]
    wecom["webhook"] = [{"name": hook.name, "key": hook.key} for hook in world.webhooks.values()]
    return {"wecom": wecom}


def as_toml(plain: Mapping[str, Any], path: str = "") -> str:
    """``settings`` as the text of a configuration file."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in plain.items() if isinstance(value, str | int)]
    if path and lines:
        lines.insert(0, f"[{path}]")
    for name, value in plain.items():
        inner = f"{path}.{name}".lstrip(".")
        if isinstance(value, Mapping):
            lines.append(as_toml(value, inner))
        elif isinstance(value, list):
            lines.extend(as_toml(one, inner).replace(f"[{inner}]", f"[[{inner}]]", 1) for one in value)
    return "\n".join(lines)


def aes_key(chance: Chance) -> str:
    """An EncodingAESKey as the console makes them: 43 letters and digits, the last with bits nobody needs."""
    return _letters(chance, 42) + chance.choice(TAIL)


def _keys(world: World, name: str) -> dict[str, str]:
    keys = {"secret": world.holders[name].secret}
    if name in world.doors:
        keys |= {"token": world.doors[name].token, "aes_key": world.doors[name].aes_key}
    return keys


def _bot_keys(world: World, bot: Bot) -> dict[str, str]:
    keys = {"name": bot.name, "display_name": bot.display_name, "mode": bot.mode}
    keys["userids"] = "plain" if bot.plain_ids else "encrypted"
    if door := world.doors.get(f"aibot/{bot.name}"):
        return {**keys, "token": door.token, "aes_key": door.aes_key}
    return {**keys, "bot_id": bot.bot_id, "secret": bot.secret}


def _letters(chance: Chance, size: int) -> str:
    return "".join(chance.choice(LETTERS) for _ in range(size))
