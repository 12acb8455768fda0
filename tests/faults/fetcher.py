"""One process of a fleet that wants a token: ``python fetcher.py REDIS API TASKS [MUTANT]``.

For every line on standard input (the secret of a round) it wants the token with so many tasks at once, knowing nothing
from before, and prints how many different tokens they got.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, cast

from bot.chance import SystemChance
from bot.clock import SystemClock
from bot.outgoing import Outgoing
from bot.wecom.credential import Credential
from bot.wecom.token import Tokens
from storage.shared_redis import RedisShared


async def always(*_: Any) -> bool:
    return True


async def fetch(redis: str, api: str, tasks: int, mutant: str) -> None:
    clock = SystemClock()
    async with Outgoing(clock) as outgoing, RedisShared.at(redis) as shared:
        if mutant == "no_lock":
            shared.lock = cast(Any, always)  # type: ignore[method-assign]
        print("ready", flush=True)
        while secret := (await asyncio.to_thread(sys.stdin.readline)).strip():
            tokens = Tokens(f"{api}/cgi-bin/gettoken", outgoing, clock, SystemChance(), shared)
            credential = Credential("wwfleet", secret, "wecom.contact")
            got = await asyncio.gather(*(tokens.get(credential) for _ in range(tasks)))
            print(len(set(got)), flush=True)


if __name__ == "__main__":
    asyncio.run(fetch(sys.argv[1], sys.argv[2], int(sys.argv[3]), "".join(sys.argv[4:])))
