"""Group welcomes 入群欢迎语: texts kept in the platform's library, which a group's owner puts into the group by hand."""

from __future__ import annotations

from dataclasses import dataclass

MOST_BYTES = 3000
LONGEST_TITLE, LONGEST_DESCRIPTION, LONGEST_URL = 128, 512, 2048  # bytes
NICKNAME = "%NICKNAME%"  # the platform puts the newcomer's name here; nothing else is filled in


@dataclass(frozen=True, kw_only=True)
class GroupWelcome:
    """A welcome: words, and at most one card. ``tells_owners`` lets the platform notify group owners of it."""

    name: str
    text: str
    url: str = ""
    title: str = ""
    description: str = ""
    picture: str = ""
    tells_owners: bool = True


def objections(welcome: GroupWelcome) -> list[str]:
    """What is wrong with a welcome, in the operators' words; empty when the platform can take it."""
    return [words for wrong, words in _checks(welcome) if wrong]


def _checks(welcome: GroupWelcome) -> list[tuple[bool, str]]:
    wrong_case = NICKNAME.lower() in welcome.text.replace(NICKNAME, "").lower()
    return [
        (not welcome.name.strip() or len(welcome.name) > 30, "名称要有 1 到 30 个字。"),
        (not welcome.text.strip(), "请写欢迎语。"),
        (_size(welcome.text) > MOST_BYTES, f"欢迎语最多 {MOST_BYTES} 字节（约 {MOST_BYTES // 3} 个汉字）。"),
        (wrong_case, f"昵称变量要全部大写：{NICKNAME}。"),
        (bool(welcome.url) != bool(welcome.title), "卡片要同时有标题和链接。"),
        (
            bool(welcome.url) and not welcome.url.startswith(("https://", "http://")),
            "链接要以 https:// 开头。",
        ),
        (_size(welcome.url) > LONGEST_URL or _size(welcome.picture) > LONGEST_URL, "链接太长。"),
        (_size(welcome.title) > LONGEST_TITLE, f"卡片标题最多 {LONGEST_TITLE // 3} 个汉字。"),
        (
            _size(welcome.description) > LONGEST_DESCRIPTION,
            f"卡片说明最多 {LONGEST_DESCRIPTION // 3} 个汉字。",
        ),
    ]


def _size(text: str) -> int:
    return len(text.encode())
