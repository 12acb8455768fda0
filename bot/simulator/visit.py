"""Opening links as somebody: redirects and the login page are followed, forms are filled in and sent.

Each person has cookies of their own, as every phone has.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import aiohttp

from bot.simulator.callbacks import Session
from bot.simulator.world import World

MOST_HOPS = 8
PATIENCE_S = 10.0
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass
class Form:
    """A form on a page: where it goes, its hidden fields, and the choices it offers by field name."""

    action: str
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    blanks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """What a person sees at the end of the redirects; status 0 means nothing answered."""

    url: str
    status: int
    html: str = ""

    @property
    def forms(self) -> list[Form]:
        reader = _Forms(self.url)
        reader.feed(self.html)
        return reader.forms


class Browsers:
    """Everybody's browser."""

    def __init__(self, world: World, session: Session) -> None:
        self._world, self._session = world, session
        self._cookies: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
        self.login_base = ""

    async def open(self, person: str, url: str) -> Page:
        """Follow a link to its page, logging in on the way when asked to."""
        return await self._go(person, "GET", url, None)

    async def submit(self, person: str, form: Form, **answers: str) -> Page:
        """Send a form with these answers beside its hidden fields."""
        filled = {**form.fields, **answers}
        if form.method == "get":
            joint = "&" if urlsplit(form.action).query else "?"
            return await self._go(person, "GET", f"{form.action}{joint}{urlencode(filled)}", None)
        return await self._go(person, "POST", form.action, filled)

    async def _go(self, person: str, method: str, url: str, data: dict[str, str] | None) -> Page:
        with self._world.clock.hold():
            for _ in range(MOST_HOPS):
                page, onward = await self._hop(person, method, self._as(person, url), data)
                self._world.journal.note("visit", who=person, method=method, url=url, status=page.status)
                if not onward:
                    return page
                method, url, data = "GET", onward, None
            return page

    async def _hop(self, person: str, method: str, url: str, data: dict[str, str] | None) -> tuple[Page, str]:
        jar = self._cookies[person][urlsplit(url).netloc]
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())} if jar else {}
        headers["Accept-Language"] = "zh-CN"
        try:
            request: Any = (
                self._session.get(url, headers=headers, allow_redirects=False)
                if method == "GET"
                else self._session.post(
                    url, data=data, headers={**headers, "Origin": _origin(url)}, allow_redirects=False
                )
            )
            async with asyncio.timeout(PATIENCE_S), request as reply:
                _keep(jar, reply.headers.getall("Set-Cookie", []))
                onward = reply.headers.get("Location", "") if reply.status in REDIRECTS else ""
                page = Page(url, reply.status, await reply.text())
                return page, urljoin(url, onward) if onward else ""
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError):
            return Page(url, 0), ""

    def _as(self, person: str, url: str) -> str:
        """The login page has to know whose phone this is."""
        at_login = urlsplit(url).path == "/connect/oauth2/authorize"
        if at_login and self.login_base and url.startswith(self.login_base):
            address, mark, fragment = url.partition("#")
            return f"{address}&{urlencode({'as': person})}{mark}{fragment}"
        return url


def _keep(jar: dict[str, str], headers: list[str]) -> None:
    for header in headers:
        for name, morsel in SimpleCookie(header).items():
            if morsel.value and morsel["max-age"] != "0":
                jar[name] = morsel.value
            else:
                jar.pop(name, None)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class _Forms(HTMLParser):
    """Collects the forms of a page."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.forms: list[Form] = []
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(
                Form(urljoin(self._url, about.get("action") or self._url), about.get("method", "get").lower())
            )
        elif self.forms:
            self._control(tag, about)

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""

    def _control(self, tag: str, about: dict[str, str]) -> None:
        form, name = self.forms[-1], about.get("name", "")
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select and about.get("value"):
            form.choices.setdefault(self._select, []).append(about["value"])
        elif tag == "textarea" and name:
            form.blanks.append(name)
        elif tag in ("input", "button") and name:
            self._input(form, tag, name, about)

    @staticmethod
    def _input(form: Form, tag: str, name: str, about: dict[str, str]) -> None:
        sort = about.get("type", "submit" if tag == "button" else "text")
        if sort in ("radio", "checkbox") or (sort == "submit" and "value" in about):
            form.choices.setdefault(name, []).append(about.get("value", "on"))
        elif sort == "hidden":
            form.fields[name] = about.get("value", "")
        elif sort != "submit":
            form.blanks.append(name)
