"""Greetings 入群欢迎语: what a group says to newcomers, from the platform's library; an owner puts it in by hand."""

from __future__ import annotations

from dataclasses import dataclass

MOST_BYTES = 3000
LONGEST_TITLE, LONGEST_DESCRIPTION, LONGEST_URL = 128, 512, 2048  # bytes
NICKNAME = "%NICKNAME%"  # the platform puts the newcomer's name here; nothing else is filled in


@dataclass(frozen=True, kw_only=True)
class Greeting:
    """A welcome: words, and at most one card. ``tells_owners`` lets the platform notify group owners of it."""

    name: str
    text: str
    url: str = ""
    title: str = ""
    description: str = ""
    picture: str = ""
    tells_owners: bool = True


def objections(greeting: Greeting) -> list[str]:
    """What is wrong with a greeting, in the operators' words; empty when the platform can take it."""
    return [words for wrong, words in _checks(greeting) if wrong]


def _checks(greeting: Greeting) -> list[tuple[bool, str]]:
    wrong_case = NICKNAME.lower() in greeting.text.replace(NICKNAME, "").lower()
    return [
        (not greeting.name.strip() or len(greeting.name) > 30, "名称要有 1 到 30 个字。"),
        (not greeting.text.strip(), "请写欢迎语。"),
        (_size(greeting.text) > MOST_BYTES, f"欢迎语最多 {MOST_BYTES} 字节（约 {MOST_BYTES // 3} 个汉字）。"),
        (wrong_case, f"昵称变量要全部大写：{NICKNAME}。"),
        (bool(greeting.url) != bool(greeting.title), "卡片要同时有标题和链接。"),
        (
            bool(greeting.url) and not greeting.url.startswith(("https://", "http://")),
            "链接要以 https:// 开头。",
        ),
        (_size(greeting.url) > LONGEST_URL or _size(greeting.picture) > LONGEST_URL, "链接太长。"),
        (_size(greeting.title) > LONGEST_TITLE, f"卡片标题最多 {LONGEST_TITLE // 3} 个汉字。"),
        (
            _size(greeting.description) > LONGEST_DESCRIPTION,
            f"卡片说明最多 {LONGEST_DESCRIPTION // 3} 个汉字。",
        ),
    ]


def _size(text: str) -> int:
    return len(text.encode())
