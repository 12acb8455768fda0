"""The chat page: be anybody, speak, tap, confirm a waiting send, turn the clock, and watch the bot answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp_jinja2
import jinja2
from aiohttp import web

from bot.clock import TurnedClock
from bot.simulator import phone
from bot.simulator.control import WHO
from bot.simulator.notice import NOTICES
from bot.simulator.task import CHINA
from bot.simulator.world import World

if TYPE_CHECKING:
    from bot.simulator.simulator import Simulator

HERE = Path(__file__).parent
MOST_TURN_S = 35 * 86400
SATURDAY = 5
SAFE = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
OUTCOMES = {
    "acked": "已收到",
    "answered": "出错",
    "timeout": "超时",
    "refused": "连不上",
    "disconnected": "断开",
    "dropped": "丢失",
    "nobody listens": "无人接收",
}
ACTS = {
    "add_external_contact": "加好友",
    "add_half_external_contact": "申请好友",
    "edit_external_contact": "改备注或标签",
    "del_external_contact": "员工删除成员",
    "del_follow_user": "成员删除员工",
    "add_member": "进群",
    "del_member": "离群",
    "change_name": "改群名",
    "change_owner": "换群主",
    "change_notice": "改群公告",
    "confirm": "确认群发",
    "change_contact/create_user": "员工入职",
    "change_contact/update_user": "员工换账号",
    "change_contact/delete_user": "员工离职",
    "subscribe": "应用可见",
    "unsubscribe": "应用不可见",
    "change_external_contact/transfer_fail": "客户转接失败",
    "change_external_contact/msg_audit_approved": "同意会话存档",
    "change_external_tag/delete": "删除标签组",
    "change_external_tag/shuffle": "调整标签顺序",
}
Wanted = dict[str, Any]


class Page:
    """Serves the shell, what the phone shows, and what a tap does."""

    def __init__(self, simulator: Simulator) -> None:
        self._sim = simulator
        self._deeds: dict[str, Callable[[str, Wanted], None]] = {
            "say": self._say,
            "tap": self._tap,
            "confirm": self._confirm,
            "enter_kf": self._enter_kf,
            "join": self._join,
            "leave": self._leave,
            "befriend": self._befriend,
            "unfriend": self._unfriend,
            "open_app": self._open_app,
        }

    def attach(self, app: web.Application) -> None:
        loader = jinja2.FileSystemLoader(HERE / "templates")
        aiohttp_jinja2.setup(app, loader=loader, autoescape=True)
        app.router.add_static("/sim/static", HERE / "static")
        app.add_routes(
            [
                web.get("/", self.home),
                web.get("/sim", self.home),
                web.get("/sim/", self.shell),
                web.get("/sim/open", self.open_link),
                web.get("/sim/api/view", self.view),
                web.post("/sim/api/do", self.do),
                web.post("/sim/api/arrive", self.arrive),
                web.post("/sim/api/turn", self.turn),
                web.post("/sim/api/pace", self.pace),
            ]
        )

    async def home(self, request: web.Request) -> web.Response:
        raise web.HTTPFound("/sim/")

    async def shell(self, request: web.Request) -> web.Response:
        context = {
            "turnable": isinstance(self._sim.clock, TurnedClock),
            "bot_url": self._sim.callbacks.bot_url,
        }
        response = aiohttp_jinja2.render_template("chat.html", request, context)
        response.headers.update(SAFE)
        return response

    async def view(self, request: web.Request) -> web.Response:
        """Everything the page shows, in one answer: it asks once a second."""
        world = self._sim.world
        who, talk = request.query.get("who", ""), request.query.get("talk", "")
        since = request.query.get("since", "")
        journal = world.journal.since(int(since) if since.isdecimal() else max(0, len(world.journal) - 40))
        return web.json_response(
            {
                "now": phone.local(self._sim.clock.now()),
                "speed": self._sim.speed,
                "people": phone.people(world),
                "talks": phone.talks(world, who),
                "talk": phone.talk(world, who, talk),
                "ticker": [_tick(world, entry) for entry in journal[-40:]],
                "journal": len(world.journal),
                "groups": [{"id": one.id, "name": one.name} for one in world.groups.values()],
                "staff": [{"id": one.id, "name": one.name} for one in world.staff.values()],
            }
        )

    async def do(self, request: web.Request) -> web.Response:
        """One deed of one person."""
        wanted = await _wanted(request)
        who, deed = str(wanted.get("who", "")), self._deeds.get(str(wanted.get("deed", "")))
        if deed is None or (who not in self._sim.world.staff and who not in self._sim.world.members):
            raise web.HTTPBadRequest(text="unknown deed or person")
        try:
            deed(who, wanted)
        except (KeyError, ValueError) as mistake:
            raise web.HTTPBadRequest(text=str(mistake)) from mistake
        return web.json_response({})

    async def arrive(self, request: web.Request) -> web.Response:
        """A new person scans a staff member's code."""
        wanted = await _wanted(request)
        staff = str(wanted.get("staff") or next(iter(self._sim.world.staff), ""))
        if staff not in self._sim.world.staff:
            raise web.HTTPBadRequest(text="unknown staff")
        name = str(wanted.get("name") or "").strip()[:20] or f"新朋友{self._sim.world.number('arrival')}"
        member = self._sim.acts.meet(name)
        self._sim.acts.add_friend(member.id, staff, state=str(wanted.get("state") or "poster_demo")[:30])
        return web.json_response({"id": member.id, "staff": staff})

    async def turn(self, request: web.Request) -> web.Response:
        wanted = await _wanted(request)
        clock = self._sim.clock
        if not isinstance(clock, TurnedClock):
            raise web.HTTPBadRequest(text="real time cannot be turned")
        if wanted.get("to") == "saturday":
            await clock.turn_to(_saturday_evening(clock))
        else:
            seconds = wanted.get("seconds")
            if not isinstance(seconds, int) or not 0 < seconds <= MOST_TURN_S:
                raise web.HTTPBadRequest(text="seconds must be a positive whole number")
            await clock.turn(timedelta(seconds=seconds))
        return web.json_response({"now": phone.local(clock.now())})

    async def pace(self, request: web.Request) -> web.Response:
        speed = (await _wanted(request)).get("speed")
        if not isinstance(speed, int | float) or not 0 <= speed <= 100_000:
            raise web.HTTPBadRequest(text="speed must be a number from 0")
        self._sim.pace(float(speed))
        return web.json_response({"speed": self._sim.speed})

    async def open_link(self, request: web.Request) -> web.Response:
        """Open an address somebody was shown, on what is now their phone."""
        who, url = request.query.get("as", ""), request.query.get("url", "")
        if url not in phone.addresses(self._sim.world, who):
            raise web.HTTPNotFound(text="nobody was shown this address")
        response = web.Response(status=302, headers={"Location": url, "Cache-Control": "no-store"})
        response.set_cookie(WHO, who, path="/", samesite="Lax", httponly=True)
        for name in self._sim.visitor_cookies:
            for path in ("/", "/m", "/m/"):
                response.headers.add("Set-Cookie", f"{name}=; Path={path}; Max-Age=0; HttpOnly; SameSite=Lax")
        return response

    # deeds

    def _say(self, who: str, wanted: Wanted) -> None:
        text = str(wanted.get("text", "")).strip()[:2000]
        kind, _, rest = str(wanted["talk"]).partition("/")
        if not text or not phone.talk(self._sim.world, who, str(wanted["talk"])):
            raise ValueError("nothing to say, or nowhere to say it")
        acts = self._sim.acts
        match kind:
            case "group":
                acts.speak(rest, who, text)
            case "app":
                acts.tell(who, text, app=rest.rpartition("/")[0])
            case "aibot":
                self._sim.bots.say(who, text, bot=rest.rpartition("/")[0])
            case "internal":
                self._sim.bots.say(who, text, group=rest)
            case "kf":
                acts.speak_kf(who, rest.rpartition("/")[0], text)
            case "friend":
                staff, _, member = rest.partition("/")
                acts.write(who, member if who == staff else staff, text)
            case _:
                raise ValueError("nobody can speak there")

    def _tap(self, who: str, wanted: Wanted) -> None:
        kind, _, rest = str(wanted["talk"]).partition("/")
        if kind == "kf":
            account = rest.rpartition("/")[0]
            self._sim.acts.speak_kf(who, account, str(wanted["text"]), menu=str(wanted["key"]))
            return
        options = {str(q): [str(one) for one in ids] for q, ids in dict(wanted.get("options") or {}).items()}
        if kind in ("aibot", "internal"):
            group = rest if kind == "internal" else ""
            self._sim.bots.press(who, str(wanted["task"]), str(wanted["key"]), options, group=group)
            return
        app = rest.rpartition("/")[0]
        self._sim.acts.press_card(who, str(wanted["task"]), str(wanted["key"]), options=options, app=app)

    def _confirm(self, who: str, wanted: Wanted) -> None:
        self._sim.acts.confirm(who, str(wanted["task"]))

    def _enter_kf(self, who: str, wanted: Wanted) -> None:
        self._sim.acts.enter_kf(who, str(wanted["account"]))

    def _join(self, who: str, wanted: Wanted) -> None:
        self._sim.acts.join(str(wanted["group"]), who)

    def _leave(self, who: str, wanted: Wanted) -> None:
        self._sim.acts.leave(str(wanted["group"]), who)

    def _befriend(self, who: str, wanted: Wanted) -> None:
        self._sim.acts.add_friend(who, str(wanted["staff"]), state="poster_demo")

    def _unfriend(self, who: str, wanted: Wanted) -> None:
        self._sim.acts.drop_staff(who, str(wanted["staff"]))

    def _open_app(self, who: str, wanted: Wanted) -> None:
        self._sim.acts.open_app(who)


