"""What a step attaches reaches people beside its words; what can't be had is left out and told, and the words go out."""

from __future__ import annotations

from typing import Any

from sop.message import Form
from tests.world import Person, World, july

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
PLAN = """
id = "class"
name = "手冲课"

[trigger]
on = "friend.added"

[audience]
everyone = true

[[step]]
id = "only"
when = { day = 1, time = 19:30:00 }
text = "明天见"

[[step.attach]]
kind = "image"
file = "海报.png"

[[step.attach]]
kind = "link"
url = "https://example.com/class"
title = "第 {{ day }} 天的课"

[[step.attach]]
kind = "mini_program"
app_id = "wx1"
page = "pages/class"
title = "报名"
file = "封面.png"
"""


async def lives_on(world: World) -> Person:
    await world.publishes(text=PLAN)
    lin = await world.befriends("小林")
    await world.leap_to(july(3, "19:29"))
    await world.turn(minutes=5)
    await world.confirms_all()
    return lin


def attachments(world: World) -> list[dict[str, Any]]:
    [task] = world.sim.world.tasks.values()
    return task.attachments


async def test_a_picture_a_link_and_a_mini_program_go_beside_the_words(world: World) -> None:
    for name, body in (("海报.png", PNG), ("封面.png", PNG + b"!")):
        await world.change(lambda tx, name=name, body=body: tx.media.keep(Form.IMAGE, name, body))  # type: ignore[misc]

    lin = await lives_on(world)

    picture, link, mini = attachments(world)
    assert lin.heard_from("linmo")[0] == "明天见"
    assert (picture["msgtype"], bool(picture["image"])) == ("image", True)
    assert link["link"]["title"] == "第 1 天的课"
    assert "/l/" in link["link"]["url"]  # counted when it is opened
    assert (mini["miniprogram"]["appid"], bool(mini["miniprogram"]["pic_media_id"])) == ("wx1", True)


async def test_a_file_that_is_not_there_is_left_out_and_told(world: World) -> None:
    await world.change(lambda tx: tx.media.keep(Form.IMAGE, "封面.png", PNG))

    lin = await lives_on(world)

    assert lin.heard_from("linmo")[0] == "明天见"
    assert [one["msgtype"] for one in attachments(world)] == ["link", "miniprogram"]
    [said] = await lin.pushes()
    assert said.message.why == (
        "「手冲课」的「only」，少了附件「海报.png」（素材库里没有这个文件，用 qunxing media add 放进来）"
    )
