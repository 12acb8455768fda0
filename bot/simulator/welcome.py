"""The welcome: one message for one code, within twenty seconds (developer.work.weixin.qq.com path 92137)."""

from __future__ import annotations

from bot.simulator.calls import Answer, Api, Call, Refusal, content_of
from bot.simulator.media import check_attachments
from bot.simulator.talks import deliver, show
from bot.simulator.world import OneUse, friend_talk

WELCOME_S = 20


def send(call: Call) -> Answer:
    code = call.world.codes.get(call.text("welcome_code"))
    text, attachments = content_of(call)
    check_attachments(call.world, attachments)
    if code is None or code.about.get("kind") != "WCODE":
        raise Refusal(41050)
    _may_use(call, code)
    code.used, code.busy_for = True, call.holder.name
    call.after.append(lambda: _not_busy(code))
    staff, member = code.about["staff"], code.about["member"]
    call.world.friendships[staff, member].welcomed = True
    show(call.world, friend_talk(staff, member), staff, text, attachments, welcome=True)
    deliver(call.world, "welcome", member, text, staff=staff, code=code.code)
    return {}


def _may_use(call: Call, code: OneUse) -> None:
    if code.busy_for and code.busy_for != call.holder.name:
        raise Refusal(41096)
    bond = call.world.friendships.get((code.about["staff"], code.about["member"]))
    if code.used or (bond is not None and bond.chatted):
        raise Refusal(41051)
    if bond is None or call.now >= code.expires:
        raise Refusal(41050)


def _not_busy(code: OneUse) -> None:
    code.busy_for = ""


CALLS = {"externalcontact/send_welcome_msg": Api("POST", send)}
