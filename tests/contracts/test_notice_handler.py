"""What the platform says of itself reaches operators once, in words that say what to do."""

from __future__ import annotations

from datetime import datetime

import pytest

from sop.notice import CONCERNS, PlatformTold
from storage.engine import Connection, Database
from tests.contracts.heard import START, after, alarms, hear, told

EFFECT = ("EffectTime", "1774000000")  # 20 March 2026, 17:46 in Shanghai


def notice(name: str, *facts: tuple[str, str], at: datetime = START, id: str = "n") -> PlatformTold:
    return PlatformTold(at=at, id=id, name=name, app="qunxing", facts=facts)


LOUD = {
    "inactive_alert": ((EFFECT,), ("停用", "2026 年 3 月 20 日 17:46", "应用管理")),
    "close_inactive_agent": ((), ("已被企业微信停用", "重新启用")),
    "reopen_inactive_agent": ((), ("恢复收发消息",)),
    "low_active_alert": ((EFFECT,), ("客户数据", "2026 年 3 月 20 日 17:46", "应用管理")),
    "low_active": ((), ("现在都停了", "应用管理")),
    "active_restored": ((), ("可以重新使用客户数据",)),
    "customer_acquisition/balance_low": ((), ("不到 20 个", "补充额度")),
    "customer_acquisition/balance_exhausted": ((), ("用完了", "补充额度")),
    "customer_acquisition/balance_increased": ((), ("恢复可用",)),
    "customer_acquisition/quota_expire_soon": (
        (("ExpireTime", "1774000000"), ("ExpireQuotaNum", "30")),
        ("30 个额度", "3 月 20 日", "过期"),
    ),
    "customer_acquisition/link_unavailable": ((("LinkId", "ca1"),), ("ca1", "换上可用的员工")),
    "customer_acquisition/delete_link": ((("LinkId", "ca1"),), ("ca1", "新建链接")),
    "batch_job_result": (
        (("BatchJob.JobId", "j1"), ("BatchJob.ErrCode", "40001"), ("BatchJob.ErrMsg", "bad")),
        ("j1", "40001", "重新提交"),
    ),
}


def test_every_concern_has_its_words_tested() -> None:
    assert LOUD.keys() == CONCERNS.keys()


@pytest.mark.parametrize("name", LOUD)
async def test_operators_are_told_on_the_console_and_by_the_app(name: str, sqlite: Database) -> None:
    facts, words = LOUD[name]

    def life(connection: Connection) -> tuple[list[str], list[str]]:
        hear(connection, notice(name, *facts))
        return alarms(connection), told(connection)

    shown, written = await sqlite.write(life)

    assert shown == written
    (text,) = written
    assert all(word in text for word in words), text


async def test_the_same_news_told_twice_is_told_operators_once(db: Database) -> None:
    def life(connection: Connection) -> list[str]:
        first = notice("low_active_alert", EFFECT, id="1")
        hear(connection, first, notice("low_active_alert", EFFECT, at=after(days=1), id="2"))
        return told(connection)

    assert len(await db.write(life)) == 1


async def test_another_date_is_other_news(sqlite: Database) -> None:
    def life(connection: Connection) -> list[str]:
        later = notice("low_active_alert", ("EffectTime", "1775000000"), at=after(days=9), id="2")
        hear(connection, notice("low_active_alert", EFFECT, id="1"), later)
        return told(connection)

    assert len(await sqlite.write(life)) == 2


async def test_what_is_over_is_taken_off_the_console(db: Database) -> None:
    def life(connection: Connection) -> list[str]:
        hear(
            connection,
            notice("low_active_alert", EFFECT, id="1"),
            notice("low_active", at=after(days=18), id="2"),
            notice("active_restored", at=after(days=19), id="3"),
        )
        return alarms(connection)

    (left,) = await db.write(life)

    assert "可以重新使用客户数据" in left


async def test_a_date_nobody_can_read_is_told_vaguely(sqlite: Database) -> None:
    def life(connection: Connection) -> list[str]:
        hear(connection, notice("inactive_alert", ("EffectTime", "9" * 30)))
        return told(connection)

    (text,) = await sqlite.write(life)

    assert "将在不久停用" in text


@pytest.mark.parametrize(
    "name", ["scancode_push", "view", "open_approval_change", "change_contact/update_tag"]
)
async def test_what_concerns_nobody_is_logged_and_tells_nobody(name: str, sqlite: Database) -> None:
    def life(connection: Connection) -> tuple[list[str], list[str]]:
        hear(connection, notice(name))
        return alarms(connection), told(connection)

    assert await sqlite.write(life) == ([], [])


async def test_a_job_that_went_well_concerns_nobody(sqlite: Database) -> None:
    def life(connection: Connection) -> list[str]:
        hear(connection, notice("batch_job_result", ("BatchJob.ErrCode", "0")))
        return told(connection)

    assert await sqlite.write(life) == []