def _saturday_evening(clock: TurnedClock) -> Any:
    now = clock.now().astimezone(CHINA)
    evening = now.replace(hour=19, minute=30, second=0, microsecond=0)
    evening += timedelta(days=(SATURDAY - now.weekday()) % 7)
    return evening if evening > now else evening + timedelta(days=7)


def _tick(world: World, entry: dict[str, Any]) -> dict[str, Any]:
    """One line of the ticker: what happened, and whether it went well."""
    good = True
    match entry["what"]:
        case "callback":
            outcome = OUTCOMES.get(entry["outcome"], entry["outcome"])
            text = f"{entry['door']} · {_event(entry.get('plain', ''))} → {outcome}"
            good = entry["outcome"] == "acked"
        case "call":
            code = entry["answer"].get("errcode", entry.get("fault"))
            text, good = f"{entry['api']} → {code or 'ok'}", code == 0
        case "delivery":
            to = world.groups[entry["to"]].name if entry["to"] in world.groups else world.name_of(entry["to"])
            text = f"{to}：{entry['text'][:24]}"
        case "frame":
            text, good = f"{entry['cmd']} → {entry['code'] or 'ok'}", entry["code"] == 0
        case "poll":
            text = f"{entry['door']} · 取流式回复"
        case "aibot":
            text, good = f"{entry['bot']} 的回复不被接受：{entry['reason']}", False
        case "visit":
            text = f"{world.name_of(entry['who'])} {entry['method']} {urlsplit(entry['url']).path} → {entry['status']}"
            good = 0 < entry["status"] < 500
        case "verify":
            good = entry["outcome"] == "proved"
            text = f"{entry['door']} → {'通过' if good else entry['outcome']}"
        case _:
            text = _act(world, entry)
    return {"n": entry["n"], "at": _clock(entry["at"]), "what": entry["what"], "text": text, "good": good}


