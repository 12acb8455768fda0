"""What the platform accepts as a template card (developer.work.weixin.qq.com paths 90236 and 101032)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bot.simulator.calls import Refusal

INTERACTIVE = frozenset({"button_interaction", "vote_interaction", "multiple_interaction"})
NOTICES = frozenset({"text_notice", "news_notice"})
MOST = {
    "horizontal_content_list": 6,
    "jump_list": 3,
    "vertical_content_list": 4,
    "button_list": 6,
    "select_list": 3,
}

_TASK = re.compile(r"[A-Za-z0-9_\-@]{1,128}")


def check(card: Mapping[str, Any]) -> None:
    """Refuse what a card may not be."""
    sort = card.get("card_type")
    if sort not in INTERACTIVE | NOTICES:
        raise Refusal(40035, "card_type")
    for block, most in MOST.items():
        if len(_list(card, block)) > most:
            raise Refusal(40035, block)
    if sort in NOTICES and (card.get("card_action") or {}).get("type") not in (1, 2):
        raise Refusal(40035, "card_action")
    if sort == "news_notice" and not (card.get("card_image") or card.get("image_text_area")):
        raise Refusal(40035, "card_image or image_text_area")
    if "action_menu" in card:
        _distinct(_list(card["action_menu"], "action_list"), "key", 1, 3, 1024)
    if needs_task(card) and not _TASK.fullmatch(str(card.get("task_id") or "")):
        raise Refusal(40035, "template_card.task_id")
    _check_answers(card)


def needs_task(card: Mapping[str, Any]) -> bool:
    """Whether somebody can press something here."""
    return card.get("card_type") in INTERACTIVE or "action_menu" in card


def _check_answers(card: Mapping[str, Any]) -> None:
    match card["card_type"]:
        case "button_interaction":
            _distinct(_list(card, "button_list"), "key", 1, 6, 1024)
        case "vote_interaction":
            box = card.get("checkbox") or {}
            _must(box, "question_key")
            _distinct(_list(box, "option_list"), "id", 1, 20, 128)
            _must(card.get("submit_button") or {}, "key")
        case "multiple_interaction":
            _distinct(_list(card, "select_list"), "question_key", 1, 3, 1024)
            for picker in _list(card, "select_list"):
                _distinct(_list(picker, "option_list"), "id", 1, 10, 128)
            _must(card.get("submit_button") or {}, "key")


def _distinct(items: Sequence[Mapping[str, Any]], name: str, least: int, most: int, longest: int) -> None:
    keys = [str(item.get(name) or "") for item in items]
    if not least <= len(keys) <= most or len(set(keys)) < len(keys):
        raise Refusal(40035, name)
    if any(not key or len(key.encode()) > longest for key in keys):
        raise Refusal(40035, name)


def _must(block: Mapping[str, Any], name: str) -> None:
    if not block.get(name):
        raise Refusal(40035, name)


def _list(block: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    found = block.get(name) or []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Refusal(40035, name)
    return found
