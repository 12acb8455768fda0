"""What administrators do in the console: people are employed and leave, tags are put in order, members handed over."""

from __future__ import annotations

from collections.abc import Iterable

from bot.simulator import tag
from bot.simulator.callbacks import Callbacks
from bot.simulator.envelope import Field
from bot.simulator.world import Friendship, Staff, World

REFUSED, FULL = "customer_refused", "customer_limit_exceed"


class Office:
    """The administrators' hands, with the callbacks the platform sends for them."""

    def __init__(self, world: World, callbacks: Callbacks) -> None:
        self.world, self._callbacks = world, callbacks

    # staff

    def employ(self, staff: str, name: str) -> None:
        self.world.staff[staff] = Staff(staff, name)
        self._contact("create_user", {"UserID": staff, "Name": name, "Department": "1"})
        self.show(staff)

    def leave_corp(self, staff: str) -> None:
        """The employee is deleted; friends and groups stay in their name until somebody takes them over."""
        del self.world.staff[staff]
        for account in self.world.accounts.values():
            account.servicers.pop(staff, None)
        self._contact("delete_user", {"UserID": staff})
        self.hide(staff)

    def renumber(self, staff: str, new: str) -> None:
        """The employee's userid changes, and with it everything the platform tells of them."""
        one = self.world.staff.pop(staff)
        self.world.staff[new] = Staff(new, one.name, one.console_welcome)
        for member in [member for (who, member) in self.world.friendships if who == staff]:
            bond = self.world.friendships.pop((staff, member))
            self.world.friendships[new, member] = _renamed(bond, new)
        for group in self.world.groups.values():
            group.owner = new if group.owner == staff else group.owner
            if (seat := group.seats.pop(staff, None)) is not None:
                seat.id = new
                group.seats[new] = seat
        self._contact("update_user", {"UserID": staff, "NewUserID": new})

    def show(self, staff: str, *, app: str = "") -> None:
        """The app comes into the employee's sight."""
        self._sight("subscribe", staff, app)

    def hide(self, staff: str, *, app: str = "") -> None:
        self._sight("unsubscribe", staff, app)

    # members

    def fail_transfer(self, member: str, staff: str, *, reason: str = REFUSED) -> None:
        """Handing a member over to ``staff`` failed: they refused, or the employee has too many."""
        inside: dict[str, Field] = {"FailReason": reason, "UserID": staff, "ExternalUserID": member}
        self._event("change_external_contact", "transfer_fail", inside, lane=member)

    def take_over(self, member: str, old: str, new: str) -> None:
        """A member is handed over from one employee to another."""
        bond = self.world.friendships.pop((old, member))
        self.world.friendships[new, member] = Friendship(
            new, member, self.world.now(), bond.state, add_way=202, tags=bond.tags
        )
        lost: dict[str, Field] = {"UserID": old, "ExternalUserID": member, "Source": "DELETE_BY_TRANSFER"}
        self._event("change_external_contact", "del_external_contact", lost, lane=member)
        gained: dict[str, Field] = {"UserID": new, "ExternalUserID": member}
        self._event("change_external_contact", "add_external_contact", gained, lane=member)

    def agree_to_archive(self, member: str, staff: str) -> None:
        self.world.members[member].archived = True
        inside: dict[str, Field] = {"UserID": staff, "ExternalUserID": member}
        self._event("change_external_contact", "msg_audit_approved", inside, lane=member)

    # tags

    def create_tag_group(self, name: str, tags: Iterable[str]) -> str:
        """A group of tags made in the console; its number."""
        made = [tag.create(self.world, one, name) for one in tags]
        group = made[0].group
        self._tag("create", group, "tag_group")
        for one in made:
            self._tag("create", one.id, "tag")
        return group

    def rename_tag_group(self, group: str, name: str) -> None:
        self.world.tag_groups[group].name = name
        self._tag("update", group, "tag_group")

    def delete_tag_group(self, group: str) -> None:
        """Its tags go with it, and nobody says so of each (developer.work.weixin.qq.com path 92130)."""
        for one in [one.id for one in self.world.tags.values() if one.group == group]:
            tag.remove(self.world, one)
        self.world.tag_groups.pop(group, None)
        self._tag("delete", group, "tag_group")

    def shuffle_tags(self, group: str = "") -> None:
        """The order of a group's tags changed; without a name, the order of the groups."""
        for place, one in enumerate(reversed([t for t in self.world.tags.values() if t.group == group])):
            one.order = place
        inside: dict[str, Field] = {"Id": group}
        self._event("change_external_tag", "shuffle", inside, lane="tags")

    # how callbacks are put together

    def _contact(self, change: str, inside: dict[str, Field]) -> None:
        self._event("change_contact", change, inside, lane="staff")

    def _tag(self, change: str, number: str, kind: str) -> None:
        self._event("change_external_tag", change, {"Id": number, "TagType": kind}, lane="tags")

    def _event(self, event: str, change: str, inside: dict[str, Field], *, lane: str) -> None:
        self.world.journal.note("act", act=f"{event}/{change}")
        head: dict[str, Field] = {"FromUserName": "sys", "CreateTime": int(self.world.now().timestamp())}
        kind: dict[str, Field] = {"MsgType": "event", "Event": event, "ChangeType": change}
        self._callbacks.ring("contact", {**head, **kind, **inside}, lane=lane)

    def _sight(self, event: str, staff: str, app: str) -> None:
        self.world.journal.note("act", act=event, staff=staff)
        fields: dict[str, Field] = {
            "FromUserName": staff,
            "CreateTime": int(self.world.now().timestamp()),
            "MsgType": "event",
            "Event": event,
            "EventKey": "",
        }
        self._callbacks.ring(f"app/{app or self.world.app_names()[0]}", fields, lane=staff)


def _renamed(bond: Friendship, staff: str) -> Friendship:
    bond.staff = staff
    return bond
