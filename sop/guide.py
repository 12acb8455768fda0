"""Every key of a template file: what is expected there, and an example that works.

Mistakes are answered from this table, and the operators' page is checked against it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """What belongs under a key, in the operators' words, and a line that could stand there."""

    expected: str
    example: str


WEEKDAYS = "mon、tue、wed、thu、fri、sat、sun 之一"
SPAN = "时长：数字加单位 s、m、h、d，可以连写"
EXPRESSION = "适用人群表达式：标签、tier:…、joined >= 7d 等，用 & 且、| 或、! 非、括号连起来"
TEXT = "文字，可以用 {{ 变量 }}"

KEYS: dict[str, Key] = {
    "id": Key("小写字母开头，只含小写字母、数字、下划线，最长 64 个", 'id = "seven_day_growth"'),
    "name": Key("给人看的名字", 'name = "7天成长计划"'),
    "version": Key("从 1 开始的整数", "version = 1"),
    "description": Key("一两句说明", 'description = "新朋友的前七天"'),
    "subject": Key("member（每个成员各走各的）或 group（整个群一起走）", 'subject = "member"'),
    "trigger": Key("什么时候开始，一张 [trigger] 表", '[trigger]\non = "friend.added"'),
    "trigger.on": Key(
        "friend.added、member.joined、group.joined、tag.added、tag.removed、tier.changed、link.visited、order.paid、"
        "silence、date、weekly、monthly、holiday、date_field 之一",
        'on = "friend.added"',
    ),
    "trigger.tag": Key('on = "tag.added" 或 "tag.removed" 时：哪个标签', 'tag = "职场新人"'),
    "trigger.tier": Key(
        'on = "tier.changed" 时：升到哪一层，new、potential、core 之一；不写就是任何变化', 'tier = "core"'
    ),
    "trigger.group": Key('on = "group.joined" 时：群名；不写就是任何群', 'group = "新手答疑群"'),
    "trigger.template": Key(
        'on = "link.visited" 时：哪个模板发出的链接；不写就是任何链接', 'template = "seven_day_growth"'
    ),
    "trigger.days": Key('on = "silence" 时：多少天没有动静，1 到 365 的整数', "days = 14"),
    "trigger.date": Key('on = "date" 时：哪一天，不加引号', "date = 2026-10-01"),
    "trigger.weekday": Key(f'on = "weekly" 时：{WEEKDAYS}', 'weekday = "sat"'),
    "trigger.day": Key('on = "monthly" 时：几号，1 到 31 的整数，短的月份算最后一天', "day = 1"),
    "trigger.holiday": Key(
        'on = "holiday" 时：元旦、春节、清明节、劳动节、端午节、中秋节、国庆节之一，或 any',
        'holiday = "春节"',
    ),
    "trigger.field": Key('on = "date_field" 时：成员的哪个日期字段', 'field = "birthday"'),
    "trigger.days_before": Key("提前几天，整数；不写就是当天", "days_before = 1"),
    "trigger.time": Key("时间，带秒，不加引号", "time = 19:30:00"),
    "audience": Key("给谁，一张 [audience] 表", "[audience]\neveryone = true"),
    "audience.include": Key(EXPRESSION, "include = '职场新人 | 创业人群'"),
    "audience.exclude": Key(EXPRESSION, "exclude = 'tier:core'"),
    "audience.everyone": Key("true 或 false", "everyone = true"),
    "rules": Key("发送规则，一张 [rules] 表", "[rules]\nweekly_cap = 3"),
    "rules.quiet_hours": Key(
        "免打扰时段，from 到 to，可以跨过午夜", "quiet_hours = { from = 22:00:00, to = 08:00:00 }"
    ),
    "rules.quiet_hours.from": Key("时间，带秒，不加引号", "from = 22:00:00"),
    "rules.quiet_hours.to": Key("时间，带秒，不加引号，和 from 不同", "to = 08:00:00"),
    "rules.weekly_cap": Key("一周最多几条，0 到 50 的整数", "weekly_cap = 3"),
    "rules.priority": Key("−9 到 9 的整数，不写是 0；一周的条数不够分时，大的先发", "priority = 5"),
    "rules.again": Key('"never"（只走一次）、"always"，或隔多久可以再走', 'again = "30d"'),
    "rules.hold_out": Key("对照组的比例，0 到 0.5 的小数", "hold_out = 0.1"),
    "rules.approval_above": Key("超过多少人要两个人审批，正整数", "approval_above = 500"),
    "exit": Key("什么时候提前结束，一张 [exit] 表", "[exit]\npromoted = true"),
    "exit.promoted": Key("true 或 false：升级就结束", "promoted = true"),
    "exit.left": Key("true 或 false：退群或删好友就结束，不写是 true", "left = true"),
    "exit.tags": Key(EXPRESSION, "tags = '已转化'"),
    "exit.on": Key(
        "一组信号：link.visited、answered、checked_in、coupon.claimed、coupon.redeemed、order.paid、replied、promoted",
        'on = ["order.paid"]',
    ),
    "finish": Key("走完以后做什么，一张 [finish] 表", '[finish]\ntags_add = ["完成成长计划"]'),
    "finish.tags_add": Key("走完就加上的标签，原来的都留着", 'tags_add = ["完成成长计划"]'),
    "finish.chain": Key("接着进入的另一份模板的 id", 'chain = "weekly_pick"'),
    "finish.invite": Key("请成员加入的群：入群活码的名称，或者群名", 'invite = "老友群"'),
    "finish.invite_text": Key("邀请的话；不写就用现成的一句", 'invite_text = "来老友群坐坐：{{ link }}"'),
    "finish.on_goal": Key("true 或 false：true 就在达成目标那一刻做，走完时不再做第二次", "on_goal = true"),
    "guard": Key("护栏：伤到太多人就自动暂停，一张 [guard] 表", "[guard]\nopt_outs = 0.03"),
    "guard.off": Key("true 或 false：true 就不自动暂停", "off = true"),
    "guard.opt_outs": Key("退订的人占多少就暂停，0.001 到 1 的小数，不写是 0.05", "opt_outs = 0.03"),
    "guard.refusals": Key(
        "删好友或被平台拒收的人占多少就暂停，0.001 到 1 的小数，不写是 0.1", "refusals = 0.08"
    ),
    "guard.leavers": Key("退群的人占多少就暂停，0.001 到 1 的小数，不写是 0.1", "leavers = 0.08"),
    "guard.window": Key(f"{SPAN}，10 分钟到 7 天：看多久以内发到的人，不写是 24 小时", 'window = "24h"'),
    "guard.minimum": Key("至少几个人才算数，正整数，不写是 5", "minimum = 10"),
    "goal": Key("这个模板为了什么，一张 [goal] 表", '[goal]\nsignal = "promoted"\nwithin_days = 7'),
    "goal.signal": Key(
        "link.visited、answered、checked_in、coupon.claimed、coupon.redeemed、order.paid、replied、promoted 之一",
        'signal = "promoted"',
    ),
    "goal.tag": Key("得到哪个标签算达成", 'tag = "已完成七天"'),
    "goal.within_days": Key("几天之内，1 到 365 的整数", "within_days = 7"),
    "arm": Key(
        "对比的一组，以 [[arm]] 开头；没有分到哪一组的人看原来的文案",
        '[[arm]]\nname = "问句开头"\nshare = 0.5',
    ),
    "arm.name": Key("这一组的名字，变体里用它", 'name = "问句开头"'),
    "arm.share": Key("这一组占多少人，0 到 1 的小数，几组加起来不超过 1", "share = 0.5"),
    "step": Key(
        "至少一个步骤，每个以 [[step]] 开头",
        '[[step]]\nid = "day1"\nwhen = { day = 1, time = 19:30:00 }\ntext = "晚上好"',
    ),
    "step.id": Key("小写字母开头，只含小写字母、数字、下划线，模板内不重复", 'id = "day1"'),
    "step.name": Key("给人看的名字", 'name = "第一天"'),
    "step.when": Key(
        "几种写法之一：第几天几点、星期几几点、几月几号几点、开始之后多久、上一步之后多久、某个动作之后多久、最合适的钟点",
        "when = { day = 1, time = 19:30:00 }",
    ),
    "step.when.day": Key(
        "开始后的第几天，0 是当天，0 到 400 的整数；best 从 1 起", "when = { day = 1, time = 19:30:00 }"
    ),
    "step.when.weekday": Key(WEEKDAYS, 'when = { weekday = "sat", time = 19:30:00 }'),
    "step.when.date": Key("哪一天，不加引号", "when = { date = 2026-12-24, time = 19:30:00 }"),
    "step.when.week": Key(
        "第几个这样的星期几，1 到 60 的整数", 'when = { weekday = "sat", week = 2, time = 19:30:00 }'
    ),
    "step.when.time": Key("时间，带秒，不加引号", "when = { day = 1, time = 19:30:00 }"),
    "step.when.after": Key(SPAN, 'when = { after = "2h" }'),
    "step.when.window": Key(
        f"{SPAN}；过了这么久就不再发", 'when = { day = 1, time = 19:30:00, window = "2h" }'
    ),
    "step.when.wait": Key(f"{SPAN}；从上一步说完，或选定分支时算起", 'when = { wait = "2h" }'),
    "step.when.after_event": Key(
        "link.visited、answered、checked_in、coupon.claimed、coupon.redeemed、order.paid、replied、promoted 之一："
        "从成员做了这件事算起",
        'when = { after_event = "order.paid", delay = "2h" }',
    ),
    "step.when.delay": Key(
        f"{SPAN}；做了那件事之后多久，不写是马上", 'when = { after_event = "order.paid", delay = "2h" }'
    ),
    "step.when.within": Key(
        f"{SPAN}；最多等多久，等不到就跳过，不写是 7 天",
        'when = { after_event = "order.paid", within = "7d" }',
    ),
    "step.when.best": Key(
        "true：这一天里最合适的钟点，从大家的反应里学来", "when = { best = true, day = 3 }"
    ),
    "step.when.from": Key(
        "时间，带秒，不加引号；best 不早于几点，不写是 08:00",
        "when = { best = true, day = 3, from = 09:00:00 }",
    ),
    "step.when.to": Key(
        "时间，带秒，不加引号；best 早于几点，不写是 22:00", "when = { best = true, day = 3, to = 21:00:00 }"
    ),
    "step.when.workday": Key(
        "true 或 false：碰上周末或节假日，就挪到下一个要上班的日子",
        "when = { day = 3, time = 12:30:00, workday = true }",
    ),
    "step.channel": Key(
        "auto、group_send、kf、app、welcome、webhook、appchat 之一", 'channel = "group_send"'
    ),
    "step.text": Key(f"{TEXT}；没有变体合适时发这一段", 'text = "晚上好，今天读三分钟：{{ link }}"'),
    "step.variant": Key(
        "给某些人的另一种说法，以 [[step.variant]] 开头", "[[step.variant]]\nfor = '创业人群'\ntext = \"…\""
    ),
    "step.variant.arm": Key("只给对比里的这一组，写 [[arm]] 的名字", 'arm = "问句开头"'),
    "step.variant.for": Key(EXPRESSION, "for = '创业人群 & !已购'"),
    "step.variant.text": Key(TEXT, 'text = "创业路上的朋友，晚上好"'),
    "step.link": Key("这一步的追踪链接", 'link = { url = "https://example.com/day1", title = "第一课" }'),
    "step.link.url": Key(
        "http:// 或 https:// 开头的地址，或 /m/ 开头的成员页面", 'url = "https://example.com/day1"'
    ),
    "step.link.title": Key("卡片标题", 'title = "第一课"'),
    "step.task": Key("请成员做的一件小事", 'task = { kind = "check_in" }'),
    "step.task.kind": Key(
        "check_in、poll、question、light、coupon、link 之一", 'task = { kind = "check_in" }'
    ),
    "step.task.question": Key("题目", 'question = "你最想解决的一个问题是？"'),
    "step.task.options": Key(
        "2 到 10 个选项，每个是文字或 { text, tag }",
        'options = [{ text = "沟通", tag = "想练沟通" }, "写作"]',
    ),
    "step.task.options.text": Key("选项文字", '{ text = "沟通", tag = "想练沟通" }'),
    "step.task.options.tag": Key("选了这一项就打上的标签", '{ text = "沟通", tag = "想练沟通" }'),
    "step.task.closes": Key(f"{SPAN}；到时收集结束", 'closes = "24h"'),
    "step.task.post_result": Key("true 或 false：结束后把结果发回群里", "post_result = true"),
    "step.task.weeks_apart": Key("同一个群隔几周才重复同一条，1 到 104 的整数", "weeks_apart = 8"),
    "step.task.batch": Key("券批次的编号", 'task = { kind = "coupon", batch = "summer" }'),
    "step.task.reward": Key("连续打卡的奖励", '[[step.task.reward]]\ndays = 7\ntag = "打卡7天"'),
    "step.task.reward.days": Key("连续几天，1 到 366 的整数", "days = 7"),
    "step.task.reward.tag": Key("打上的标签", 'tag = "打卡7天"'),
    "step.task.reward.coupon": Key("送出的券批次编号", 'coupon = "checkin_7"'),
    "step.on_miss": Key("late（窗口内补发）、skip（跳过）、ask（问运营）之一", 'on_miss = "skip"'),
    "step.on_no_confirm": Key("员工迟迟不确认时怎么办", 'on_no_confirm = { do = "remind", after = "2h" }'),
    "step.on_no_confirm.do": Key(
        "remind（提醒）或 deputy（换人）", 'on_no_confirm = { do = "remind", after = "2h" }'
    ),
    "step.on_no_confirm.after": Key(SPAN, 'on_no_confirm = { do = "remind", after = "2h" }'),
    "step.on_no_confirm.deputy": Key(
        "接手的员工帐号", 'on_no_confirm = { do = "deputy", after = "2h", deputy = "zhangsan" }'
    ),
    "step.success": Key(
        "link.visited、answered、checked_in、coupon.claimed、coupon.redeemed、order.paid、replied、promoted 之一",
        'success = "link.visited"',
    ),
    "step.marketing": Key("true 或 false：不是推广就写 false，不占每周上限", "marketing = false"),
    "step.attach": Key(
        "文字旁边带的图片、视频、文件、链接或小程序，以 [[step.attach]] 开头；只有群发和欢迎语能带",
        '[[step.attach]]\nkind = "image"\nfile = "周末海报.png"',
    ),
    "step.attach.kind": Key("image、video、file、link、mini_program 之一", 'kind = "image"'),
    "step.attach.file": Key(
        "素材库里的文件名，先用 qunxing media add 放进来；小程序写封面图", 'file = "周末海报.png"'
    ),
    "step.attach.title": Key("链接或小程序卡片的标题，可以用 {{ 变量 }}", 'title = "周末手冲课"'),
    "step.attach.url": Key(
        "http 或 https 开头的地址，或 /m/ 开头的自己的页面", 'url = "https://example.com/class"'
    ),
    "step.attach.description": Key("链接卡片的说明，可以用 {{ 变量 }}", 'description = "周六下午两点"'),
    "step.attach.picture": Key("链接卡片图片的地址", 'picture = "https://example.com/class.png"'),
    "step.attach.app_id": Key("小程序的 AppID，要关联到企业", 'app_id = "wx8888888888888888"'),
    "step.attach.page": Key("小程序的页面", 'page = "pages/class/index"'),
    "step.branch": Key(
        "说完之后看成员做了什么再走哪一步，以 [[step.branch]] 开头，最后一条写 else",
        '[[step.branch]]\non = "answered"\nto = "thanks"\n\n[[step.branch]]\non = "else"\nto = "nudge"',
    ),
    "step.branch.on": Key(
        "link.visited、answered、checked_in、coupon.claimed、coupon.redeemed、order.paid、replied、promoted、else 之一",
        'on = "answered"',
    ),
    "step.branch.to": Key("后面某一步的 id，或 end（结束）", 'to = "thanks"'),
    "step.decide": Key(f"{SPAN}；等成员动作等多久，到时走 else", 'decide = "24h"'),
    "step.then": Key("说完接着走后面哪一步的 id，或 end；不写就是下一步", 'then = "day7"'),
    "item": Key(
        "轻互动的题库，每条以 [[item]] 开头",
        '[[item]]\nid = "coffee"\njoke = "…"\nquestion = "…"\noptions = ["美式", "拿铁"]',
    ),
    "item.id": Key("小写字母开头，只含小写字母、数字、下划线，题库内不重复", 'id = "first_coffee"'),
    "item.joke": Key("段子", 'joke = "周一的咖啡，是成年人的开机键。"'),
    "item.question": Key("题目", 'question = "今天的第一杯是什么？"'),
    "item.options": Key(
        "2 到 10 个选项，每个是文字或 { text, tag }", 'options = [{ text = "美式", tag = "美式党" }, "拿铁"]'
    ),
    "item.options.text": Key("选项文字", '{ text = "美式", tag = "美式党" }'),
    "item.options.tag": Key("选了这一项就打上的标签", '{ text = "美式", tag = "美式党" }'),
}
