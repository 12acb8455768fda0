"""Every reason there is, wherever the code gives one, becomes one line in Chinese an operator understands.

The reasons are taken from the source, so that a new one is asked the same as soon as somebody writes it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.wecom.errcode import MEANINGS, Asked, error_of
from handlers.kf import FAILURES
from handlers.message import REFUSALS, SILENT
from sop.audience import Facts, Is
from sop.file import read
from sop.guard import DEEDS, USUAL, Measure, breach
from sop.journey import EXIT_WORDS, Fate, Journey, JourneyState, Stay, due, enrol, exits, fate_reason
from sop.message import Channel
from sop.receipt import State
from sop.template import Exit, Reentry, Signal, Subject
from sop.timing import PAUSED
from sop.why import FATES, UNSPEAKABLE, Missed, Standing, Told, of_message, of_template, plainly
from tests.world import july

ROOT = Path(__file__).parents[2]
PLACES = ("sop", "handlers", "storage", "bot/*.py", "bot/wecom")
VERDICTS = {
    "Later",
    "Never",
    "Stay",
    "Enrol",
    "Unsaid",
    "Busy",
    "Crowded",
    "Refused",
    "Estranged",
    "Blocked",
    "Unanswered",
    "_Fate",
}
MOVERS = {
    "cancel",
    "move",
    "settle",
    "adopt",
    "explain",
    "end",
    "decide",
    "_recall",
    "_pass_on",
    "messages",
    "_drop",
    "_miss",
    "miss",
}
CHINESE = re.compile(r"[\u4e00-\u9fff]")
FILLED = ("林晓", "ValueError: foo.bar at 0x7f", "wm_x1", "12")  # what may stand in the gaps of a reason
ZONE = "Asia/Shanghai"
PLAN = read("""
id = "plan"
name = "计划"
[trigger]
on = "friend.added"
[audience]
include = '新人'
[[step]]
id = "first"
name = "第一天"
when = { day = 1, time = 19:30:00 }
text = "第一句"
""")


# ---------------------------------------------------------------- where they come from


def sources() -> Iterator[Path]:
    for place in PLACES:
        yield from ROOT.glob(place) if "*" in place else (ROOT / place).rglob("*.py")


def written() -> set[str]:
    """The texts that are handed to a verdict or to what moves a message, gaps filled with what may stand there."""
    found = set[str]()
    for path in sources():
        tree = ast.parse(path.read_text("utf-8"))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if name_of(call.func) in VERDICTS | MOVERS:
                for given in [*call.args, *(keyword.value for keyword in call.keywords)]:
                    found |= {text for text in texts(given) if CHINESE.search(text)}
    return found


def name_of(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def texts(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str() as text):
            yield text
        case ast.JoinedStr(values=parts):
            for filled in FILLED:
                yield "".join(part.value if isinstance(part, ast.Constant) else filled for part in parts)  # type: ignore[misc]
        case ast.IfExp(body=body, orelse=other):
            yield from texts(body)
            yield from texts(other)
        case ast.BoolOp(values=values):
            for value in values:
                yield from texts(value)


def of_the_platform() -> set[str]:
    codes, said = [*MEANINGS, 99999], "invalid ip, from ip: 1.2.3.4, more at https://open.work.weixin.qq.com"
    errors = [error_of(code, asked, said=said) for code in codes for asked in Asked]
    return {error.reason for error in errors if error} | set(FAILURES.values())


def of_rules() -> set[str]:
    stays = [enrol(plan, facts, last, july(9)) for plan, facts, last in ENROLMENTS]
    steps = [due(PLAN, 0, july(1), ZONE)]
    breaches = [breach(USUAL, measure, 20, 100) for measure in Measure]
    return (
        {stay.reason for stay in stays if isinstance(stay, Stay)}
        | {fate_reason(step, fate, ZONE) for step in steps for fate in Fate if fate is not Fate.ON_TIME}
        | {f"自动暂停：{found.reason}" for found in breaches if found}
        | {exits(PROMOTED, Facts(), signal=signal) for signal in Signal}
        | {
            exits(PROMOTED, Facts(), left=True),
            exits(TAGGED, Facts(tags=frozenset({"好"}))),
            *EXIT_WORDS.values(),
        }
        | {PAUSED, SILENT, *REFUSALS.values()}
    ) - {""}


def walked(state: JourneyState = JourneyState.ACTIVE) -> Journey:
    return Journey(
        template="plan", version=1, subject=Subject.MEMBER, whom="lin", run=1, anchor=july(1), state=state,
        changed=july(8),
    )  # fmt: skip


NEW = Facts(tags=frozenset({"新人"}))
AGAIN = replace(PLAN, reentry=Reentry(again=True, days=30))
PROMOTED = replace(PLAN, exit=Exit(promoted=True, on=frozenset(Signal)))
TAGGED = replace(PLAN, exit=Exit(tags=Is("好")))
ENROLMENTS = [
    (PLAN, Facts(), None),
    (PLAN, NEW, walked()),
    (PLAN, NEW, walked(JourneyState.DONE)),
    (AGAIN, NEW, walked(JourneyState.DONE)),
]
REASONS = sorted(written() | of_the_platform() | of_rules())


# ---------------------------------------------------------------- what becomes of them


def foreign(line: str) -> list[str]:
    """Words and numbers an operator does not know; names stand in 「」."""
    bare = re.sub(r"「[^」]*」|运营 \S+", "", line)
    return [
        word
        for word in re.findall(r"[A-Za-z][A-Za-z0-9_.-]+|[0-9]{5,}", bare)
        if word not in ("TA", "ID", "IP", "API")
    ]


def told(reason: str, state: State = State.REFUSED) -> Told:
    return Told(
        step="first", state=state, channel=Channel.GROUP_SEND, sender="林墨", reason=reason, why="「计划」的「第一天」",
        written=july(2), due=july(2), settled=july(2),
    )  # fmt: skip


def test_the_source_is_read_at_all() -> None:
    """Nothing found would make every test below pass."""
    assert len(written()) > 150
    assert len(of_the_platform()) > 80
    assert len(of_rules()) > 15
    assert {"对方已退订，不再发送推送", "导入的群不能发送", "平台未接受该接收人"} <= written()


def test_a_reason_is_one_line_an_operator_understands_and_the_trace_has_it_whole() -> None:
    because = {reason: of_message(told(reason), ZONE) for reason in REASONS}

    assert [reason for reason in REASONS if not CHINESE.search(plainly(reason))] == []
    assert [one.line for one in because.values() if foreign(one.line) or "\n" in one.line] == []
    assert [reason for reason, one in because.items() if one.trace[-1].what != reason] == []


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize(
    "reason", ["出错了：ValueError，详情见日志", "没有券批次「summer_1」，先把券码导入进来"]
)
def test_a_missed_step_says_so_too(fate: str, reason: str) -> None:
    one = Missed(step="第一天", fate=fate, reason=reason, due=july(2), noticed=july(2))

    line = of_template(PLAN, ZONE, Standing(journey=walked(), missed=[one])).line

    assert foreign(line) == []
    assert FATES[fate] in line


@pytest.mark.parametrize("measure", Measure)
def test_a_template_that_paused_itself_says_why_to_everybody_who_waits(measure: Measure) -> None:
    found = breach(USUAL, measure, 20, 100)
    assert found is not None

    for journey in (None, walked()):
        standing = Standing(journey=journey, paused=f"自动暂停：{found.reason}")
        line = of_template(PLAN, ZONE, standing).line
        assert DEEDS[measure] in line
        assert foreign(line) == []


def test_only_what_nobody_but_an_administrator_reads_is_left_out() -> None:
    assert (
        plainly("企业 ID（corp_id）不正确（错误码 40013）。在管理后台改到 wecom.corp_id 后重启")
        == "企业 ID不正确"
    )
    assert plainly("没有得到可信的答复：TimeoutError") == "没有得到可信的答复"
    assert (
        plainly("「wang.wu」没有在发送窗口内确认，任务已撤回")
        == "「wang.wu」没有在发送窗口内确认，任务已撤回"
    )
    assert plainly("运营 admin 决定不发了") == "运营 admin 决定不发了"
    assert plainly("TimeoutError") == UNSPEAKABLE


@given(st.text(), st.text(alphabet="ab _.，；：。（）「」错误码运营 中文\n0123"))
def test_whatever_a_reason_says_its_line_is_one_line_in_chinese(one: str, other: str) -> None:
    for reason in (one, other, one + other):
        said = plainly(reason)

        assert said
        assert "\n" not in said
        assert foreign(said) == []
