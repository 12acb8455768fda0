"""Access tokens: one per secret, 7200 s, revocable early; wrong secrets get the address banned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.simulator.calls import Answer, Refusal
from bot.simulator.limits import Limits
from bot.simulator.world import Holder, World

LIFE_S = 7200
RENEW_S = 300  # this near its end a new token is handed out while the old one still works


@dataclass
class Token:
    text: str
    holder: Holder
    expires: datetime
    refused_with: int = 0


class Credentials:
    """Issues and checks tokens."""

    def __init__(self, world: World, limits: Limits) -> None:
        self._world, self._limits = world, limits
        self._tokens: dict[str, Token] = {}
        self._current: dict[str, Token] = {}

    def issue(self, corp_id: str, secret: str, address: str) -> Answer:
        """``gettoken``: the same token while it is fresh, with fewer seconds left."""
        now = self._world.now()
        if self._limits.banned(address, now):
            raise Refusal(45009, "too many wrong secrets from this address")
        if corp_id != self._world.corp_id:
            raise Refusal(40013)
        holder = next((holder for holder in self._world.holders.values() if holder.secret == secret), None)
        if holder is None or not secret:
            self._limits.wrong_secret(address, now)
            raise Refusal(40001, "invalid secret")
        token = self._fresh(holder, now)
        return {"access_token": token.text, "expires_in": int((token.expires - now).total_seconds())}

    def check(self, text: str, address: str) -> Holder:
        """Whose token this is, or why it is refused."""
        allowed = self._world.rules.allowed_ips
        if not text:
            raise Refusal(41001)
        token = self._tokens.get(text)
        if token is None:
            raise Refusal(40014)
        if token.refused_with:
            raise Refusal(token.refused_with)
        if self._world.now() >= token.expires:
            raise Refusal(42001)
        if allowed is not None and address not in allowed:
            raise Refusal(60020, address)
        return token.holder

    def revoke(self, holder: str = "", *, code: int = 42001) -> int:
        """End tokens before their time (all, or one holder's); how many there were."""
        gone = [name for name in self._current if not holder or name == holder]
        for name in gone:
            self._current.pop(name).refused_with = code
        return len(gone)

    def _fresh(self, holder: Holder, now: datetime) -> Token:
        token = self._current.get(holder.name)
        if token is None or (token.expires - now).total_seconds() < RENEW_S:
            text = self._world.chance.token(64)
            token = Token(text, holder, now + timedelta(seconds=LIFE_S))
            self._tokens[text] = self._current[holder.name] = token
        return token
