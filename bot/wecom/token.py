"""Access tokens: one fetch for everybody who wants the same one, and patience with one that is refused.

A token is shared through ``storage/shared.py``, fetched by whoever holds the lock, renewed before it ends.
A platform that refuses is asked less and less often. Too many wrong secrets ban the address for an hour
(developer.work.weixin.qq.com path 90313, number 45009): so a wrong one is hardly tried again, and a banned address
asks for no token at all.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.chance import Chance
from bot.clock import Clock
from bot.outgoing import Outgoing
from bot.wecom.credential import Credential
from bot.wecom.errcode import Action, Asked, action_of, error_of
from sop.errors import Blocked, Busy, SendError, Unanswered
from storage.shared import Shared

log = structlog.get_logger()

EARLY_S = 300.0
LOCK_S = 15.0
PEEK_S = 0.05  # real seconds between looks at what another process is fetching
PASSING_WAIT_S, LONGEST_WAIT_S = 1.0, 600.0  # doubled with every failure
STOPPED_WAIT_S = 60.0  # likewise
WRONG = frozenset({40001, 40013})
WRONG_WAIT_S = (600.0, 3600.0)  # a wrong secret is not cured by asking, and asking counts
REMEMBER = timedelta(hours=2)
BAN = "trouble:address"  # of the address we ask from, so of every secret


@dataclass(frozen=True)
class Token:
    """A token, when to fetch the next one, and when it ends."""

    text: str = field(repr=False)
    renew_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Trouble:
    """How often in a row we got no usable token, why, and until when nobody asks again."""

    failures: int
    until: datetime
    reason: str
    code: int
    stops: bool

    def error(self, now: datetime) -> SendError:
        kind = Blocked if self.stops else Busy
        return kind(self.reason, code=self.code, retry_after=(self.until - now).total_seconds())


@dataclass
class _Purse:
    """What this process holds for one credential."""

    token: Token | None = None
    accepted: str = field(default="", repr=False)  # the last token an API took
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass
class Tokens:
    """Gives a valid token for a credential; ``SendError`` says why there is none, and nothing was sent."""

    address: str  # of gettoken
    outgoing: Outgoing
    clock: Clock
    chance: Chance
    shared: Shared
    _purses: dict[str, _Purse] = field(default_factory=dict, repr=False)

    async def get(self, credential: Credential) -> str:
        purse = self._purse(credential)
        if purse.token is None or self.clock.now() >= purse.token.renew_at:
            async with purse.turn:
                if purse.token is None or self.clock.now() >= purse.token.renew_at:
                    await self._refresh(credential, purse)
        assert purse.token is not None
        return purse.token.text

    async def renew(self, credential: Credential, refused: str) -> str:
        """A token other than ``refused``, which an API did not take."""
        purse = self._purse(credential)
        async with purse.turn:
            if purse.token is not None and purse.token.text == refused:
                await self._throw_away(credential, purse)
            if purse.token is None:
                await self._refresh(credential, purse)
        assert purse.token is not None
        return purse.token.text

    async def took(self, credential: Credential, token: str) -> None:
        """An API took ``token``; whatever was wrong before is over."""
        purse = self._purse(credential)
        if purse.accepted != token:
            purse.accepted = token
            await self.shared.forget(_trouble(credential))

    # ------------------------------------------------------------ one fetch for all

    async def _refresh(self, credential: Credential, purse: _Purse) -> None:
        """Adopt what another process fetched, or fetch for all."""
        owner = self.chance.token()
        for _ in range(int(LOCK_S / PEEK_S)):
            if await self._adopt(credential, purse):
                return
            if await self._may_fetch(credential, owner):
                break
            if self._still_good(purse):
                return
            await asyncio.sleep(PEEK_S)
        else:
            raise Busy("另一个进程正在获取访问凭证", retry_after=1.0)
        try:
            if not await self._adopt(credential, purse):
                await self._fetch(credential, purse)
        finally:
            await self.shared.unlock(_name(credential), owner)

    async def _may_fetch(self, credential: Credential, owner: str) -> bool:
        now = self.clock.now()
        return await self.shared.lock(_name(credential), owner, now + timedelta(seconds=LOCK_S), now)

    async def _adopt(self, credential: Credential, purse: _Purse) -> bool:
        token = await self._stored(credential)
        if token is None or self.clock.now() >= token.renew_at:
            return False
        purse.token = token
        return True

    async def _stored(self, credential: Credential) -> Token | None:
        kept = await self.shared.get(_name(credential), self.clock.now())
        if kept is None:
            return None
        text, renew_at, ends_at = json.loads(kept)
        return Token(text, datetime.fromisoformat(renew_at), datetime.fromisoformat(ends_at))

    async def _throw_away(self, credential: Credential, purse: _Purse) -> None:
        refused, purse.token = purse.token, None
        stored = await self._stored(credential)
        if refused is None:
            return
        if stored is not None and stored.text == refused.text:
            await self.shared.forget(_name(credential))
        if purse.accepted != refused.text:  # a token nobody ever took is no better than none
            await self._failed(credential, Blocked("企业微信不接受新取得的访问凭证"))

    def _still_good(self, purse: _Purse) -> bool:
        return purse.token is not None and self.clock.now() < purse.token.ends_at

    async def _fetch(self, credential: Credential, purse: _Purse) -> None:
        try:
            await self._be_patient(credential)
            purse.token = await self._asked(credential)
        except SendError as error:
            if not self._still_good(purse):
                raise
            log.warning("token not renewed yet", section=credential.section, reason=error.reason)
            return
        token = purse.token
        told = json.dumps([token.text, token.renew_at.isoformat(), token.ends_at.isoformat()])
        await self.shared.put(_name(credential), told, token.ends_at, self.clock.now())

    async def _asked(self, credential: Credential) -> Token:
        query = {"corpid": credential.corp_id, "corpsecret": credential.secret}
        try:
            answer = await self.outgoing.json("GET", self.address, query=query)
            return self._token(credential, answer)
        except Unanswered as error:  # the question for a token is unanswered; what it was for never left
            raise await self._failed(credential, Busy(error.reason)) from error
        except SendError as error:
            raise await self._failed(credential, error) from error

    def _token(self, credential: Credential, answer: dict[str, Any]) -> Token:
        code, text = int(answer.get("errcode") or 0), answer.get("access_token")
        if code or not isinstance(text, str) or not text:
            log.warning("token refused", section=credential.section, code=code, said=answer.get("errmsg"))
            raise _refusal(code, str(answer.get("errmsg") or ""), credential)
        lives = max(1.0, float(answer.get("expires_in") or 7200))
        early = min(EARLY_S, lives / 2) * (0.2 + 0.8 * self.chance.fraction())
        now = self.clock.now()
        return Token(text, now + timedelta(seconds=lives - early), now + timedelta(seconds=lives))

    # ------------------------------------------------------------ patience

    async def _failed(self, credential: Credential, error: SendError) -> SendError:
        """Count a failure for everybody, and give back the error that says how long to wait."""
        name = BAN if _is_ban(error) else _trouble(credential)
        before = await self._troubled(name)
        failures = before.failures if before else 0
        wait = self._wait(error, failures)
        now = self.clock.now()
        trouble = Trouble(
            failures + 1, now + timedelta(seconds=wait), error.reason, error.code, isinstance(error, Blocked)
        )
        told = json.dumps({**asdict(trouble), "until": trouble.until.isoformat()}, ensure_ascii=False)
        await self.shared.put(name, told, now + REMEMBER, now)
        return trouble.error(now)

    def _wait(self, error: SendError, failures: int) -> float:
        """The first token refused by an API costs no wait, since any may end early; then ever longer."""
        if error.code in WRONG:
            return WRONG_WAIT_S[min(failures, len(WRONG_WAIT_S) - 1)]
        refused_by_api = isinstance(error, Blocked) and error.code == 0
        if refused_by_api:
            return min(PASSING_WAIT_S * 2.0**failures, LONGEST_WAIT_S) if failures else 0.0
        first = STOPPED_WAIT_S if isinstance(error, Blocked) else PASSING_WAIT_S
        return max(min(first * 2.0**failures, LONGEST_WAIT_S), error.retry_after)

    async def _be_patient(self, credential: Credential) -> None:
        for name in (BAN, _trouble(credential)):
            trouble, now = await self._troubled(name), self.clock.now()
            if trouble is not None and now < trouble.until:
                raise trouble.error(now)

    async def _troubled(self, name: str) -> Trouble | None:
        kept = await self.shared.get(name, self.clock.now())
        if kept is None:
            return None
        told = json.loads(kept)
        return Trouble(**{**told, "until": datetime.fromisoformat(told["until"])})

    def _purse(self, credential: Credential) -> _Purse:
        return self._purses.setdefault(credential.key, _Purse())


def _name(credential: Credential) -> str:
    return f"token:{credential.key}"


def _trouble(credential: Credential) -> str:
    return f"trouble:{credential.key}"


def _is_ban(error: SendError) -> bool:
    return action_of(error.code, Asked.TOKEN) is Action.WINDOW


def _refusal(code: int, said: str, credential: Credential) -> SendError:
    """At gettoken a bad secret, corp or address stops us; what is busy passes."""
    if not code:
        return Busy("企业微信没有给出访问凭证", retry_after=5.0)
    error = error_of(code, Asked.TOKEN, said=said) or Busy("企业微信没有给出访问凭证", retry_after=5.0)
    reason = f"{error.reason}（配置 {credential.section}）"
    return type(error)(reason, code=code, retry_after=error.retry_after)
