"""Who may come in, for how long, and what a stranger learns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from storage.operator import OperatorStore
from tests.contracts.operated import ADMIN, NOW, OPERATOR, PASSWORD, Operated, operated


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Operated]:
    async with operated(tmp_path) as one:
        yield one


@pytest.mark.parametrize("path", ["/", "/groups", "/groups/no-such", "/no-such-page", "/operators"])
async def test_a_stranger_is_sent_to_sign_in_wherever_they_knock(console: Operated, path: str) -> None:
    response = await console.get(path)

    assert response.status == 303
    assert response.headers["Location"].startswith("/console/login")


async def test_the_right_password_opens_the_door(console: Operated) -> None:
    response = await console.signs_in()

    assert (response.status, response.headers["Location"]) == (303, "/console/")
    assert "今日" in await console.page("/")


async def test_a_wrong_password_and_an_unknown_name_are_answered_alike(console: Operated) -> None:
    wrong = await console.signs_in(password="not the password")
    unknown = await console.signs_in(name="nobody", password="not the password")

    assert (wrong.status, unknown.status) == (401, 401)
    assert "账号或密码不对" in await wrong.text()
    assert "账号或密码不对" in await unknown.text()


async def test_the_account_of_who_left_opens_nothing_until_it_is_restored(console: Operated) -> None:
    await console.db.write(lambda c: OperatorStore(c, NOW).suspend_staff(OPERATOR))
    refused = await console.signs_in(name=OPERATOR)
    await console.signs_in(name=ADMIN)

    await console.does(f"/operators/{OPERATOR}", do="restore")

    async with console.another_browser() as browser:
        allowed = await browser.signs_in(name=OPERATOR)
    assert (refused.status, allowed.status) == (401, 303)


async def test_after_five_failures_even_the_right_password_waits(console: Operated) -> None:
    for _ in range(5):
        await console.signs_in(password="not the password")

    refused = await console.signs_in()
    await console.wall.turn(timedelta(seconds=6))
    allowed = await console.signs_in()

    assert (refused.status, allowed.status) == (429, 303)


async def test_a_form_that_is_not_ours_cannot_sign_anybody_in(console: Operated) -> None:
    await console.page("/login")

    response = await console.post("/login", name="小陈", password=PASSWORD, knock="guessed")

    assert response.status == 403


async def test_the_session_is_hidden_from_scripts_and_other_sites(console: Operated) -> None:
    response = await console.signs_in()

    cookie = response.cookies["qunxing_session"]
    assert (bool(cookie["httponly"]), cookie["samesite"], cookie["path"]) == (True, "Lax", "/console")


async def test_every_sign_in_begins_a_new_session_and_ends_the_one_before(console: Operated) -> None:
    first = (await console.signs_in()).cookies["qunxing_session"].value
    await console.post("/logout", csrf=await console.token())
    second = (await console.signs_in()).cookies["qunxing_session"].value

    assert first != second
    assert await _reaches(console, first) is False


async def test_signing_out_ends_the_session_wherever_its_cookie_was_copied(console: Operated) -> None:
    copied = (await console.signs_in()).cookies["qunxing_session"].value
    before = await _reaches(console, copied)

    await console.does("/logout")

    assert (before, await _reaches(console, copied)) == (True, False)


async def test_a_session_ends_after_twelve_quiet_hours(console: Operated) -> None:
    await console.signs_in()

    await console.wall.turn(timedelta(hours=12, seconds=1))

    assert (await console.get("/")).status == 303


async def test_a_session_in_use_goes_on(console: Operated) -> None:
    await console.signs_in()

    for _ in range(4):
        await console.wall.turn(timedelta(hours=7))
        assert (await console.get("/")).status == 200


async def test_a_community_that_lives_fast_does_not_sign_anybody_out(console: Operated) -> None:
    await console.signs_in()

    await console.clock.turn(timedelta(days=30))

    assert (await console.get("/")).status == 200


async def test_a_new_password_signs_every_other_browser_out(console: Operated) -> None:
    async with console.another_browser() as other:
        await other.signs_in()
        await console.signs_in()

        await console.does(
            "/account", password=PASSWORD, fresh="another good phrase", again="another good phrase"
        )

        assert ((await console.get("/")).status, (await other.get("/")).status) == (200, 303)


@pytest.mark.parametrize(
    "to", ["https://evil.example", "//evil.example", "/console/\\evil.example", "javascript:x"]
)
async def test_signing_in_never_leads_to_another_site(console: Operated, to: str) -> None:
    response = await console.signs_in(to=f"?next={to}")

    assert response.headers["Location"] == "/console/"


async def test_signing_in_leads_back_to_where_one_wanted_to_go(console: Operated) -> None:
    response = await console.signs_in(to="?next=/console/groups%3Fsort%3Dname")

    assert response.headers["Location"] == "/console/groups?sort=name"


async def test_a_live_part_tells_the_browser_to_sign_in_again(console: Operated) -> None:
    response = await console.get("/groups/live", **{"HX-Request": "true"})

    assert (response.status, response.headers["HX-Redirect"]) == (401, "/console/login")


async def _reaches(console: Operated, identity: str) -> bool:
    """Whether somebody who holds only this cookie gets in."""
    async with console.another_browser() as other:
        return (await other.get("/groups", Cookie=f"qunxing_session={identity}")).status == 200
