"""How often one may ask, on the world's clock: minute, hour and day windows that block when overrun.

A minute limit blocks for 60 s, an hour limit for 60 min, a day limit for the rest of the day
(developer.work.weixin.qq.com path 90454, dated 2023-08-28).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass
class Window:
    """At most ``most`` within ``seconds``; overrunning it closes the window for ``seconds``."""

    most: int
    seconds: int
    _taken: deque[tuple[datetime, int]] = field(default_factory=deque)
    _sum: int = 0
    _closed_until: datetime | None = None

    def open(self, now: datetime, cost: int = 1) -> bool:
        if self._closed_until is not None and now < self._closed_until:
            return False
        self._forget(now)
        if self._sum + cost <= self.most:
            return True
        self._closed_until = now + timedelta(seconds=self.seconds)
        return False

    def take(self, now: datetime, cost: int = 1) -> None:
        self._taken.append((now, cost))
        self._sum += cost

    def _forget(self, now: datetime) -> None:
        before = now - timedelta(seconds=self.seconds)
        while self._taken and self._taken[0][0] <= before:
            self._sum -= self._taken.popleft()[1]


@dataclass
class Allowance:
    """The platform's published numbers; tests may tighten them before the first call."""

    call_minute: int = 10_000
    call_hour: int = 150_000
    address_minute: int = 20_000
    address_hour: int = 600_000
    push_minute: int = 30  # message/send, per app and staff member; the rest is dropped silently
    push_hour: int = 1_000
    accounts: int = 200  # message/send: accounts × 200 person-times a day for each app
    webhook_minute: int = 20
    conversation_minute: int = 30  # what one 智能机器人 says in one conversation
    conversation_hour: int = 1_000
    untokened_minute: int = 60  # kf/sync_msg without the doorbell's token; the platform gives no number
    appchat_minute: int = 20_000  # person-times
    appchat_hour: int = 150_000
    appchat_reader_minute: int = 200  # the rest is dropped silently
    appchat_reader_day: int = 10_000
    appchats_made_day: int = 1000
    appchats_changed_hour: int = 1000
    moments_minute: int = 10
    pictures_day: int = 1000
    pictures_month: int = 3000
    ways: int = 500_000  # to staff and into groups together
    wrong_secrets: int = 10  # then the address is banned for an hour


class Limits:
    """All windows in use, made as they are needed."""

    def __init__(self) -> None:
        self.allowance = Allowance()
        self._windows: dict[tuple[str, ...], list[Window]] = {}

    def call(self, api: str, address: str, now: datetime) -> bool:
        """Whether this call is within the base limits of the corp and of the address."""
        a = self.allowance
        return self._all(("corp", api), [(a.call_minute, MINUTE), (a.call_hour, HOUR)], now) and self._all(
            ("address", api, address), [(a.address_minute, MINUTE), (a.address_hour, HOUR)], now
        )

    def push(self, app: str, staff: str, now: datetime) -> bool:
        """Whether this staff member still sees a push from this app."""
        a = self.allowance
        return self._all(("push", app, staff), [(a.push_minute, MINUTE), (a.push_hour, HOUR)], now)

    def pushes(self, app: str, people: int, now: datetime) -> bool:
        """Whether the app's allowance of person-times for the day still covers ``people``."""
        return self._all(("pushes", app), [(self.allowance.accounts * 200, DAY)], now, people)

    def webhook(self, key: str, now: datetime) -> bool:
        return self._all(("webhook", key), [(self.allowance.webhook_minute, MINUTE)], now)

    def appchat(self, app: str, people: int, now: datetime) -> bool:
        a = self.allowance
        return self._all(("appchat", app), [(a.appchat_minute, MINUTE), (a.appchat_hour, HOUR)], now, people)

    def appchat_reader(self, app: str, staff: str, now: datetime) -> bool:
        """Whether this staff member still sees what the app says in its groups."""
        sizes = [(self.allowance.appchat_reader_minute, MINUTE), (self.allowance.appchat_reader_day, DAY)]
        return self._all(("appchat reader", app, staff), sizes, now)

    def appchat_made(self, now: datetime) -> bool:
        return self._all(("appchat made",), [(self.allowance.appchats_made_day, DAY)], now)

    def appchat_changed(self, now: datetime) -> bool:
        return self._all(("appchat changed",), [(self.allowance.appchats_changed_hour, HOUR)], now)

    def moment(self, now: datetime) -> bool:
        return self._all(("moment",), [(self.allowance.moments_minute, MINUTE)], now)

    def picture(self, now: datetime) -> bool:
        a = self.allowance
        return self._all(("picture",), [(a.pictures_day, DAY), (a.pictures_month, 30 * DAY)], now)

    def conversation(self, bot: str, chat: str, now: datetime) -> bool:
        """Whether a bot may say one thing more in a conversation."""
        a = self.allowance
        sizes = [(a.conversation_minute, MINUTE), (a.conversation_hour, HOUR)]
        return self._all(("conversation", bot, chat), sizes, now)

    def untokened(self, account: str, now: datetime) -> bool:
        return self._all(("untokened", account), [(self.allowance.untokened_minute, MINUTE)], now)

    def wrong_secret(self, address: str, now: datetime) -> None:
        """Count a wrong secret; ``banned`` tells when it was one too many."""
        self._all(("secret", address), [(self.allowance.wrong_secrets, HOUR)], now)

    def banned(self, address: str, now: datetime) -> bool:
        windows = self._windows.get(("secret", address), [])
        return not all(window.open(now) for window in windows)

    def _all(self, key: tuple[str, ...], sizes: list[tuple[int, int]], now: datetime, cost: int = 1) -> bool:
        windows = self._windows.setdefault(key, [Window(most, seconds) for most, seconds in sizes])
        if not all(window.open(now, cost) for window in windows):
            return False
        for window in windows:
            window.take(now, cost)
        return True
