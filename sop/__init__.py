"""What we mean: the words of community operation and the rules, as plain values.

No I/O and no clock; every rule takes values and ``now`` and returns values.

The glossary. Use these words in code, and only these (中文 in everything people read).

==============  ==========  ==========================================================================
word            中文        meaning (and the synonyms we avoid)
==============  ==========  ==========================================================================
member          成员        a person in the community (not user, customer)
staff           员工        an employee in whose name messages to members go out
group           群          a chat of many members (not room, chat)
tag             标签        a word attached to a member, basic or behavioural
tier            分层        new, potential or core
consent         同意        what a member allowed us to send, and when
template        SOP 模板    the plan an operator writes (not flow, campaign)
step            步骤        one thing a template says or does
audience        适用人群    who a template is for, as an expression
field           日期字段    a day kept of members under a name, like their birthday
trigger         触发        what starts a journey: an event, or the clock
variant         变体        another wording of a step, for those a tag expression names
signal          信号        what shows that a step worked, or ends a journey
guard           护栏        what stops a template by itself when it does harm
journey         旅程        one member or one group walking one template; the verb is *enrol*
interaction     轻互动      a joke with a mini survey, a poll, a check-in
coupon          优惠券      a code from a batch, at most one per person
link            追踪链接    a short address whose visits we know of
update          动态        something that happened
message         消息        something we say
card            模板卡片    what a message shows with something to press
media           素材        a file we keep and hand to the platform when a message needs it
moment          朋友圈      what an employee posts for their members to see
way             渠道活码    a QR code that leads to staff or into a group, and tells where people came from
greeting        入群欢迎语  what a group says to a newcomer, from the platform's library
statistic       统计        what the platform counts by day, per owner or for the whole corp
mark            标记        a tag as the platform carries it on one friendship
notice          平台通知    what the platform tells of itself and of the corp
receipt         回执        what the platform told us of a message
activity        行为        a logged fact
engagement      活跃度      the score
event           活动        sign-up, live, replay
story           征集故事    what a member tells us, with consent to publish
topic           选题        a subject worth the next article
==============  ==========  ==========================================================================

Machinery has words of its own, used outside ``sop`` only: inbox, outbox, lease, review.
"""
