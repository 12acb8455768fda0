"""The library of greetings 入群欢迎语 (developer.work.weixin.qq.com path 92366).

Only the library is ours to keep: putting a greeting into a group is the owner's own act.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.wecom.client import WeComClient
from bot.wecom.paging import word
from sop.greeting import Greeting


@dataclass(eq=False)
class Greetings:
    """At most 100 of a corp (41055); only the app that made one may change it (41058)."""

    client: WeComClient

    async def add(self, greeting: Greeting) -> str:
        """Put it into the library; returns its number."""
        body = {**_content(greeting), "notify": int(greeting.tells_owners)}
        return word(await self._post("add", body), "template_id")

    async def edit(self, number: str, greeting: Greeting) -> None:
        await self._post("edit", {"template_id": number, **_content(greeting)})

    async def get(self, number: str) -> str:
        """Its text as the library holds it."""
        answer = await self._post("get", {"template_id": number})
        text = answer.get("text")
        return str(text.get("content") or "") if isinstance(text, dict) else ""

    async def delete(self, number: str) -> None:
        await self._post("del", {"template_id": number})

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        contact = self.client.credentials.contact()
        return await self.client.post(f"externalcontact/group_welcome_template/{path}", contact, body)


def _content(greeting: Greeting) -> dict[str, Any]:
    content: dict[str, Any] = {"text": {"content": greeting.text}}
    if greeting.url:
        link = {"title": greeting.title, "picurl": greeting.picture, "desc": greeting.description}
        content["link"] = {name: text for name, text in link.items() if text} | {"url": greeting.url}
    return content
