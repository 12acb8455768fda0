"""微信客服 sessions and the archive's agreements, as the simulated platform keeps them."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bot.cipher import RsaKey
from bot.simulator.archive import StandInLibrary
from sop.errors import Refused
from tests.contracts.simulated import STAFF, Stage, on_stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with on_stage() as one:
        yield one


def account(stage: Stage) -> str:
    return next(iter(stage.sim.world.accounts))


async def asked(stage: Stage, api: str, member: str, **more: Any) -> dict[str, Any]:
    body = {"open_kfid": account(stage), "external_userid": member, **more}
    return await stage.call(f"kf/service_state/{api}", body, by="kf")


async def moved(stage: Stage, member: str, state: int, staff: str = "") -> int:
    answer = await asked(stage, "trans", member, service_state=state, servicer_userid=staff)
    return int(answer["errcode"])


async def items(stage: Stage) -> list[dict[str, Any]]:
    page = await stage.call("kf/sync_msg", {"open_kfid": account(stage)}, by="kf")
    return list(page["msg_list"])


WAYS = {(0, 2), (0, 3), (1, 2), (1, 3), (2, 3), (3, 3), (3, 4)}


@pytest.mark.parametrize("way", [(before, after) for before in range(5) for after in range(5)])
async def test_a_session_goes_the_written_ways_only(stage: Stage, way: tuple[int, int]) -> None:
    member = stage.acts.meet("甲").id
    stage.sim.world.rules.kf_all_ways = False
    stage.acts.kf.serve(STAFF, account(stage))
    stage.sim.world.accounts[account(stage)].sessions[member].state = way[0]

    assert await moved(stage, member, way[1], STAFF) == (0 if way in WAYS else 95016)


async def test_only_who_serves_and_is_on_duty_gets_a_session(stage: Stage) -> None:
    member = stage.acts.meet("甲").id
    stranger = await moved(stage, member, 3, STAFF)
    stage.acts.kf.serve(STAFF, account(stage), on_duty=False)
    off_duty = await moved(stage, member, 3, STAFF)
    stage.acts.kf.serve(STAFF, account(stage))

    assert (stranger, off_duty, await moved(stage, member, 3, STAFF)) == (95014, 95019, 0)
    assert (await asked(stage, "get", member))["servicer_userid"] == STAFF


async def test_our_own_move_brings_a_code_and_no_event(stage: Stage) -> None:
    member = stage.acts.meet("甲").id
    code = (await asked(stage, "trans", member, service_state=2))["msg_code"]
    menu = {"code": code, "msgtype": "msgmenu", "msgmenu": {"head_content": "x", "list": []}}
    words = {"code": code, "msgtype": "text", "text": {"content": "请稍等"}}

    codes = [await stage.code("kf/send_msg_on_event", body, by="kf") for body in (menu, words, words)]
    assert codes == [40008, 0, 40029]
    assert await items(stage) == []


async def test_people_s_moves_are_told_in_the_stream(stage: Stage) -> None:
    member, kf = stage.acts.meet("甲").id, stage.acts.kf
    kf.take(STAFF, member, account(stage))
    kf.write(STAFF, member, account(stage), "在")
    kf.end(STAFF, member, account(stage))

    told = await items(stage)
    assert [item.get("event", {}).get("change_type") for item in told] == [1, None, 3]
    assert (told[1]["origin"], told[1]["servicer_userid"]) == (5, STAFF)
    assert told[2]["event"]["msg_code"]


async def test_while_a_person_attends_nothing_is_taken_from_us(stage: Stage) -> None:
    member = stage.acts.meet("甲").id
    stage.acts.speak_kf(member, account(stage), "你好")
    message = {"touser": member, "open_kfid": account(stage), "msgtype": "text", "text": {"content": "在"}}
    stage.acts.kf.take(STAFF, member, account(stage))
    attended = await stage.code("kf/send_msg", message, by="kf")
    stage.acts.kf.end(STAFF, member, account(stage))
    ended = await stage.code("kf/send_msg", message, by="kf")
    stage.acts.speak_kf(member, account(stage), "还有")

    assert (attended, ended, await stage.code("kf/send_msg", message, by="kf")) == (95018, 95013, 0)


async def test_only_who_wrote_to_us_can_be_asked_about(stage: Stage) -> None:
    known, stranger = stage.acts.meet("甲"), stage.acts.meet("乙")
    stage.acts.speak_kf(known.id, account(stage), "你好")

    answer = await stage.call(
        "kf/customer/batchget", {"external_userid_list": [known.id, stranger.id]}, by="kf"
    )
    assert [one["unionid"] for one in answer["customer_list"]] == [known.unionid]
    assert answer["invalid_external_userid"] == [stranger.id]


async def test_what_was_said_more_than_three_days_ago_is_gone(stage: Stage) -> None:
    stage.acts.speak_kf(stage.acts.meet("甲").id, account(stage), "旧的")
    await stage.later(days=3, seconds=1)

    assert await items(stage) == []


async def test_accounts_given_and_taken_are_told_at_the_door(stage: Stage) -> None:
    stage.acts.trust("wkA", "wkB", removed=["wkC"])
    await stage.sim.quiet()

    (told,) = stage.receiver.heard
    assert told.plain.count("<AuthAddOpenKfId>") == 2
    assert (told.door, told.field("AuthDelOpenKfId")) == ("kf", "wkC")


# ---------------------------------------------------------------- the archive


async def test_each_member_of_a_group_says_whether_they_agreed(stage: Stage) -> None:
    group = stage.acts.create_group(STAFF, "新手答疑群")
    yes, no = stage.acts.meet("甲"), stage.acts.meet("乙", archived=False)
    stage.acts.join(group, yes.id, no.id)

    answer = await stage.call("msgaudit/check_room_agree", {"roomid": group}, by="archive")
    assert {one["exteranalopenid"]: one["agree_status"] for one in answer["agreeinfo"]} == {
        yes.id: "Agree",
        no.id: "Disagree",
    }


async def test_a_chat_with_an_employee_is_asked_about_by_pairs(stage: Stage) -> None:
    member, _ = stage.friend()
    pair = {"userid": STAFF, "exteranalopenid": member}
    answer = await stage.call("msgaudit/check_single_agree", {"info": [pair]}, by="archive")
    crowd = await stage.code("msgaudit/check_single_agree", {"info": [pair] * 101}, by="archive")

    assert [one["agree_status"] for one in answer["agreeinfo"]] == ["Agree"]
    assert crowd == 301060


async def test_deciding_is_a_record_wherever_it_counts(stage: Stage) -> None:
    group = stage.acts.create_group(STAFF, "新手答疑群")
    member, _ = stage.friend()
    stage.acts.join(group, member)
    stage.acts.archive.decide(member, agreed=False)
    stage.acts.speak(group, member, "别记我")

    records = stage.sim.world.archive
    assert [(record["msgtype"], record["roomid"]) for record in records] == [
        ("disagree", group),
        ("disagree", ""),
    ]


async def test_sealed_records_open_with_the_key_of_their_version_only(stage: Stage) -> None:
    group = stage.acts.create_group(STAFF, "新手答疑群")
    stage.acts.speak(group, STAFF, "早")
    (old, _), (new, _) = RsaKey.made(), RsaKey.made()
    library = StandInLibrary(stage.sim.world, {1: old, 2: new})

    (record,) = json.loads(library.chat_data(0, 1000, 10))["chatdata"]
    key = new.open(base64.b64decode(record["encrypt_random_key"]))
    assert (record["seq"], record["publickey_ver"]) == (1, 2)
    assert json.loads(library.decrypt(key, record["encrypt_chat_msg"]))["text"] == {"content": "早"}
    with pytest.raises(Refused):
        library.decrypt(base64.b64encode(b"x" * 32), record["encrypt_chat_msg"])


async def test_sealed_records_too_are_gone_after_five_days(stage: Stage) -> None:
    group = stage.acts.create_group(STAFF, "新手答疑群")
    stage.acts.speak(group, STAFF, "旧的")
    await stage.clock.turn(timedelta(days=5, hours=1))

    assert (
        json.loads(StandInLibrary(stage.sim.world, {1: RsaKey.made()[0]}).chat_data(0, 9, 1))["chatdata"]
        == []
    )
