"""One call to the platform: our turn at its limits, a token, the answer, and what its number means.

An answer without error comes back as it is; every other ending is one of the four errors of ``sop.errors``.
Where the installation is at fault, everything that would be refused for the same reason waits, and one call a minute
finds out when it is cured.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import structlog

from bot.chance import Chance
from bot.clock import Clock
from bot.outgoing import File, Outgoing
from bot.wecom import limit
from bot.wecom.credential import Credential, Credentials
from bot.wecom.errcode import TOKEN_REFUSED, Action, Reach, action_of, error_of, words_for
from bot.wecom.settings import WeComSettings
from bot.wecom.stop import Stops
from bot.wecom.token import Tokens
from sop.errors import Blocked, Crowded, Unanswered
from storage.shared import Demand, Shared

log = structlog.get_logger()

WINDOW_S, LONG_WINDOW_S = 60.0, 3600.0
STRIKE_S = 600.0  # a refusal so soon after a window's end means the next longer limit
PLATFORM_ZONE = timezone(timedelta(hours=8))  # whose days the platform counts

Answer = dict[str, Any]


@dataclass(eq=False)
class WeComClient:
    """Everything that is asked of WeCom passes here."""

    settings: WeComSettings
    outgoing: Outgoing
    clock: Clock
    chance: Chance
    shared: Shared

    def __post_init__(self) -> None:
        self.credentials = Credentials(self.settings)
        self._stops = Stops(self.clock)
        self.tokens = Tokens(self.address("gettoken"), self.outgoing, self.clock, self.chance, self.shared)

    def address(self, path: str) -> str:
        return f"{self.settings.api_base.rstrip('/')}/cgi-bin/{path}"

    async def get(self, path: str, credential: Credential, **query: str) -> Answer:
        return await self.call("GET", path, credential, query=query)

    async def post(
        self,
        path: str,
        credential: Credential,
        body: Mapping[str, Any],
        *,
        demands: Sequence[Demand] | None = None,
    ) -> Answer:
        return await self.call("POST", path, credential, body=body, demands=demands)

    async def upload(
        self,
        path: str,
        credential: Credential,
        file: File,
        *,
        query: Mapping[str, str] | None = None,
        demands: Sequence[Demand] | None = None,
    ) -> Answer:
        """Hand a file over; it may be handed over again."""
        return await self.call("POST", path, credential, query=query, file=file, demands=demands)

    async def call(
        self,
        method: str,
        path: str,
        credential: Credential,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        file: File | None = None,
        demands: Sequence[Demand] | None = None,
        address: str = "",
    ) -> Answer:
        """Ask with the credential's token. ``demands`` replace the corp's limit where another one counts."""
        where = address or self.address(path)

        async def ask(asked: Mapping[str, str]) -> Answer:
            if file is not None:
                return await self.outgoing.json(method, where, query=asked, file=file)
            return await self.outgoing.json(method, where, query=asked, body=body)

        answer = await self._asked(path, credential, query or {}, demands, ask)
        assert isinstance(answer, dict)
        return answer

    async def download(self, path: str, credential: Credential, **query: str) -> bytes:
        """The file behind ``path``."""

        async def ask(asked: Mapping[str, str]) -> Answer | bytes:
            return await self.outgoing.file(self.address(path), query=asked)

        answer = await self._asked(path, credential, query, None, ask)
        if isinstance(answer, dict):
            raise Unanswered("企业微信没有给出文件")
        return answer

    async def _asked(
        self,
        path: str,
        credential: Credential,
        query: Mapping[str, str],
        demands: Sequence[Demand] | None,
        ask: Callable[[Mapping[str, str]], Awaitable[Answer | bytes]],
    ) -> Answer | bytes:
        wanted = limit.of_corp(path) if demands is None else demands
        affected = {Reach.SECRET: credential.key, Reach.PATH: f"{credential.key}:{path}"}
        self._stops.must_be_over(affected)
        await self.turn(wanted)
        token = await self.tokens.get(credential)
        code = 0
        for last in (False, True):
            answer = await ask({**query, "access_token": token})
            code = 0 if isinstance(answer, bytes) else _code(answer)
            if code not in TOKEN_REFUSED:
                await self.tokens.took(credential, token)
                if isinstance(answer, bytes):
                    return answer
                return await self._judged(path, answer, code, wanted, affected)
            log.warning("token not taken", path=path, section=credential.section, code=code)
            if not last:
                token = await self.tokens.renew(credential, token)
        raise self._stops.note(affected, code, Blocked(words_for(code), code=code))

    async def post_open(
        self,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        demands: Sequence[Demand],
        file: File | None = None,
    ) -> Answer:
        """A call that needs no token: the webhook, whose key is its secret."""
        affected = {Reach.PATH: limit.mark_of(query.get("key", ""))}
        self._stops.must_be_over(affected)
        await self.turn(demands)
        where = self.address(path)
        if file is not None:
            answer = await self.outgoing.json("POST", where, query=query, file=file)
        else:
            answer = await self.outgoing.json("POST", where, query=query, body=body)
        return await self._judged(path, answer, _code(answer), demands, affected)

    async def turn(self, demands: Sequence[Demand]) -> None:
        """Take a turn at these limits, or raise how long to wait for one."""
        wait = await self.shared.take(demands, self.clock.now())
        if wait > 0:
            step = max(1 / demand.limit.rate for demand in demands)
            raise Crowded(f"已达到企业微信的频率限制，{wait:.0f} 秒后继续", retry_after=wait, step=step)

    async def _judged(
        self,
        path: str,
        answer: Answer,
        code: int,
        demands: Sequence[Demand],
        affected: Mapping[Reach, str],
    ) -> Answer:
        if code == 0:
            self._stops.over(affected)
            return answer
        said = str(answer.get("errmsg", ""))[:300]
        log.info("wecom refused", path=path, code=code, said=said)
        error = error_of(code, said=said)
        if error is None:
            return answer
        if action_of(code) is Action.WINDOW:
            error.retry_after = await self._block(demands)
        raise self._stops.note(affected, code, error)

    async def _block(self, demands: Sequence[Demand]) -> float:
        """Leave the API alone until its window is over; which window it was, only further refusals tell."""
        if not demands:
            return WINDOW_S
        now, key = self.clock.now(), demands[0].key
        strikes, over = _strikes(await self.shared.get(f"strike:{key}", now))
        if over is not None and now < over:  # it had left before the first refusal came
            return (over - now).total_seconds()
        window = (WINDOW_S, LONG_WINDOW_S, _rest_of_day(now))[min(strikes, 2)]
        until = now + timedelta(seconds=window)
        await self.shared.block(key, until, now)
        struck = f"{strikes + 1} {until.isoformat()}"
        await self.shared.put(f"strike:{key}", struck, until + timedelta(seconds=STRIKE_S), now)
        return window


def _rest_of_day(now: datetime) -> float:
    """Seconds until a day's limit is lifted: the platform counts natural days."""
    local = now.astimezone(PLATFORM_ZONE)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return max(WINDOW_S, (midnight - local).total_seconds())


def _strikes(kept: str | None) -> tuple[int, datetime | None]:
    """How often in a row a limit refused us, and when its window is over."""
    if kept is None:
        return 0, None
    count, over = kept.split()
    return int(count), datetime.fromisoformat(over)


def _code(answer: Answer) -> int:
    code = answer.get("errcode", 0)
    if not isinstance(code, int):
        raise Unanswered("企业微信的答复没有可读的错误码")
    return code


def part(answer: Answer, name: str) -> Answer:
    """The object ``name`` inside an answer; an answer without it cannot be trusted."""
    found = answer.get(name)
    if not isinstance(found, dict):
        raise Unanswered(f"企业微信的答复缺少 {name}")
    return found
