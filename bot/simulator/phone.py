"""What a person sees on their phone: their talks, the lines in one of them, the sends that wait for them."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from zlib import crc32

from bot.simulator.task import CHINA, waiting_for
from bot.simulator.world import (
    Line,
    Task,
    World,
    app_talk,
    bot_talk,
    friend_talk,
    group_talk,
    internal_talk,
    kf_talk,
    webhook_talk,
)

ADDRESS = re.compile(r"https?://[^\s，。；！？）》」\"'<>]+")
SHOWN_LINES = 120
COLOURS = 12
Plain = dict[str, Any]


def people(world: World) -> list[Plain]:
    """Everybody one can be, staff first."""
    staff = [{**_person(world, one.id), "role": "staff"} for one in world.staff.values()]
    members = [{**_person(world, one.id), "role": "member"} for one in world.members.values()]
    for one in members:
        one["note"] = "、".join(group.name for group in world.groups_with(one["id"])) or "不在群里"
    for one in staff:
        waiting = len(waiting_for(world, one["id"]))
        one["note"], one["badge"] = "员工", waiting
    return [*staff, *members]


def talks(world: World, who: str) -> list[Plain]:
    """The talks on this person's phone, newest first."""
    rows = [_row(world, who, talk, title, kind) for talk, title, kind in _places(world, who)]
    return sorted(rows, key=lambda row: (row["pinned"], row["moved"]), reverse=True)


def talk(world: World, who: str, name: str) -> Plain:
    """One talk as this person sees it; only what is on their phone can be opened."""
    places = {place: (title, kind) for place, title, kind in _places(world, who)}
    if name not in places:
        return {}
    title, kind = places[name]
    lines = world.talks[name][-SHOWN_LINES:] if name in world.talks else []
    shown = [_line(world, who, line) for line in lines]
    opened: Plain = {"id": name, "title": title, "kind": kind, "lines": shown, "speaks": kind != "webhook"}
    if kind == "group":
        opened["title"] = f"{title}（{len(world.groups[name.partition('/')[2]].seats)}）"
    if who in world.staff:
        opened["waiting"] = [_waiting(world, task) for task in _tasks_of(world, who, name)]
    return opened


def addresses(world: World, who: str) -> set[str]:
    """Every address this person has been shown, and so may open."""
    found: set[str] = set()
    for name, _, _ in _places(world, who):
        for line in world.talks.get(name, []):
            found.update(urls(line))
    for task in waiting_for(world, who):
        links = [one["link"] for one in task.attachments if one.get("msgtype") == "link"]
        found.update(str(link.get("url", "")) for link in links)
    return found


def local(at: Any) -> str:
    return str(at.astimezone(CHINA).isoformat(timespec="seconds"))


def _places(world: World, who: str) -> list[tuple[str, str, str]]:
    groups = [(group_talk(group.id), group.name, "group") for group in world.groups_with(who)]
    if who in world.staff:
        apps = [(app_talk(app, who), "群星助手", "app") for app in world.app_names()]
        friends = [
            (friend_talk(who, bond.member), world.name_of(bond.member), "friend")
            for bond in world.friends_of(who)
            if friend_talk(who, bond.member) in world.talks
        ]
        bots = [(bot_talk(bot.name, who), bot.display_name, "aibot") for bot in world.bots.values()]
        teams = [
            (internal_talk(group.id), f"{group.name}（内部群）", "internal")
            for group in world.internal.values()
            if who in group.staff
        ]
        hooks = [(webhook_talk(hook.name), "运营内部群", "webhook") for hook in world.webhooks.values()]
        return [*apps, *bots, *groups, *teams, *hooks, *friends]
    accounts = [(kf_talk(one.id, who), one.name, "kf") for one in world.accounts.values()]
    friends = [
        (friend_talk(bond.staff, who), world.name_of(bond.staff), "friend") for bond in world.followers(who)
    ]
    return [*accounts, *groups, *friends]


def _row(world: World, who: str, name: str, title: str, kind: str) -> Plain:
    lines = world.talks.get(name) or []
    last = lines[-1] if lines else None
    said = f"{world.name_of(last.speaker)}：" if last and kind == "group" and last.speaker != who else ""
    waiting = len(_tasks_of(world, who, name)) if who in world.staff else 0
    return {
        "id": name,
        "title": title,
        "kind": kind,
        "last": said + _gist(last) if last else "",
        "at": local(last.at) if last else "",
        "moved": last.number if last else 0,
        "count": len(lines),
        "badge": waiting,
        "pinned": waiting > 0,
        "colour": _colour(title),
    }


def _gist(line: Line) -> str:
    mark = {"link": "[链接] ", "card": "[卡片] ", "menu": "[菜单] "}.get(line.kind, "")
    return mark + line.text.replace("\n", " ")[:40]


def _line(world: World, who: str, line: Line) -> Plain:
    name = world.name_of(line.speaker)
    if line.speaker.startswith("app/"):
        name = "群星助手"
    elif line.speaker in world.accounts:
        name = world.accounts[line.speaker].name
    elif line.speaker.startswith("webhook/"):
        name = "群星推送"
    shown = {
        "n": line.number,
        "at": local(line.at),
        "who": name,
        "mine": line.speaker == who,
        "staff": line.speaker in world.staff,
        "colour": _colour(name),
        "kind": line.kind,
        "text": line.text,
    }
    data = {name: value for name, value in line.data.items() if name != "seen"}
    if who in (seen := line.data.get("seen", {})):  # a card that looks different to who pressed it
        data["card"] = seen[who]
    return {**shown, **data}


def _tasks_of(world: World, staff: str, name: str) -> list[Task]:
    """Waiting sends appear in the talk with the app, where a reminder would."""
    if name not in {app_talk(app, staff) for app in world.app_names()}:
        return []
    return waiting_for(world, staff)


def _waiting(world: World, task: Task) -> Plain:
    recipients = [row.recipient for rows in task.rows.values() for row in rows]
    names = [world.groups[one].name if one in world.groups else world.name_of(one) for one in recipients[:4]]
    links = [one["link"] for one in task.attachments if one.get("msgtype") == "link"]
    return {
        "id": task.id,
        "text": task.text,
        "links": [{"title": link.get("title", ""), "url": link.get("url", "")} for link in links],
        "to": "、".join(names) + (f" 等 {len(recipients)} 个" if len(recipients) > 4 else ""),
        "groups": task.to_groups,
        "reminders": len(task.reminders),
        "at": local(task.created),
    }


def urls(line: Line) -> set[str]:
    """The addresses one line shows."""
    found = {str(line.data["url"])} if "url" in line.data else set()
    found.update(unescape(address) for address in ADDRESS.findall(line.text))
    for block in ("card", "menu"):
        found.update(_deep_urls(line.data.get(block)))
    return found


def _deep_urls(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {str(value["url"])} if value.get("url") else set()
        return own.union(*(_deep_urls(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(_deep_urls(inner) for inner in value))
    return set()


def _person(world: World, who: str) -> Plain:
    name = world.name_of(who)
    return {"id": who, "name": name, "colour": _colour(name), "note": "", "badge": 0}


def _colour(name: str) -> int:
    return crc32(name.encode()) % COLOURS
