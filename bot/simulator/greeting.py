"""The library of greetings 入群欢迎语 (developer.work.weixin.qq.com path 92366); what groups use is their owners' choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.simulator.calls import Answer, Api, Call, Refusal
from bot.simulator.world import Greeting

MOST, MOST_BYTES = 100, 3000
CARDS = ("image", "link", "miniprogram", "file", "video")  # of several, the first of this order counts


def add(call: Call) -> Answer:
    if len(call.world.greetings) >= MOST:
        raise Refusal(41055)
    content = _content(call)
    call.number("notify", default=1, most=1)
    one = Greeting(call.world.id("gwQX"), content, by=call.holder.name)
    call.world.greetings[one.id] = one
    return {"template_id": one.id}


def edit(call: Call) -> Answer:
    _own(call).content = _content(call)
    return {}


def get(call: Call) -> Answer:
    return dict(_own(call).content)


def delete(call: Call) -> Answer:
    call.world.greetings.pop(_own(call).id)
    return {}


def _content(call: Call) -> Mapping[str, Any]:
    text = str(call.part("text").get("content") or "")
    if len(text.encode()) > MOST_BYTES:
        raise Refusal(45002, "text.content")
    card = next((sort for sort in CARDS if call.body.get(sort)), "")
    if not text and not card:
        raise Refusal(44004, "text and card")
    if card == "link" and not (call.part("link").get("title") and call.part("link").get("url")):
        raise Refusal(40035, "link needs title and url")
    words = {"text": {"content": text}} if text else {}
    return {**words, **({card: dict(call.part(card))} if card else {})}


def _own(call: Call) -> Greeting:
    known = call.world.greetings.get(call.text("template_id"))
    if known is None:
        raise Refusal(40035, "template_id")
    if known.by != call.holder.name:
        raise Refusal(41058)
    return known


CALLS = {
    f"externalcontact/group_welcome_template/{name}": Api("POST", does)
    for name, does in (("add", add), ("edit", edit), ("get", get), ("del", delete))
}
