"""Every deed of people and administrators by the platform's name of the callback it makes, for tools that order them by HTTP."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.simulator.acts import BY_QR, Acts
from bot.simulator.callbacks import Callbacks
from bot.simulator.notice import NOTICES, announce
from bot.simulator.world import World


class Deeds:
    """What can be ordered, and the ordering of it."""

    def __init__(self, world: World, acts: Acts, callbacks: Callbacks) -> None:
        self._world, self._acts, self._callbacks = world, acts, callbacks
        office = acts.office
        self._deeds: Mapping[str, Callable[..., object]] = {
            "message/text": acts.tell,
            "enter_agent": acts.open_app,
            "click": acts.click,
            "template_card_event": acts.press_card,
            "template_card_menu_event": acts.choose_in_card,
            "subscribe": office.show,
            "unsubscribe": office.hide,
            "change_contact/create_user": office.employ,
            "change_contact/update_user": office.renumber,
            "change_contact/delete_user": office.leave_corp,
            "change_external_contact/add_external_contact": acts.add_friend,
            "change_external_contact/add_half_external_contact": self._ask,
            "change_external_contact/accept": acts.accept_friend,
            "change_external_contact/edit_external_contact": acts.edit_friend,
            "change_external_contact/del_external_contact": acts.drop_member,
            "change_external_contact/del_follow_user": acts.drop_staff,
            "change_external_contact/transfer_fail": office.fail_transfer,
            "change_external_contact/take_over": office.take_over,
            "change_external_contact/msg_audit_approved": office.agree_to_archive,
            "change_external_chat/create": acts.create_group,
            "change_external_chat/dismiss": acts.dismiss,
            "change_external_chat/add_member": self._join,
            "change_external_chat/del_member": acts.leave,
            "change_external_chat/remove_member": self._remove,
            "change_external_chat/change_name": acts.rename,
            "change_external_chat/change_notice": acts.announce,
            "change_external_chat/change_owner": acts.hand_over,
            "change_external_tag/create": acts.create_tag,
            "change_external_tag/update": acts.rename_tag,
            "change_external_tag/delete": acts.delete_tag,
            "change_external_tag/create_group": office.create_tag_group,
            "change_external_tag/update_group": office.rename_tag_group,
            "change_external_tag/delete_group": office.delete_tag_group,
            "change_external_tag/shuffle": office.shuffle_tags,
            "kf_msg_or_event": acts.ring_kf,
            "kf_account_auth_change": self._trust,
            "msgaudit_notify": acts.ring_archive,
        }

    def _ask(self, member: str, staff: str, state: str = "") -> str:
        return self._acts.add_friend(member, staff, state=state, half=True)

    def _join(self, group: str, people: Sequence[str], scene: int = BY_QR) -> None:
        self._acts.join(group, *people, scene=scene)

    def _remove(self, group: str, people: Sequence[str]) -> None:
        self._acts.remove(group, *people)

    def _trust(self, added: Sequence[str] = (), removed: Sequence[str] = ()) -> None:
        self._acts.trust(*added, removed=removed)

    def listed(self) -> list[dict[str, Any]]:
        """Names of everything that can be ordered, and what each needs or bears."""
        deeds = [
            {"deed": name, "needs": _needs(deed), "may": _may(deed)} for name, deed in self._deeds.items()
        ]
        notices = [
            {"deed": name, "called": notice.called, "fields": notice.fields}
            for name, notice in NOTICES.items()
        ]
        return [*deeds, *notices]

    def order(self, name: str, wanted: Mapping[str, Any]) -> object:
        """Do it; ``ValueError`` says what is wrong with the order."""
        if name in NOTICES:
            app, staff = str(wanted.get("app", "")), str(wanted.get("staff", ""))
            announce(self._world, self._callbacks, name, app=app, staff=staff, fields=wanted.get("fields"))
            return None
        deed = self._deeds.get(name)
        if deed is None:
            raise ValueError(f"nothing is called {name}")
        try:
            inspect.signature(deed).bind(**wanted)
            return deed(**wanted)
        except (TypeError, AttributeError) as mistake:
            raise ValueError(
                f"{name}: {mistake}; it needs {', '.join(_needs(deed)) or 'nothing'}"
            ) from mistake
        except KeyError as mistake:
            raise ValueError(f"{name}: there is no {mistake.args[0]}") from mistake


def _needs(deed: Callable[..., object]) -> list[str]:
    asked = inspect.signature(deed).parameters.values()
    return [one.name for one in asked if one.default is one.empty]


def _may(deed: Callable[..., object]) -> list[str]:
    asked = inspect.signature(deed).parameters.values()
    return [one.name for one in asked if one.default is not one.empty]
