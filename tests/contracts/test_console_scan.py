"""Signing in by a scan with WeCom: who may, who may not and whom they are sent to, and what nobody can replay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import ClientResponse

from bot.gateway import Identity
from sop.errors import Conflict, Unanswered
from storage.operator import OperatorStore
from tests.contracts.operated import ADMIN, OPERATOR, Codes, Operated, operated

SUHE = Identity(staff="suhe")


@pytest.fixture
def platform() -> Codes:
    return Codes(good=SUHE, stranger=Identity(openid="o1"), member=Identity(member="wm-lin", openid="o2"))


@pytest.fixture
async def console(tmp_path: Path, platform: Codes) -> AsyncIterator[Operated]:
    async with operated(tmp_path, platform=platform) as one:
        yield one


async def is_account_of(console: Operated, staff: str, name: str = OPERATOR) -> None:
    now = console.wall.now()
    await console.db.write(lambda c: OperatorStore(c, now).name_staff(name, staff))


async def begins(console: Operated, to: str = "") -> dict[str, str]:
    """Off to the login page; what it was asked."""
    answer = await console.get(f"/scan{to}")
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


async def comes_back(console: Operated, code: str, asked: dict[str, str], **changed: str) -> ClientResponse:
    back = urlsplit({**asked, **changed}["redirect_uri"])
    state = {**asked, **changed}["state"]
    return await console.get(f"{back.path.removeprefix('/console')}?{back.query}&code={code}&state={state}")


async def test_the_way_leads_to_wecoms_login_page(console: Operated) -> None:
    answer = await console.get("/scan")

    address = urlsplit(answer.headers["Location"])
    asked = {name: values[0] for name, values in parse_qs(address.query).items()}
    state = asked.pop("state")
    assert (
        f"{address.scheme}://{address.netloc}{address.path}"
        == "https://login.work.weixin.qq.com/wwlogin/sso/login"
    )
    assert asked == {
        "login_type": "CorpApp", "appid": "wwCorp", "agentid": "1000002", "lang": "zh",
        "redirect_uri": "http://bot.example.org/console/scan/back?next=%2Fconsole%2F",
    }  # fmt: skip
    assert state.isalnum()
    assert len(state) <= 128


async def test_an_operator_who_scans_is_in(console: Operated) -> None:
    await is_account_of(console, "SuHe")

    answer = await comes_back(console, "good", await begins(console, "?next=/console/groups"))

    assert (answer.status, answer.headers["Location"]) == (303, "/console/groups")
    assert OPERATOR in await console.page("/")


async def test_staff_without_an_account_are_told_whom_to_ask(console: Operated) -> None:
    answer = await comes_back(console, "good", await begins(console))

    said = await answer.text()
    assert answer.status == 403
    assert ADMIN in said
    assert "<code>suhe</code>" in said
    assert (await console.get("/")).status == 303


@pytest.mark.parametrize("code", ["stranger", "member"])
async def test_who_is_not_staff_is_no_operator(console: Operated, code: str) -> None:
    answer = await comes_back(console, code, await begins(console))

    assert answer.status == 403
    assert "只有本企业的员工" in await answer.text()


async def test_a_code_works_once(console: Operated, platform: Codes) -> None:
    await is_account_of(console, "suhe")
    asked = await begins(console)
    await comes_back(console, "good", asked)

    async with console.another_browser() as thief:
        again = await comes_back(thief, "good", await begins(thief))

    assert again.status == 400
    assert "用过或已过期" in await again.text()


async def test_the_way_back_works_once_even_with_another_code(console: Operated, platform: Codes) -> None:
    await is_account_of(console, "suhe")
    asked = await begins(console)
    await comes_back(console, "good", asked)
    platform.codes["second"] = SUHE

    assert (await comes_back(console, "second", asked)).status == 400


async def test_a_login_begun_in_another_browser_counts_for_nothing(console: Operated) -> None:
    await is_account_of(console, "suhe")

    async with console.another_browser() as attacker:
        asked = await begins(attacker)
    answer = await comes_back(console, "good", asked)

    assert answer.status == 400
    assert (await console.get("/")).status == 303


async def test_five_minutes_later_the_scan_is_too_late(console: Operated) -> None:
    await is_account_of(console, "suhe")
    asked = await begins(console)

    await console.wall.turn(timedelta(seconds=301))

    assert (await comes_back(console, "good", asked)).status == 400


@pytest.mark.parametrize("to", ["https://evil.example", "//evil.example", "/console/\\evil", "/m/"])
async def test_a_scan_leads_into_the_console_only(console: Operated, to: str) -> None:
    await is_account_of(console, "suhe")
    asked = await begins(console)

    changed = f"http://bot.example.org/console/scan/back?next={to}"
    answer = await comes_back(console, "good", asked, redirect_uri=changed)

    assert (answer.status, answer.headers["Location"]) == (303, "/console/")


async def test_a_suspended_account_stays_out_by_scan_and_by_password(console: Operated) -> None:
    await is_account_of(console, "suhe")
    await console.signs_in(OPERATOR)
    now = console.wall.now()

    await console.db.write(lambda c: OperatorStore(c, now).suspend_staff("suhe"))

    assert (await console.get("/")).status == 303
    assert (await comes_back(console, "good", await begins(console))).status == 403
    assert (await console.signs_in(OPERATOR)).status == 401


async def test_when_wecom_is_away_the_password_is_offered(console: Operated, platform: Codes) -> None:
    async def away(code: str) -> Identity:
        raise Unanswered("没有回应")

    platform.who = away  # type: ignore[method-assign]

    answer = await comes_back(console, "good", await begins(console))

    assert answer.status == 503
    assert "用密码登录" in await answer.text()


async def test_an_employee_has_one_account(console: Operated) -> None:
    await is_account_of(console, "suhe")

    with pytest.raises(Conflict):
        await is_account_of(console, "SUHE", ADMIN)


async def test_an_administrator_names_the_employee_of_an_account(console: Operated) -> None:
    await console.signs_in()

    await console.does(f"/operators/{OPERATOR}", do="staff", staff="SuHe")
    taken = await console.does(f"/operators/{ADMIN}", do="staff", staff="suhe")

    assert taken.status == 409
    assert "已经是「阿宁」的了" in await taken.text()
    assert 'value="suhe"' in await console.page("/operators")
