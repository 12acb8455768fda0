"""Every error number that can reach us: what it means to an operator, and what becomes of the request.

The numbers are the platform's own list (developer.work.weixin.qq.com path 90313). A number is an answer: the
platform did not do what was asked, so no number ever means *unknown*. What an administrator must click where is
in ``remedy.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from bot.wecom.remedy import ANY, BANNED, REMEDIES
from sop.errors import Blocked, Busy, Estranged, Refused, SendError


class Action(StrEnum):
    """What to do with the request."""

    AGAIN = "again"  # later, as it was
    TOKEN = "token"  # a fresh token once, and once more
    WINDOW = "window"  # not before the limit's window is over
    NEVER = "never"  # this one thing is refused for good
    OTHERWISE = "otherwise"  # refused as asked; whoever asked knows another way to ask
    STOP = "stop"  # the installation is wrong: stop and tell an operator
    DONE = "done"  # as good as done


class Asked(StrEnum):
    """What kind of endpoint answered: the one that gives tokens, or any other."""

    TOKEN = "token"
    API = "api"


class Reach(StrEnum):
    """How much else would be refused for the same reason."""

    REQUEST = "request"  # nothing else
    PATH = "path"  # whatever this secret asks of this endpoint
    SECRET = "secret"  # whatever this secret asks


@dataclass(frozen=True)
class Meaning:
    """A number's meaning in the operators' words, and how much else it concerns."""

    action: Action
    words: str
    retry_after: float = 0.0
    reach: Reach = Reach.REQUEST


UNTRUSTED = 60020

A, T, W, N, E, S, D = (
    Action.AGAIN,
    Action.TOKEN,
    Action.WINDOW,
    Action.NEVER,
    Action.OTHERWISE,
    Action.STOP,
    Action.DONE,
)

MEANINGS: dict[int, Meaning] = {
    -1: Meaning(A, "企业微信系统繁忙，稍后自动重试", 5),
    6000: Meaning(A, "数据正被别处修改，稍后自动重试", 2),
    40001: Meaning(T, "应用 Secret 不正确", reach=Reach.SECRET),
    40003: Meaning(N, "员工账号无效，可能已离职或不在可见范围内"),
    40007: Meaning(N, "素材无效或已过期（素材只保存 3 天）"),
    40008: Meaning(N, "消息类型不被支持"),
    40013: Meaning(S, "企业 ID（corp_id）不正确", reach=Reach.SECRET),
    40014: Meaning(T, "访问凭证无效", reach=Reach.SECRET),
    40029: Meaning(N, "登录授权码无效、用过或已过期"),
    40033: Meaning(N, "请求中含有不被接受的字符"),
    40035: Meaning(N, "参数不正确"),
    40050: Meaning(N, "内部群不存在"),
    40056: Meaning(S, "应用的 agent_id 不正确"),
    40058: Meaning(N, "参数不合要求"),
    40068: Meaning(N, "标签不存在"),
    40071: Meaning(D, "同名标签已存在"),
    40096: Meaning(N, "成员 ID 无效，或添加 TA 的员工不在应用可见范围内"),
    40098: Meaning(N, "员工尚未完成认证"),
    41001: Meaning(S, "请求缺少访问凭证", reach=Reach.PATH),
    41041: Meaning(N, "一个「联系我」最多配置 100 名员工"),
    41045: Meaning(S, "「联系我」数量已达上限", reach=Reach.PATH),
    41047: Meaning(N, "群发任务不存在"),
    41048: Meaning(N, "没有可以送达的成员"),
    41050: Meaning(N, "欢迎语已过期（20 秒内有效）"),
    41051: Meaning(D, "双方已经开始聊天，无需再发欢迎语"),
    41053: Meaning(N, "成员尚未同意会话存档，欢迎语未发送"),
    41054: Meaning(N, "员工尚未激活企业微信"),
    41055: Meaning(S, "入群欢迎语模板已达 100 个上限", reach=Reach.PATH),
    41058: Meaning(N, "入群欢迎语模板不是本应用创建的，不能修改"),
    41063: Meaning(A, "群发任务仍在分发中，稍后再查", 60),
    41093: Meaning(N, "群发任务已停止"),
    41094: Meaning(N, "该任务今天的提醒次数已用完（24 小时 3 次）"),
    41096: Meaning(A, "另一个应用正在发送欢迎语", 1),
    42001: Meaning(T, "访问凭证已过期", reach=Reach.SECRET),
    43012: Meaning(S, "应用没有配置接收消息的回调地址，互动卡片不能使用"),
    44004: Meaning(N, "消息内容为空"),
    45002: Meaning(N, "消息内容超过长度限制"),
    45009: Meaning(W, "接口调用过于频繁，等限制解除后自动继续", 60),
    45033: Meaning(A, "同时调用过多，稍后自动重试", 2),
    48002: Meaning(S, "应用没有这个接口的权限", reach=Reach.PATH),
    48006: Meaning(S, "接口权限因长期不用被收回", reach=Reach.PATH),
    50001: Meaning(S, "网页域名不是应用的可信域名"),
    50002: Meaning(N, "不在应用的可见范围内"),
    50003: Meaning(S, "应用已被停用", reach=Reach.SECRET),
    50100: Meaning(E, "翻页位置失效，需要从头读取"),
    60011: Meaning(N, "没有权限操作该员工或部门"),
    60020: Meaning(S, "这台服务器的出口 IP 不在企业可信 IP 中", reach=Reach.SECRET),
    60021: Meaning(N, "不在应用的可见范围内"),
    60111: Meaning(N, "员工不存在，可能已离职"),
    60140: Meaning(N, "卡片更新凭证已用过或超过 72 小时"),
    81011: Meaning(N, "标签不是本应用创建的，无权操作"),
    81013: Meaning(N, "所有接收人都无效"),
    81017: Meaning(E, "一次请求的范围过大，需要分批"),
    82001: Meaning(N, "没有指定接收人"),
    82002: Meaning(N, "指定的部门过多"),
    82003: Meaning(N, "指定的标签过多"),
    82004: Meaning(N, "内容不合规"),
    84061: Meaning(N, "员工与成员不是好友关系"),
    84074: Meaning(S, "应用没有客户联系权限", reach=Reach.PATH),
    84084: Meaning(N, "该员工没有添加这位成员"),
    85002: Meaning(N, "文案含有违禁词"),
    86001: Meaning(N, "内部群 ID 不合法"),
    86003: Meaning(N, "内部群不存在"),
    86008: Meaning(N, "内部群不是本应用创建的"),
    93000: Meaning(S, "群机器人地址无效，或机器人已被移出群", reach=Reach.PATH),
    93004: Meaning(S, "群机器人已被停用", reach=Reach.PATH),
    93008: Meaning(S, "群机器人不在群里", reach=Reach.PATH),
    95000: Meaning(S, "微信客服账号不合法"),
    95001: Meaning(N, "成员下次发言前最多回复 5 条，已用完"),
    95002: Meaning(N, "距成员上次发言已超过 48 小时，不能再发"),
    95004: Meaning(S, "微信客服账号不存在"),
    95007: Meaning(E, "消息拉取凭证失效，改为不带凭证拉取"),
    95008: Meaning(N, "菜单选项超过 10 个"),
    95011: Meaning(S, "微信客服的管理方式与密钥不符", reach=Reach.PATH),
    95012: Meaning(S, "微信客服的 API 功能未开启", reach=Reach.PATH),
    95013: Meaning(N, "客服会话已结束"),
    95014: Meaning(N, "该员工不是这个客服账号的接待人员"),
    95016: Meaning(N, "客服会话当前状态不能这样变更"),
    95017: Meaning(S, "微信客服的 API 管理权限未开启", reach=Reach.PATH),
    95018: Meaning(N, "客服会话当前状态不能发送消息"),
    95019: Meaning(N, "接待人员已停止接待"),
    95031: Meaning(N, "成员 48 小时内没有咨询过，不能发送"),
    301052: Meaning(S, "会话内容存档已过期", reach=Reach.PATH),
    301053: Meaning(S, "会话内容存档未开通", reach=Reach.PATH),
    301058: Meaning(E, "会话存档一次拉取过多，需要减少条数"),
    301060: Meaning(E, "一次查询超过 100 条，需要分批"),
    301061: Meaning(N, "会话存档中没有这名员工"),
    610004: Meaning(N, "不是本企业的客户"),
    846605: Meaning(E, "这条消息已经不能直接回复，改为主动发送"),
    846608: Meaning(E, "流式回复已经结束，改为主动发送"),
    701008: Meaning(S, "员工没有互通账号许可"),
}

AT_TOKEN: dict[int, Meaning] = {
    -1: Meaning(A, "企业微信系统繁忙，稍后自动重试", 5),
    6000: Meaning(A, "数据正被别处修改，稍后自动重试", 2),
    45009: Meaning(
        W, "取访问凭证被暂停：多半是 Secret 多次填错，企业微信封了这台服务器的出口 IP，约 1 小时", 3600
    ),
    45033: Meaning(A, "同时调用过多，稍后自动重试", 2),
}  # every other refusal of a token is a fault of the installation

STRANGERS = frozenset({84061, 84084})
TOKEN_REFUSED = frozenset({40001, 40014, 42001})  # at an API; at gettoken 40001 is a wrong secret
NAMED_ADDRESS = re.compile(r"from ip: ([0-9a-fA-F.:]{3,45})")


def meaning_of(code: int, asked: Asked = Asked.API) -> Meaning:
    """What ``code`` means, and what to do about it.

    A number we do not know was still an answer, so nothing was done. At an API repeating it might never end,
    and stopping the channel would punish the others: it is refused, and shown to operators. Where tokens are
    given, asking on could get the address banned: it stops.
    """
    known = MEANINGS.get(code)
    if asked is Asked.TOKEN:
        words = known.words if known else "企业微信没有给出访问凭证"
        return AT_TOKEN.get(code) or Meaning(Action.STOP, words, reach=Reach.SECRET)
    return known or Meaning(Action.NEVER, "企业微信拒绝了请求")


def action_of(code: int, asked: Asked = Asked.API) -> Action:
    return meaning_of(code, asked).action


def remedy_for(code: int, asked: Asked = Asked.API, *, said: str = "") -> str:
    """What to click where; empty where nobody can do anything. ``said`` is the platform's own message.

    The message is for people only: of it the address we are seen at is shown, and nothing else is understood.
    """
    action = meaning_of(code, asked).action
    known = REMEDIES.get(code) or (ANY if action is Action.STOP else "")
    if asked is Asked.TOKEN and action is Action.WINDOW:
        return BANNED
    address = NAMED_ADDRESS.search(said) if code == UNTRUSTED else None
    return f"{known}（平台看到的出口 IP：{address[1]}）" if address else known


def words_for(code: int, asked: Asked = Asked.API, *, said: str = "") -> str:
    """One line for operators: what happened, and what to do."""
    remedy = remedy_for(code, asked, said=said)
    return f"{meaning_of(code, asked).words}（错误码 {code}）{'。' if remedy else ''}{remedy}"


def error_of(code: int, asked: Asked = Asked.API, *, said: str = "") -> SendError | None:
    """The one error, and so the one fate, a number stands for; None when it is as good as done."""
    reason, meaning = words_for(code, asked, said=said), meaning_of(code, asked)
    match meaning.action:
        case Action.DONE:
            return None
        case Action.WINDOW if asked is Asked.TOKEN:  # banned: operators must know
            return Blocked(reason, code=code, retry_after=meaning.retry_after)
        case Action.AGAIN | Action.WINDOW:
            return Busy(reason, code=code, retry_after=meaning.retry_after)
        case Action.STOP | Action.TOKEN:  # a fresh token refused too is a fault of the installation
            return Blocked(reason, code=code)
    return (Estranged if code in STRANGERS else Refused)(reason, code=code)
