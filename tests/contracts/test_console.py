"""What operators see and do."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sop.receipt import State
from storage import inbox
from storage.alarm import open_alarms
from storage.due import DueStore
from storage.operator import OperatorStore
from storage.outbox import OutboxStore
from storage.tables import score
from storage.tag import TagStore
from storage.zone import ZoneStore
from tests.contracts.operated import (
    ADMIN,
    GROUP,
    MEMBER,
    NOW,
    OPERATOR,
    Operated,
    first_alarm,
    message_in,
    operated,
)


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Operated]:
    async with operated(tmp_path) as one:
        await one.signs_in()
        yield one


# ---------------------------------------------------------------- groups


async def test_a_group_is_listed_with_its_score_and_its_light(console: Operated) -> None:
    page = await console.page("/groups")

    assert re.search(r'class="score green"[^>]*>62<', page)
    assert "和平时持平" in page


@pytest.mark.parametrize(
    ("label", "said"), [("observing", "观察中"), ("too_little", "数据太少"), ("partial", "数据不全")]
)
async def test_a_score_without_a_foundation_is_a_word_and_never_a_number(
    console: Operated, label: str, said: str
) -> None:
    await console.db.write(lambda c: c.execute(score.update().values(label=label)) and None)

    page = await console.page("/groups")

    assert said in page
    assert 'class="score' not in page


async def test_a_list_that_has_not_changed_is_not_sent_again(console: Operated) -> None:
    page = await console.page("/groups")
    address = re.search(r'hx-get="/console(/groups/live\?[^"]*)"', page)
    assert address

    same = await console.get(address.group(1).replace("&amp;", "&"))
    changed = await console.get("/groups/live?seen=other")

    assert (same.status, changed.status) == (204, 200)


async def test_an_alarm_goes_away_when_somebody_has_seen_it(console: Operated) -> None:
    number = await first_alarm(console.db)

    await console.does(f"/alarms/{number}/seen", back="/groups")

    assert await console.db.read(open_alarms) == []


async def test_a_group_page_tells_the_six_parts(console: Operated) -> None:
    page = await console.page(f"/groups/{GROUP}")

    assert [part for part in ("广度", "势头", "新人", "深度", "节奏", "回应") if part not in page] == []
    assert "会话存档" in page


# ---------------------------------------------------------------- members


async def test_members_are_found_by_name_and_tier(console: Operated) -> None:
    found = await console.page("/members?q=林&tier=potential")
    missed = await console.page("/members?q=林&tier=core")

    assert f"/console/members/{MEMBER}" in found
    assert "没有找到" in missed


async def test_a_tag_is_added_with_its_reason_and_told_to_the_operator(console: Operated) -> None:
    await console.does(f"/members/{MEMBER}/tags", tag="爱提问", do="add")

    tags = await console.db.read(lambda c: TagStore(c, NOW).of(MEMBER))
    assert ("爱提问", f"运营 {ADMIN} 在控制台操作") in [(tag.tag, tag.reason) for tag in tags]
    assert "已打上标签「爱提问」" in await console.page(f"/members/{MEMBER}")


@pytest.mark.parametrize("where", [f"/members/{MEMBER}", f"/groups/{GROUP}"])
async def test_a_time_zone_is_kept_and_a_wrong_one_answered_with_the_nearest(
    console: Operated, where: str
) -> None:
    await console.does(f"{where}/zone", zone="America/New_York")
    kept = await console.db.read(lambda c: ZoneStore(c).of([MEMBER], [GROUP]))

    await console.does(f"{where}/zone", zone="Amerika/New York")

    assert "America/New_York" in kept.values()
    assert "最像的是 America/New_York" in await console.page(where)
    assert 'value="America/New_York"' in await console.page(where)


async def test_a_tag_is_taken_off(console: Operated) -> None:
    await console.does(f"/members/{MEMBER}/tags", tag="小林", do="remove")

    assert await console.db.read(lambda c: TagStore(c, NOW).of(MEMBER)) == []


# ---------------------------------------------------------------- messages


async def test_the_three_steps_of_a_group_send_have_three_names(console: Operated) -> None:
    waiting = await console.page("/messages?tab=confirm")
    delivered = await console.page("/messages?tab=sent")

    assert "任务已创建，等待员工确认" in waiting
    assert "员工已确认，等待结果" in waiting
    assert "已送达" in delivered


async def test_every_state_of_the_ledger_has_a_tab(console: Operated) -> None:
    tabs = [
        await console.page(f"/messages?tab={tab}")
        for tab in ("waiting", "confirm", "sent", "refused", "review")
    ]

    listed = {int(number) for page in tabs for number in re.findall(r"/console/messages/(\d+)\"", page)}
    assert listed == {await message_in(console.db, state) for state in State}


@pytest.mark.parametrize(("do", "after"), [("delivered", State.SENT), ("again", State.WAITING)])
async def test_a_person_judges_what_nobody_knows(console: Operated, do: str, after: State) -> None:
    number = await message_in(console.db, State.UNKNOWN)

    await console.does(f"/messages/{number}/judge", do=do)

    entry = await console.db.read(lambda c: OutboxStore(c, NOW).get(number))
    assert entry is not None
    assert (entry.state, ADMIN in entry.reason) == (after, True)


@pytest.mark.parametrize("state", [state for state in State if state is not State.UNKNOWN])
async def test_what_is_known_cannot_be_judged(console: Operated, state: State) -> None:
    number = await message_in(console.db, state)

    await console.does(f"/messages/{number}/judge", do="again")

    entry = await console.db.read(lambda c: OutboxStore(c, NOW).get(number))
    assert entry is not None
    assert entry.state is state


@pytest.mark.parametrize(("do", "after", "waiting"), [("send", "late", ["晚上好"]), ("skip", "skipped", [])])
async def test_a_missed_step_is_sent_or_dropped_by_a_button_and_the_log_knows_who(
    console: Operated, do: str, after: str, waiting: list[str]
) -> None:
    assert "现在补发" in await console.page("/journeys")

    await console.does("/journeys/missed/1", do=do)

    (miss,) = await console.db.read(lambda c: DueStore(c).missed())
    said = await console.db.read(lambda c: OutboxStore(c, NOW).by_key("step:1:day1"))
    assert (miss.fate, ADMIN in miss.reason) == (after, True)
    assert ([said.message.content.text] if said else []) == waiting
    assert "错过的" in await console.page("/operators")
    assert "/journeys/missed/1" not in await console.page("/journeys")


# ---------------------------------------------------------------- parked, accounts


async def test_a_parked_update_is_handled_once_more(console: Operated) -> None:
    await console.does("/review/1/replay")

    assert (await console.db.read(inbox.counts))["parked"] == 0


async def test_an_account_is_added_and_can_sign_in(console: Operated) -> None:
    await console.does("/operators", name="新同事", password="a decent phrase", role="operator")

    async with console.another_browser() as other:
        assert (await other.signs_in("新同事", "a decent phrase")).status == 303


async def test_a_removed_account_is_out_at_once(console: Operated) -> None:
    async with console.another_browser() as other:
        await other.signs_in(OPERATOR)

        await console.does(f"/operators/{OPERATOR}", do="remove")

        assert (await other.get("/")).status == 303


@pytest.mark.parametrize("do", ["remove", "operator"])
async def test_the_last_administrator_stays(console: Operated, do: str) -> None:
    response = await console.does(f"/operators/{ADMIN}", do=do)

    assert (response.status, "至少要留一位管理员" in await response.text()) == (409, True)


async def test_what_operators_do_is_written_down(console: Operated) -> None:
    await console.does(f"/members/{MEMBER}/tags", tag="爱提问", do="add")

    deeds = await console.db.read(lambda c: OperatorStore(c, NOW).deeds())
    assert (ADMIN, "added a tag", f"{MEMBER}: 爱提问") in [
        (deed.who, deed.what, deed.detail) for deed in deeds
    ]