def _act(world: World, entry: dict[str, Any]) -> str:
    people = [entry[who] for who in ("member", "staff") if who in entry] + list(entry.get("people", []))
    names = "、".join(world.name_of(one) for one in people)
    group = world.groups.get(entry.get("group", ""))
    return " ".join(part for part in (_called(entry["act"]), names, group.name if group else "") if part)


def _called(act: str) -> str:
    """What people call a deed or notice; one without a word of its own goes by the platform's name."""
    return NOTICES[act].called if act in NOTICES else ACTS.get(act, act)


def _clock(at: str) -> str:
    return datetime.fromisoformat(at).astimezone(CHINA).strftime("%H:%M")


def _event(plain: str) -> str:
    """The event's own name for what changed."""
    if told := re.search(r'"eventtype": "(\w+)"', plain) or re.search(r'"msgtype": "(\w+)"', plain):
        return told[1]  # a 智能机器人 is told in JSON
    for element in ("UpdateDetail", "ChangeType", "Event"):
        found = re.search(rf"<{element}><!\[CDATA\[(.*?)\]\]>", plain)
        if found:
            return found[1]
    return "text"


async def _wanted(request: web.Request) -> Wanted:
    """The body; only JSON, so that no other site's form can act here."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    try:
        wanted = await request.json()
    except ValueError as mistake:
        raise web.HTTPBadRequest(text="no JSON") from mistake
    if not isinstance(wanted, dict):
        raise web.HTTPBadRequest(text="an object is wanted")
    return wanted
