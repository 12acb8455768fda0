"""The whole schema on one page; every index says which question it serves.

Instants are integers, unix milliseconds UTC, in columns named ``*_at``. Local days are ISO texts.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up INTEGER keys only
Instant = BigInteger

# ---------------------------------------------------------------- machinery: what came in, what goes out

inbox = Table(
    "inbox",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column(
        "key", LargeBinary(32), nullable=False
    ),  # second and sha-256 of corp, door and body: one fact is one row
    Column("door", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("lane", String(128), nullable=False),  # what must be handled in order: a member or a group
    Column("shard", SmallInteger, nullable=False),  # lanes fall into shards; a worker leases shards
    Column("state", SmallInteger, nullable=False, server_default="0"),  # 0 waiting, 1 done, 2 parked
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("retry_at", Instant, nullable=False, server_default="0"),
    Column("received_at", Instant, nullable=False),
    Column("error", Text),
    UniqueConstraint("key"),
    # what waits, oldest first, with the shards I may hold; grows at its end, so that storing touches one page of it
    Index(
        "ix_inbox_waiting", "id", "shard", sqlite_where=text("state = 0"), postgresql_where=text("state = 0")
    ),
    # which lanes are held up by a retry
    Index(
        "ix_inbox_retry",
        "retry_at",
        sqlite_where=text("state = 0 AND retry_at > 0"),
        postgresql_where=text("state = 0 AND retry_at > 0"),
    ),
    # what is parked, for the operators' list
    Index("ix_inbox_parked", "id", sqlite_where=text("state = 2"), postgresql_where=text("state = 2")),
)

lease = Table(
    "lease",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("until_at", Instant, nullable=False),
)

errand = Table(
    "errand",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("what", String(32), nullable=False),
    Column("whom", String(160), nullable=False),
    Column("data", JSON, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("error", Text),
    Column("held_until", Instant, nullable=False, server_default="0"),  # until then somebody is at it
    Column("fence", BigInteger, nullable=False, server_default="0"),  # grows with everybody who is
    UniqueConstraint("what", "whom"),
    Index("ix_errand_due", "due_at"),  # which question to ask next
    # which are being asked
    Index(
        "ix_errand_held",
        "held_until",
        sqlite_where=text("held_until > 0"),
        postgresql_where=text("held_until > 0"),
    ),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("key", String(200), nullable=False, unique=True),  # the business key: one effect is one row
    Column("channel", String(16), nullable=False),
    Column("sender", String(64), nullable=False),
    Column("member", String(64), nullable=False, server_default=""),
    Column("staff", String(64), nullable=False, server_default=""),
    Column("group_id", String(64), nullable=False, server_default=""),
    Column("content", JSON, nullable=False),
    Column("digest", String(40), nullable=False),  # equal content, channel and sender share one task
    Column("urgent", Boolean, nullable=False),
    Column("marketing", Boolean, nullable=False),
    Column("welcome_code", Text, nullable=False, server_default=""),
    Column("ticket", Text, nullable=False, server_default=""),  # what the platform wants back with an answer
    Column("template", String(64), nullable=False, server_default=""),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("step", String(64), nullable=False, server_default=""),
    Column("journey", BigInteger, nullable=False, server_default="0"),
    Column("why", Text, nullable=False, server_default=""),
    Column("state", String(12), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),  # one line: why kept back, refused or unknown
    Column("fence", BigInteger, nullable=False, server_default="0"),
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("number", String(128), nullable=False, server_default=""),  # the platform's id of message or task
    Column("created_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("deadline_at", Instant),
    Column("tried_at", Instant),
    Column("doubt_at", Instant),  # when an attempt left that was never answered: it may have arrived
    Column("sent_at", Instant),
    Column("settled_at", Instant),  # when it was sent, refused or cancelled
    # what to send next on a channel: replies before pushes, each template in its turn
    Index(
        "ix_outbox_waiting",
        "channel",
        "urgent",
        "template",
        "due_at",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
    Index("ix_outbox_member", "member", "sent_at"),  # weekly budget, spacing, "why did I get this"
    Index("ix_outbox_group_id", "group_id", "sent_at"),
    Index("ix_outbox_state", "state", "id"),  # the operators' lists
    Index("ix_outbox_number", "number"),  # which messages share this task
    Index("ix_outbox_journey", "journey"),
    Index("ix_outbox_template", "template", "step", "created_at"),  # what became of each step
    # whom a template reached lately, and who could not be reached
    Index(
        "ix_outbox_settled",
        "template",
        "state",
        "settled_at",
        sqlite_where=text("settled_at IS NOT NULL"),
        postgresql_where=text("settled_at IS NOT NULL"),
    ),
)

trail = Table(
    "trail",  # what was decided on the way, where the row it is about has gone on since and says something else
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("journey", BigInteger, nullable=False, server_default="0"),
    Column("message", BigInteger, nullable=False, server_default="0"),  # 0: it is about the journey itself
    Column("what", Text, nullable=False),  # in the words operators read
    Column("decided_at", Instant, nullable=False),
    # how a message came to what it is, and a journey to where it is
    Index(
        "ix_trail_message", "message", sqlite_where=text("message > 0"), postgresql_where=text("message > 0")
    ),
    Index(
        "ix_trail_journey", "journey", sqlite_where=text("message = 0"), postgresql_where=text("message = 0")
    ),
    Index("ix_trail_decided_at", "decided_at"),  # what has had its time
)

task = Table(
    "task",  # a group-send task a person must confirm
    metadata,
    Column("number", String(128), primary_key=True),
    Column("sender", String(64), nullable=False),
    Column("to_groups", Boolean, nullable=False),
    Column("state", String(12), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("confirmed_at", Instant),
    Column("reminders", SmallInteger, nullable=False, server_default="0"),
    Index("ix_task_state", "state"),  # which tasks to poll
)

media = Table(
    "media",  # files we keep and hand to the platform when a message needs them
    metadata,
    Column("digest", String(64), primary_key=True),  # sha-256 of the bytes: one file is one row
    Column("form", String(8), nullable=False),  # image | voice | video | file
    Column("name", String(200), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("kept_at", Instant, nullable=False),
)

media_number = Table(
    "media_number",  # under which number, or at which address, a place of the platform knows a file
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("place", String(80), primary_key=True),
    Column("number", Text, nullable=False),
    Column("handed_at", Instant, nullable=False),
    Column("until_at", Instant),  # none: for good
)

response = Table(
    "response",  # addresses for a late answer that we have used; each takes one
    metadata,
    Column("digest", String(64), primary_key=True),  # of the address, which is a secret
    Column("used_at", Instant, nullable=False),
)

due = Table(
    "due",  # every wait of the product
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("what", String(32), nullable=False),
    Column("whom", String(160), nullable=False),
    Column("occurrence", String(64), nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("data", JSON, nullable=False),
    UniqueConstraint("what", "whom", "occurrence"),
    # which steps are due, and what else is; spelt out where they are asked for
    Index(
        "ix_due_step",
        "due_at",
        "id",
        sqlite_where=text("what = 'step'"),
        postgresql_where=text("what = 'step'"),
    ),
    Index(
        "ix_due_other",
        "due_at",
        "id",
        sqlite_where=text("what NOT IN ('step', 'held')"),
        postgresql_where=text("what NOT IN ('step', 'held')"),
    ),
)

missed = Table(
    "missed",  # waits that came too late, and what became of them
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("what", String(32), nullable=False),
    Column("whom", String(160), nullable=False),
    Column("occurrence", String(64), nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("noticed_at", Instant, nullable=False),
    Column("fate", String(16), nullable=False),  # late | skipped | asked | unsaid
    Column("reason", Text, nullable=False, server_default=""),
    UniqueConstraint("what", "whom", "occurrence"),
)

position = Table(
    "position",  # how far we have read of a feed (客服 cursor, archive sequence, import)
    metadata,
    Column("name", String(160), primary_key=True),
    Column("value", Text, nullable=False),
)

# ---------------------------------------------------------------- people

member = Table(
    "member",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(128), nullable=False, server_default=""),
    Column("avatar", Text, nullable=False, server_default=""),
    Column("unionid", String(64), nullable=False, server_default=""),
    Column("staff", Boolean, nullable=False, server_default=text("false")),
    Column("bot", Boolean, nullable=False, server_default=text("false")),
    Column("left_at", Instant),  # when an employee left the corp
    Column("source", String(64), nullable=False, server_default=""),
    Column("tier", String(16), nullable=False, server_default="new"),
    Column("tier_at", Instant, nullable=False, server_default="0"),
    Column(
        "zone", String(48), nullable=False, server_default=""
    ),  # whose clock they live by; empty: their group's
    Column("seen_at", Instant, nullable=False),  # first seen
    Column("active_at", Instant, nullable=False, server_default="0"),  # last activity
    # who else is the same WeChat person
    Index(
        "ix_member_unionid",
        "unionid",
        sqlite_where=text("unionid <> ''"),
        postgresql_where=text("unionid <> ''"),
    ),
    # does anybody live by a clock of their own
    Index("ix_member_zone", "zone", sqlite_where=text("zone != ''"), postgresql_where=text("zone != ''")),
)

member_field = Table(
    "member_field",  # days kept of members, like their birthday
    metadata,
    Column("member", String(64), primary_key=True),
    Column("field", String(32), primary_key=True),
    Column("day", String(10), nullable=False),
    Column("month_day", String(5), nullable=False),  # MM-DD
    Index("ix_member_field_day", "field", "month_day", "member"),  # whose day it is, every year
)

friend = Table(
    "friend",
    metadata,
    Column("member", String(64), primary_key=True),
    Column("staff", String(64), primary_key=True),
    Column("source", String(64), nullable=False, server_default=""),
    Column("half", Boolean, nullable=False, server_default=text("false")),
    Column("since_at", Instant, nullable=False),
    Column("lost_at", Instant),
    Column("lost_by", String(8), nullable=False, server_default=""),
    Column("remark", String(64), nullable=False, server_default=""),
    Column("remark_at", Instant, nullable=False, server_default="0"),  # when we last wrote it ourselves
    Index("ix_friend_staff", "staff"),
    # who has taken a friendship away lately
    Index(
        "ix_friend_lost_at",
        "lost_at",
        sqlite_where=text("lost_at IS NOT NULL"),
        postgresql_where=text("lost_at IS NOT NULL"),
    ),
)

way = Table(
    "way",  # QR codes that lead to staff or into groups
    metadata,
    Column("state", String(32), primary_key=True),  # what the platform brings back with who came through it
    Column("kind", String(8), nullable=False),  # contact | join
    Column("name", String(64), nullable=False),
    Column("tags", JSON, nullable=False),
    Column("wish", JSON, nullable=False),
    Column("standing", String(12), nullable=False),  # making | ready | refused | dropped
    Column(
        "number", String(64), nullable=False, server_default=""
    ),  # the platform's; it lists none to us later
    Column("image", Text, nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    Column("made_by", String(64), nullable=False, server_default=""),
    Column("created_at", Instant, nullable=False),
)

greeting = Table(
    "greeting",  # what groups say to newcomers
    metadata,
    Column("name", String(64), primary_key=True),
    Column("content", JSON, nullable=False),
    Column("standing", String(12), nullable=False),
    Column("number", String(64), nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    Column("created_at", Instant, nullable=False),
)

sighting = Table(
    "sighting",  # each friendship as the last walk through the directory was told of it
    metadata,
    Column("staff", String(64), primary_key=True),
    Column("member", String(64), primary_key=True),
    Column("digest", String(40), nullable=False),
    Column("seen_at", Instant, nullable=False),  # when that walk began
)

groups = Table(
    "groups",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(128), nullable=False, server_default=""),
    Column("kind", String(16), nullable=False),  # customer | internal | imported
    Column("owner", String(64), nullable=False, server_default=""),
    Column("zone", String(48), nullable=False, server_default=""),
    Column("version", String(64), nullable=False, server_default=""),
    Column("heard", String(64), nullable=False, server_default=""),  # the last version a callback told of
    Column("heard_at", Instant, nullable=False, server_default="0"),
    Column("line", Float),  # alarm when the score falls below
    Column("listed_at", Instant, nullable=False, server_default="0"),  # begin of the last walk that saw it
    Column("created_at", Instant, nullable=False),
    Column("dismissed_at", Instant),
    # does any group live by a clock of its own
    Index("ix_groups_zone", "zone", sqlite_where=text("zone != ''"), postgresql_where=text("zone != ''")),
)

seat = Table(
    "seat",  # who sits, or sat, in which group
    metadata,
    Column("group_id", String(64), primary_key=True),
    Column("member", String(64), primary_key=True),
    Column("scene", SmallInteger, nullable=False, server_default="0"),
    Column("source", String(64), nullable=False, server_default=""),
    Column("joined_at", Instant, nullable=False),
    Column("left_at", Instant),
    Column("removed", Boolean, nullable=False, server_default=false()),  # by somebody else
    Index("ix_seat_member", "member"),  # a member's groups
    # who has left lately
    Index(
        "ix_seat_left_at",
        "left_at",
        sqlite_where=text("left_at IS NOT NULL"),
        postgresql_where=text("left_at IS NOT NULL"),
    ),
)

tag = Table(
    "tag",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),  # basic | behaviour
    Column("platform_id", String(64), nullable=False, server_default=""),
    Column("platform_group", String(64), nullable=False, server_default=""),
)

member_tag = Table(
    "member_tag",
    metadata,
    Column("member", String(64), primary_key=True),
    Column("tag", String(64), primary_key=True),
    Column("since_at", Instant, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Index("ix_member_tag_tag", "tag"),  # who carries this tag
)

corp_tag = Table(
    "corp_tag",  # the platform's corporate tags, as last listed, and what we call them
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("group_name", String(64), nullable=False, server_default=""),
    Column("tag", String(64), nullable=False),
)

mark = Table(
    "mark",  # a tag on one friendship at the platform
    metadata,
    Column("member", String(64), primary_key=True),
    Column("staff", String(64), primary_key=True),
    Column("tag", String(64), primary_key=True),
    Column("present", Boolean, nullable=False),
    Column("settled", Boolean, nullable=False),  # the platform has taken our change
    Column("changed_at", Instant, nullable=False),
)

tier_change = Table(
    "tier_change",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("member", String(64), nullable=False),
    Column("before", String(16), nullable=False),
    Column("after", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Index("ix_tier_change_member", "member"),
)

consent = Table(
    "consent",  # append-only; the newest row of a member and purpose is in force
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("member", String(64), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("granted", Boolean, nullable=False),
    Column("wording", String(32), nullable=False),  # version of the text that was shown
    Column("channel", String(32), nullable=False),
    Column("decided_at", Instant, nullable=False),
    Index("ix_consent_member", "member", "purpose", "id"),
    Index("ix_consent_decided_at", "decided_at"),  # who has decided lately
)

conversation = Table(
    "conversation",  # a dialogue half done, with an end
    metadata,
    Column("member", String(64), primary_key=True),
    Column("topic", String(32), nullable=False),
    Column("data", JSON, nullable=False),
    Column("until_at", Instant, nullable=False),
)

kf_visitor = Table(
    "kf_visitor",  # members whom 微信客服 knows by another id than customer contact does
    metadata,
    Column("visitor", String(64), primary_key=True),
    Column("member", String(64), nullable=False),
    Index("ix_kf_visitor_member", "member"),  # where to write to
)

kf_session = Table(
    "kf_session",  # one member with one 微信客服 account
    metadata,
    Column("member", String(64), primary_key=True),
    Column("account", String(64), primary_key=True),
    Column("care", String(8), nullable=False),  # new | bot | queued | person | ended
    Column("staff", String(64), nullable=False, server_default=""),  # who attends to them
    Column("wrote_at", Instant, nullable=False, server_default="0"),  # the member's last words
    Column("moved_at", Instant, nullable=False, server_default="0"),
)

# ---------------------------------------------------------------- plans

template = Table(
    "template",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("name", String(128), nullable=False),
    Column("text", Text, nullable=False),  # the TOML the operator wrote, to the letter
    Column("priority", SmallInteger, nullable=False, server_default="0"),  # once it is published
    Column("state", String(12), nullable=False),  # draft | reviewed | published | retired
    Column("saved_by", String(64), nullable=False, server_default=""),
    Column("saved_at", Instant, nullable=False),
    Column("reviewed_by", String(64), nullable=False, server_default=""),
    Column("published_by", String(64), nullable=False, server_default=""),
    Column("published_at", Instant),
)

pause = Table(
    "pause",  # templates that stand still
    metadata,
    Column("template", String(64), primary_key=True),
    Column("by", String(64), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),  # one line, where somebody gave one
    Column("since_at", Instant, nullable=False),
)

guard = Table(
    "guard",  # from when the people a template reaches are counted, where an operator has let it go on
    metadata,
    Column("template", String(64), primary_key=True),
    Column("since_at", Instant, nullable=False),
)

audience = Table(
    "audience",  # audiences of which we keep who belongs, and how far everybody was asked
    metadata,
    Column("template", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("after", String(64), nullable=False),  # the last member asked; empty: the next is the first
    Column("whole", Boolean, nullable=False),  # everybody was asked once
)

audience_member = Table(
    "audience_member",
    metadata,
    Column("template", String(64), primary_key=True),
    Column("member", String(64), primary_key=True),
)

audience_change = Table(
    "audience_change",  # of whom something an audience may ask has changed, to be asked again
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),  # a row for each change: nobody waits for another
    Column("member", String(64), nullable=False),
)

journey = Table(
    "journey",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("template", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("subject", String(8), nullable=False),  # member | group
    Column("whom", String(64), nullable=False),
    Column("run", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    Column("step", Integer, nullable=False, server_default="0"),  # index of the next step
    # the step was said; what the member does now decides where the journey goes on
    Column("deciding", Boolean, nullable=False, server_default=false()),
    Column("reason", Text, nullable=False, server_default=""),
    Column(
        "zone", String(48), nullable=False, server_default=""
    ),  # as it was when it began; empty: the community's
    Column(
        "heard", JSON, nullable=False, server_default=text("'{}'")
    ),  # signal → when it was last heard, of those a step waits for
    Column("arm", String(32), nullable=False, server_default=""),  # of the comparison it takes part in
    Column("goal_at", Instant),  # when the goal was reached in time
    Column("anchor_at", Instant, nullable=False),  # day offsets count from here
    Column("changed_at", Instant, nullable=False),
    UniqueConstraint("template", "whom", "run"),
    Index("ix_journey_whom", "whom"),
    Index("ix_journey_state", "template", "state"),
)

hour_choice = Table(
    "hour_choice",  # at which hour a step with a best hour was planned
    metadata,
    Column("journey", BigInteger, primary_key=True),
    Column("step", String(64), primary_key=True),
    Column("minute", SmallInteger, nullable=False),  # of the local day
    Column("learnt", Boolean, nullable=False),  # false: the usual hour, to compare with
    Column("chosen_at", Instant, nullable=False),
    Index("ix_hour_choice_chosen_at", "chosen_at"),  # what has had its time
)

hour = Table(
    "hour",  # what followed our messages by hour of the week; older ones weigh less
    metadata,
    Column("group_id", String(64), primary_key=True),  # of the reader; empty: of none
    Column("tier", String(16), primary_key=True),
    Column("hour", SmallInteger, primary_key=True),  # 0 is Monday from midnight to one, local time
    Column("sends", Float, nullable=False),
    Column("hits", Float, nullable=False),
)

interaction_run = Table(
    "interaction_run",  # one posting of one light interaction to one group or member
    metadata,
    Column("id", String(64), primary_key=True),
    Column("item", String(64), nullable=False),
    Column("kind", String(16), nullable=False),  # light | poll | question
    Column("group_id", String(64), nullable=False, server_default=""),
    Column("joke", Text, nullable=False, server_default=""),
    Column("question", Text, nullable=False),
    Column("options", JSON, nullable=False),  # [[id, text, tag], ...]; none: any words are an answer
    Column("post_result", Boolean, nullable=False, server_default=text("false")),
    Column("template", String(64), nullable=False, server_default=""),
    Column("step", String(64), nullable=False, server_default=""),
    Column("opened_at", Instant, nullable=False),
    Column("closes_at", Instant, nullable=False),
    Column("closed", Boolean, nullable=False, server_default=text("false")),
    Index("ix_interaction_run_group_id", "group_id", "opened_at"),
)

answer = Table(
    "answer",
    metadata,
    Column("run", String(64), primary_key=True),
    Column("member", String(64), primary_key=True),
    Column("option", Text, nullable=False),  # the id of an option, or what was said
    Column("answered_at", Instant, nullable=False),
)

check_in = Table(
    "check_in",
    metadata,
    Column("member", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("group_id", String(64), nullable=False, server_default=""),
    Column("checked_at", Instant, nullable=False),
)

coupon_batch = Table(
    "coupon_batch",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(128), nullable=False),
    Column("per_member", Integer, nullable=False, server_default="1"),
    Column("starts_at", Instant),
    Column("ends_at", Instant),
    Column("valid_days", Integer, nullable=False, server_default="0"),  # after the claim; 0 = until the end
    Column("created_at", Instant, nullable=False),
)

coupon = Table(
    "coupon",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("batch", String(64), nullable=False),
    Column("code", String(64), nullable=False, unique=True),
    Column("member", String(64)),
    Column("nth", Integer),  # this member's first, second, ... of the batch
    Column("claimed_at", Instant),
    Column("expires_at", Instant),
    Column("redeemed_at", Instant),
    Column("order_id", String(64), nullable=False, server_default=""),
    UniqueConstraint("batch", "member", "nth"),  # nobody exceeds the member limit
    # which code is free
    Index(
        "ix_coupon_free",
        "batch",
        "id",
        sqlite_where=text("member IS NULL"),
        postgresql_where=text("member IS NULL"),
    ),
    Index("ix_coupon_member", "member"),
)

link = Table(
    "link",
    metadata,
    Column("token", String(48), primary_key=True),
    Column("target", Text, nullable=False),
    Column("title", String(128), nullable=False, server_default=""),
    Column("template", String(64), nullable=False, server_default=""),
    Column("step", String(64), nullable=False, server_default=""),
    Column("owner", String(160), nullable=False, server_default=""),  # what it was made for
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("owner", "target"),
)

# ---------------------------------------------------------------- what people did, and what it adds up to

activity = Table(
    "activity",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("key", String(96), nullable=False, unique=True),  # update id and what of it: logged once
    Column("kind", String(24), nullable=False),
    Column("member", String(64), nullable=False, server_default=""),
    Column("group_id", String(64), nullable=False, server_default=""),
    Column("happened_at", Instant, nullable=False),
    Column("level", String(12), nullable=False),  # archive | bot | page | official | import
    Column("ref", String(160), nullable=False, server_default=""),
    Column("text_hash", String(16), nullable=False, server_default=""),
    Column("text_len", Integer, nullable=False, server_default="0"),
    Index("ix_activity_member", "member", "happened_at"),
    Index("ix_activity_group_id", "group_id", "happened_at"),
    # joins and deeds, when all is added up again: they are few beside the talk
    Index(
        "ix_activity_not_talk",
        "group_id",
        "happened_at",
        sqlite_where=text("kind <> 'spoke'"),
        postgresql_where=text("kind <> 'spoke'"),
    ),
)

member_day = Table(
    "member_day",  # the roll-up the score is made of
    metadata,
    Column("group_id", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("member", String(64), primary_key=True),
    Column("n", Integer, nullable=False),
    Column("turns", Integer, nullable=False),
    Column("different", Integer, nullable=False),  # different normalised texts, counted up to 64
    Column("answered", SmallInteger, nullable=False),  # 0 no, 1 on the day itself, 2 only past its midnight
    Index("ix_member_day_member", "member", "day"),  # how active a member is, in all their groups
)

group_turn = Table(
    "group_turn",  # who spoke last in a group and when; the earliest day changed since it was last scored
    metadata,
    Column("group_id", String(64), primary_key=True),
    Column("member", String(64), nullable=False, server_default=""),
    Column("spoke_at", Instant, nullable=False, server_default="0"),
    Column("stale_day", String(10), nullable=False, server_default=""),
)

observed_day = Table(
    "observed_day",  # days on which the platform told us anything at all; others are unknown, not zero
    metadata,
    Column("day", String(10), primary_key=True),
)

member_first = Table(
    "member_first",  # the first activity of a member in a group
    metadata,
    Column("group_id", String(64), primary_key=True),
    Column("member", String(64), primary_key=True),
    Column("day", String(10), nullable=False),
)

score = Table(
    "score",
    metadata,
    Column("group_id", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("value", Float),
    Column("label", String(16), nullable=False),  # ok | observing | too_little | partial
    Column("coverage", String(16), nullable=False),
    Column("parts", JSON, nullable=False),
    Column("formula", String(16), nullable=False),
    Column("scored_at", Instant, nullable=False),
)

member_score = Table(
    "member_score",
    metadata,
    Column("group_id", String(64), primary_key=True),
    Column("member", String(64), primary_key=True),
    Column("energy", Float, nullable=False),  # e14: active days, halved every 14 days
    Column("energy_day", String(10), nullable=False),
    Column("value", Float),  # none until it is scored
    Index("ix_member_score_member", "member"),  # a member's best
)

statistic = Table(
    "statistic",  # the platform's own numbers for one day: of an owner's groups, of the corp, of one employee
    metadata,
    Column("level", String(8), primary_key=True),  # owner | day | staff
    Column("whom", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),  # of UTC+8
    Column("figures", JSON, nullable=False),
    Column("read_at", Instant, nullable=False),
)

alarm = Table(
    "alarm",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("key", String(160), nullable=False, unique=True),
    Column("group_id", String(64), nullable=False, server_default=""),
    Column("text", Text, nullable=False),
    Column("raised_at", Instant, nullable=False),
    Column("seen_at", Instant),
)

# ---------------------------------------------------------------- operators

guest_visit = Table(
    "guest_visit",  # which facts are the doing of a visitor we know by a pseudonym only
    metadata,
    Column("fact", String(96), primary_key=True),  # the key of the activity
    Column("guest", String(32), nullable=False),
    Column("visited_at", Instant, nullable=False),
    Index("ix_guest_visit_guest", "guest"),  # what a guest did, when they become a member
    Index("ix_guest_visit_visited_at", "visited_at"),  # what is to be forgotten
)

operator = Table(
    "operator",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("password", Text, nullable=False),  # argon2
    Column("role", String(16), nullable=False),
    Column(
        "staff", String(64), nullable=False, server_default=""
    ),  # whose account it is; empty: see the name
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", Instant, nullable=False),
    # whose scan this is; an employee has one account
    Index(
        "uq_operator_staff",
        "staff",
        unique=True,
        sqlite_where=text("staff <> ''"),
        postgresql_where=text("staff <> ''"),
    ),
)

session = Table(
    "session",
    metadata,
    Column("hash", LargeBinary(32), primary_key=True),
    Column("operator", String(64), nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("expires_at", Instant, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("who", String(64), nullable=False),
    Column("what", String(64), nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Column("done_at", Instant, nullable=False),
)
