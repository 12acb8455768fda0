"""Member pages as people use them: mostly on a phone, with one thumb."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, async_playwright, expect

from bot.gateway import Identity
from storage.engine import Database
from tests.contracts.visited import MEMBER, Visited, visited

pytestmark = pytest.mark.services

DESK, PHONE = (1280, 850), (390, 844)
ADDRESSES = (
    "/m/", "/m/poll/poll", "/m/poll/question", "/m/checkin", "/m/coupon/welcome", "/m/preferences", "/m/article/growth-1",
)  # fmt: skip
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


class Thumb:
    """Somebody's browser, with everything it complained about."""

    def __init__(self, page: Page, pages: Visited) -> None:
        self.page, self.pages = page, pages
        self.complaints: list[str] = []
        page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def opens(self, path: str) -> None:
        await self.page.goto(str(self.pages.server.make_url(path)))

    async def overflow(self) -> int:
        return int(
            await self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )


@asynccontextmanager
async def thumb(pages: Visited, chromium: str, size: tuple[int, int]) -> AsyncIterator[Thumb]:
    """A browser in which 小林 has come through the login."""
    phone = pages.phone(Identity(member=MEMBER))
    await phone.reads("/m/")
    home = str(pages.server.make_url("/"))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = await browser.new_context(viewport={"width": size[0], "height": size[1]})
        await context.grant_permissions(["clipboard-read", "clipboard-write"])
        await context.add_cookies(
            [{"name": one.key, "value": one.value, "url": home} for one in phone.client.cookie_jar]
        )
        yield Thumb(await context.new_page(), pages)
        await browser.close()


@pytest.fixture
async def pages(sqlite: Database) -> AsyncIterator[Visited]:
    async with visited(sqlite) as opened:
        yield opened


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_every_page_fits_and_nothing_complains(
    pages: Visited, chromium: str, size: tuple[int, int]
) -> None:
    async with thumb(pages, chromium, size) as lin:
        for address in ADDRESSES:
            await lin.opens(address)

            assert await lin.overflow() <= 0, address
            await expect(lin.page.locator("h1")).to_be_visible()
        assert lin.complaints == []


async def test_one_tap_votes_and_another_changes_it(pages: Visited, chromium: str) -> None:
    async with thumb(pages, chromium, PHONE) as lin:
        await lin.opens("/m/poll/poll")
        await lin.page.click("text=茶，慢慢来")
        await expect(lin.page.get_by_role("status")).to_contain_text("茶，慢慢来")
        await lin.page.click("text=美式，越苦越清醒")

        await expect(lin.page.locator(".chosen")).to_contain_text("美式")
        await expect(lin.page.locator(".chosen b")).to_have_text("100%")
        assert lin.complaints == []


async def test_a_coupon_is_claimed_and_copied(pages: Visited, chromium: str) -> None:
    async with thumb(pages, chromium, PHONE) as lin:
        await lin.opens("/m/coupon/welcome")
        await lin.page.click("text=立即领取")
        await lin.page.click("text=复制券码")

        await expect(lin.page.locator("[data-copy]")).to_have_text("已复制")
        assert await lin.page.evaluate("navigator.clipboard.readText()") == "QX-8K2M-01"


async def test_a_star_lights_up_for_today(pages: Visited, chromium: str) -> None:
    async with thumb(pages, chromium, PHONE) as lin:
        await lin.opens("/m/checkin")
        await lin.page.click("button.glow")

        await expect(lin.page.locator(".calendar .today.lit")).to_have_text("2")
