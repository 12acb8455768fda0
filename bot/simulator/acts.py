"""What people do in their own clients, with the callbacks the platform sends for it.

Everything here is done at once; the callbacks are on their way when it returns. Nothing the API does passes through here,
for what apps do themselves the platform does not echo (developer.work.weixin.qq.com path 92130).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from bot.simulator import kf, moment, tag, task
from bot.simulator.archive_acts import ArchiveActs
from bot.simulator.callbacks import Callbacks
from bot.simulator.envelope import Field
from bot.simulator.group import changed
from bot.simulator.kf_acts import KfActs
from bot.simulator.message import card_code
from bot.simulator.office import Office
from bot.simulator.talks import say_in_group
from bot.simulator.welcome import WELCOME_S
from bot.simulator.world import Friendship, Group, Member, Seat, Staff, World, app_talk, friend_talk, kf_talk

INVITED, BY_QR = 0, 3  # JoinScene of the callback
SEAT_SCENE = {INVITED: 1, BY_QR: 3}  # the detail API numbers the same thing differently
LEFT, REMOVED = 0, 1  # QuitScene


class Acts:
    """The people's hands."""

    def __init__(self, world: World, callbacks: Callbacks) -> None:
        self.world, self._callbacks = world, callbacks
        self.kf = KfActs(world, self.ring_kf)
        self.office = Office(world, callbacks)
        self.archive = ArchiveActs(world, self.ring_archive)
        self._archive_rung: datetime | None = None

    # people

    def hire(self, staff: str, name: str) -> Staff:
        return self.world.staff.setdefault(staff, Staff(staff, name))

    def meet(self, name: str, *, member: str = "", archived: bool = True) -> Member:
        """A person appears in the world; nobody of the corp knows them yet."""
        number = self.world.number("member")
        one = Member(member or f"wmQX{number:028d}", name, f"oQXunion{number:06d}", f"oQXopen{number:06d}")
        one.archived = archived
        return self.world.members.setdefault(one.id, one)

    # friendships

    def add_friend(
        self, member: str, staff: str, *, state: str = "", add_way: int = 1, half: bool = False
    ) -> str:
        """The member adds the staff member; the welcome code that went out, if any."""
        old = self.world.friendships.get((staff, member))
        bond = Friendship(staff, member, self.world.now(), state, add_way, half=half)
        if old is not None:
            bond.tags, bond.chatted = old.tags, old.chatted
        self.world.friendships[staff, member] = bond
        return self._friend_event(bond, "add_half_external_contact" if half else "add_external_contact")

    def accept_friend(self, staff: str, member: str) -> str:
        """The staff side accepts what the member began."""
        bond = self.world.friendships[staff, member]
        bond.half = False
        return self._friend_event(bond, "add_external_contact")

    def drop_member(self, staff: str, member: str, *, transferred: bool = False) -> None:
        """The staff member deletes the member."""
        self.world.friendships.pop((staff, member), None)
        extra: dict[str, Field] = {"Source": "DELETE_BY_TRANSFER"} if transferred else {}
        self._contact_event("del_external_contact", staff, member, extra)

    def drop_staff(self, member: str, staff: str) -> None:
        """The member deletes the staff member, who keeps them in the list."""
        self.world.friendships[staff, member].one_way = True
        self._contact_event("del_follow_user", staff, member)

    def edit_friend(
        self,
        staff: str,
        member: str,
        *,
        add: Iterable[str] = (),
        remove: Iterable[str] = (),
        remark: str = "",
    ) -> None:
        """The staff member edits tags (by id) or the remark in the client."""
        bond = self.world.friendships[staff, member]
        bond.tags.update(add)
        bond.tags.difference_update(remove)
        bond.remark = remark or bond.remark
        self._contact_event("edit_external_contact", staff, member)

    def write(self, writer: str, reader: str, text: str) -> None:
        """A word between a member and a staff member; nobody but them and the archive sees it."""
        staff, member = (writer, reader) if writer in self.world.staff else (reader, writer)
        bond = self.world.friendships.get((staff, member))
        if bond is not None:
            bond.chatted = True
        self.world.talk(friend_talk(staff, member), writer, text)

    # tags in the console

    def create_tag(self, name: str, group: str) -> str:
        made = tag.create(self.world, name, group)
        self._tag_event("create", made.id)
        return made.id

    def rename_tag(self, tag_id: str, name: str) -> None:
        self.world.tags[tag_id].name = name
        self._tag_event("update", tag_id)

    def delete_tag(self, tag_id: str) -> None:
        tag.remove(self.world, tag_id)
        self._tag_event("delete", tag_id)

    # groups

    def create_group(self, owner: str, name: str, *, group: str = "") -> str:
        chat = group or f"wrQX{self.world.number('group'):028d}"
        one = Group(chat, name, owner, self.world.now())
        one.seats[owner] = Seat(owner, True, self.world.now())
        self.world.groups[chat] = one
        changed(self.world, one)
        self._group_event("create", chat)
        return chat

    def join(
        self, group: str, *people: str, scene: int = BY_QR, invited_by: str = "", state: str = ""
    ) -> None:
        """One or several people come in at once."""
        one = self.world.groups[group]
        fresh = [person for person in people if person not in one.seats]
        for person in fresh:
            staff = person in self.world.staff
            one.seats[person] = Seat(person, staff, self.world.now(), SEAT_SCENE[scene], invited_by, state)
        self._moved(one, "add_member", fresh, join=scene)

    def leave(self, group: str, person: str) -> None:
        self._out(group, [person], LEFT)

    def remove(self, group: str, *people: str) -> None:
        """The owner removes people."""
        self._out(group, list(people), REMOVED)

    def rename(self, group: str, name: str) -> None:
        self.world.groups[group].name = name
        self._edited(group, "change_name")

    def announce(self, group: str, notice: str) -> None:
        self.world.groups[group].notice = notice
        self._edited(group, "change_notice")

    def hand_over(self, group: str, owner: str) -> None:
        one = self.world.groups[group]
        one.owner = owner
        one.seats.setdefault(owner, Seat(owner, True, self.world.now()))
        self._edited(group, "change_owner")

    def dismiss(self, group: str) -> None:
        self.world.groups[group].dismissed = True
        self._group_event("dismiss", group)

    def speak(self, group: str, who: str, text: str) -> None:
        """A word in a 客户群: only the archive hears it, never an app."""
        if who not in self.world.groups[group].seats:
            raise ValueError(f"{who} is not in {group}")
        say_in_group(self.world, group, who, text)
        self.ring_archive()

    def ring_archive(self) -> None:
        """Ring the archive's doorbell, if it has one, and not oftener than the platform does."""
        now = self.world.now()
        pause = timedelta(seconds=self.world.rules.doorbell_s)
        rung = self._archive_rung
        if "archive" in self.world.doors and (rung is None or now - rung >= pause):
            self._archive_rung = now
            self._ring("archive", "sys", {"Event": "msgaudit_notify"})

    # staff and the app

    def tell(self, staff: str, text: str, *, app: str = "") -> None:
        """A staff member writes to the app."""
        name = app or self.world.app_names()[0]
        self.world.talk(app_talk(name, staff), staff, text)
        msgid = str(9_000_000_000_000_000_000 + self.world.number("msgid"))
        heard: dict[str, Field] = {"MsgType": "text", "Content": text, "MsgId": msgid}
        self._callbacks.ring(f"app/{name}", {**self._head(staff), **heard}, lane=staff)

    def open_app(self, staff: str, *, app: str = "") -> None:
        self._app_event(app, staff, {"Event": "enter_agent", "EventKey": ""})

    def click(self, staff: str, key: str, *, app: str = "") -> None:
        """A tap on the app's menu."""
        self._app_event(app, staff, {"Event": "click", "EventKey": key})

    def press_card(
        self,
        staff: str,
        task_id: str,
        key: str,
        *,
        options: dict[str, list[str]] | None = None,
        app: str = "",
    ) -> str:
        """A button or a vote on a template card; the code that lets the app update it."""
        name = app or self.world.app_names()[0]
        card = self._card(name, staff, task_id)
        code = card_code(self.world, name, task_id)
        fields: dict[str, Field] = {
            "Event": "template_card_event",
            "EventKey": key,
            "TaskId": task_id,
            "CardType": str(card.get("card_type", "")),
            "ResponseCode": code,
        }
        if options:
            fields["SelectedItems"] = {"SelectedItem": [_selected(*item) for item in options.items()]}
        self._app_event(name, staff, fields)
        return code

    def choose_in_card(self, staff: str, task_id: str, key: str, *, app: str = "") -> str:
        """A choice in the menu in a card's corner; the code that lets the app update the card."""
        name = app or self.world.app_names()[0]
        code = card_code(self.world, name, task_id)
        fields: dict[str, Field] = {
            "Event": "template_card_menu_event",
            "EventKey": key,
            "TaskId": task_id,
            "CardType": str(self._card(name, staff, task_id).get("card_type", "")),
            "ResponseCode": code,
        }
        self._app_event(name, staff, fields)
        return code

    def confirm(self, staff: str, task_id: str) -> None:
        """The staff member taps 确认发送 on a waiting mass send."""
        waiting = self.world.tasks[task_id]
        if staff in waiting.confirmed or waiting.cancelled:
            return
        rows = task.confirm(self.world, waiting, staff)
        outcomes = [[row.recipient, row.status] for row in rows]
        self.world.journal.note("act", act="confirm", task=task_id, staff=staff, rows=outcomes)
        if waiting.to_groups:
            self.ring_archive()

    def publish(self, staff: str, job: str) -> None:
        """The staff member confirms a moment; their members see it."""
        moment.publish(self.world, staff, job)
        self.world.journal.note("act", act="publish", job=job, staff=staff)

    def react(self, member: str, staff: str, job: str, *, comment: bool = False) -> None:
        """A member likes a moment, or comments on it."""
        moment.react(self.world, member, staff, job, comment=comment)

    # 微信客服

    def enter_kf(self, member: str, account: str, *, scene: str = "link", param: str = "") -> None:
        """The member opens the conversation through a link."""
        one, now = self.world.accounts[account], self.world.now()
        session = one.sessions[member]
        event: dict[str, Any] = {
            "event_type": "enter_session",
            "open_kfid": account,
            "external_userid": member,
            "scene": scene,
            "scene_param": param,
        }
        recent = now - timedelta(hours=kf.TURN_H)
        greeted = any(at is not None and at > recent for at in (session.welcomed, session.wrote))
        if not greeted:
            event["welcome_code"] = self.world.code(
                "KFCODE", kf.WELCOME_S, account=account, member=member
            ).code
        kf.put(self.world, one, member, "event", event, origin=kf.BY_SYSTEM)
        self.ring_kf(account)

    def speak_kf(self, member: str, account: str, text: str, *, menu: str = "") -> None:
        """The member writes; ``menu`` is the entry tapped, whose words the text then is."""
        one = self.world.accounts[account]
        kf.wake(self.world, one, member)
        content = {"content": text, **({"menu_id": menu} if menu else {})}
        self.world.talk(kf_talk(account, member), member, text)
        kf.put(self.world, one, member, "text", content, origin=kf.BY_MEMBER)
        self.ring_kf(account)

    def trust(self, *added: str, removed: Iterable[str] = ()) -> None:
        """The administrator lets the app look after accounts, or no longer."""
        fields: dict[str, Field] = {"MsgType": "event", "Event": "kf_account_auth_change"}
        for name, accounts in (("AuthAddOpenKfId", added), ("AuthDelOpenKfId", tuple(removed))):
            if accounts:
                fields[name] = list(accounts)
        self._callbacks.ring("kf", {"CreateTime": int(self.world.now().timestamp()), **fields}, lane="kf")

    def ring_kf(self, account: str) -> None:
        """The doorbell: something waits for this account; it does not say what."""
        token = self.world.code("ENC", kf.TOKEN_S, account=account).code
        now = int(self.world.now().timestamp())
        fields: dict[str, Field] = {"CreateTime": now, "MsgType": "event", "Event": "kf_msg_or_event"}
        self._callbacks.ring("kf", {**fields, "Token": token, "OpenKfId": account}, lane=account)

    # how callbacks are put together

    def _head(self, sender: str) -> dict[str, Field]:
        return {"FromUserName": sender, "CreateTime": int(self.world.now().timestamp())}

    def _ring(self, door: str, lane: str, fields: dict[str, Field]) -> None:
        self._callbacks.ring(door, {**self._head("sys"), "MsgType": "event", **fields}, lane=lane)

    def _app_event(self, app: str, staff: str, fields: dict[str, Field]) -> None:
        door = f"app/{app or self.world.app_names()[0]}"
        self._callbacks.ring(door, {**self._head(staff), "MsgType": "event", **fields}, lane=staff)

    def _contact_event(
        self, change: str, staff: str, member: str, extra: dict[str, Field] | None = None
    ) -> None:
        self.world.journal.note("act", act=change, staff=staff, member=member)
        fields: dict[str, Field] = {"Event": "change_external_contact", "ChangeType": change}
        self._ring("contact", member, {**fields, "UserID": staff, "ExternalUserID": member, **(extra or {})})

    def _friend_event(self, bond: Friendship, change: str) -> str:
        extra: dict[str, Field] = {"State": bond.state} if bond.state else {}
        code = ""
        if not (self.world.staff[bond.staff].console_welcome or bond.chatted or bond.welcomed):
            code = self.world.code("WCODE", WELCOME_S, staff=bond.staff, member=bond.member).code
            extra["WelcomeCode"] = code
        self._contact_event(change, bond.staff, bond.member, extra)
        return code

    def _tag_event(self, change: str, tag_id: str) -> None:
        self.world.journal.note("act", act=f"tag {change}", tag=tag_id)
        fields: dict[str, Field] = {"Event": "change_external_tag", "Id": tag_id, "TagType": "tag"}
        self._ring("contact", tag_id, {**fields, "ChangeType": change})

    def _group_event(self, change: str, group: str, extra: dict[str, Field] | None = None) -> None:
        fields: dict[str, Field] = {"Event": "change_external_chat", "ChatId": group, "ChangeType": change}
        self._ring("contact", group, {**fields, **(extra or {})})

    def _edited(self, group: str, detail: str) -> None:
        changed(self.world, self.world.groups[group])
        self.world.journal.note("act", act=detail, group=group)
        self._group_event("update", group, {"UpdateDetail": detail})

    def _out(self, group: str, people: list[str], scene: int) -> None:
        one = self.world.groups[group]
        gone = [person for person in people if one.seats.pop(person, None) is not None]
        self._moved(one, "del_member", gone, leave=scene)

    def _moved(self, group: Group, detail: str, people: list[str], *, join: int = 0, leave: int = 0) -> None:
        if not people:
            return
        before, after = changed(self.world, group)
        self.world.journal.note("act", act=detail, group=group.id, people=people)
        extra: dict[str, Field] = {
            "UpdateDetail": detail,
            "JoinScene": join,
            "QuitScene": leave,
            "MemChangeCnt": len(people),
            "MemChangeList": {"Item": people},
            "LastMemVer": before,
            "CurMemVer": after,
        }
        self._group_event("update", group.id, extra)

    def _card(self, app: str, staff: str, task_id: str) -> dict[str, Any]:
        for line in reversed(self.world.talks[app_talk(app, staff)]):
            if line.kind == "card" and line.data["card"].get("task_id") == task_id:
                card: dict[str, Any] = line.data["card"]
                line.data["pressed"] = True
                return card
        return {}


def _selected(question: str, options: list[str]) -> Field:
    return {"QuestionKey": question, "OptionIds": {"OptionId": options}}
