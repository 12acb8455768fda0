"""The library of group welcomes 入群欢迎语 (developer.work.weixin.qq.com path 92366).

Only the library is ours to keep: putting a welcome into a group is the owner's own act.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.wecom.client import WeComClient
from bot.wecom.paging import word
from sop.group_welcome import GroupWelcome


@dataclass(eq=False)
class GroupWelcomes:
    """At most 100 of a corp (41055); only the app that made one may change it (41058)."""

    client: WeComClient

    async def add(self, welcome: GroupWelcome) -> str:
        """Put it into the library; returns its number."""
        body = {**_content(welcome), "notify": int(welcome.tells_owners)}
        return word(await self._post("add", body), "template_id")

    async def edit(self, number: str, welcome: GroupWelcome) -> None:
        await self._post("edit", {"template_id": number, **_content(welcome)})

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


def _content(welcome: GroupWelcome) -> dict[str, Any]:
    content: dict[str, Any] = {"text": {"content": welcome.text}}
    if welcome.url:
        link = {"title": welcome.title, "picurl": welcome.picture, "desc": welcome.description}
        content["link"] = {name: text for name, text in link.items() if text} | {"url": welcome.url}
    return content
