"""Every error number that can reach us: what it means to an operator, and what becomes of the request.

The numbers are the platform's own list (developer.work.weixin.qq.com path 90313). A number is an answer: the
platform did not do what was asked, so no number ever means *unknown*.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sop.errors import Blocked, Busy, Refused, SendError


class Action(StrEnum):
    """What to do with the request."""

    AGAIN = "again"  # later, as it was
    TOKEN = "token"  # a fresh token once, and once more
    WINDOW = "window"  # not before the limit's window is over
    NEVER = "never"  # this one thing is refused for good
    OTHERWISE = "otherwise"  # refused as asked; whoever asked knows another way to ask
    STOP = "stop"  # the installation is wrong: stop and tell an operator
    DONE = "done"  # as good as done


@dataclass(frozen=True)
class Meaning:
    """A number's meaning in the operators' words, with the next step where there is one."""

    action: Action
    words: str
    retry_after: float = 0.0


A, T, W, N, O, S, D = (  # noqa: E741
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
    40001: Meaning(S, "应用 Secret 不正确，请在企业微信管理后台核对后更新配置"),
    40003: Meaning(N, "员工账号无效，可能已离职或不在可见范围内"),
    40007: Meaning(N, "素材无效或已过期（素材只保存 3 天），请重新上传"),
    40008: Meaning(N, "消息类型不被支持，请检查模板"),
    40013: Meaning(S, "企业 ID（corp_id）不正确，请核对配置"),
    40014: Meaning(T, "访问凭证无效"),
    40029: Meaning(N, "登录授权码无效、用过或已过期，请重新打开页面"),
    40033: Meaning(N, "请求中含有不被接受的字符，请检查文案"),
    40035: Meaning(N, "参数不正确，请检查模板内容"),
    40050: Meaning(N, "内部群不存在"),
    40056: Meaning(S, "应用的 agent_id 不正确，请核对配置"),
    40058: Meaning(N, "参数不合要求，请检查模板内容"),
    40068: Meaning(N, "标签不存在，请重新同步标签"),
    40071: Meaning(D, "同名标签已存在"),
    40096: Meaning(N, "成员 ID 无效，或添加 TA 的员工不在应用可见范围内"),
    40098: Meaning(N, "员工尚未完成认证"),
    41001: Meaning(S, "请求缺少访问凭证，这是程序错误，请联系维护者"),
    41041: Meaning(N, "一个「联系我」最多配置 100 名员工"),
    41045: Meaning(S, "「联系我」数量已达上限，请清理不用的活码"),
    41047: Meaning(N, "群发任务不存在"),
    41048: Meaning(N, "没有可以送达的成员"),
    41050: Meaning(N, "欢迎语已过期（20 秒内有效）"),
    41051: Meaning(D, "双方已经开始聊天，无需再发欢迎语"),
    41053: Meaning(N, "成员尚未同意会话存档，欢迎语未发送"),
    41054: Meaning(N, "员工尚未激活企业微信"),
    41055: Meaning(S, "入群欢迎语模板已达 100 个上限，请清理"),
    41058: Meaning(N, "入群欢迎语模板不是本应用创建的，不能修改"),
    41063: Meaning(A, "群发任务仍在分发中，稍后再查", 60),
    41093: Meaning(N, "群发任务已停止"),
    41094: Meaning(N, "该任务今天的提醒次数已用完（24 小时 3 次）"),
    41096: Meaning(A, "另一个应用正在发送欢迎语", 1),
    42001: Meaning(T, "访问凭证已过期"),
    43012: Meaning(S, "应用未配置接收消息的回调地址，互动卡片不能使用"),
    44004: Meaning(N, "消息内容为空"),
    45002: Meaning(N, "消息内容超过长度限制，请缩短文案"),
    45009: Meaning(W, "接口调用过于频繁，等限制解除后自动继续", 60),
    45033: Meaning(A, "同时调用过多，稍后自动重试", 2),
    48002: Meaning(S, "应用没有该接口的权限，请在管理后台为应用开通"),
    48006: Meaning(S, "应用长期未使用，权限已被收回，请在管理后台恢复"),
    50001: Meaning(S, "网页域名不是应用的可信域名，请在管理后台配置"),
    50002: Meaning(N, "不在应用的可见范围内"),
    50003: Meaning(S, "应用已被停用，请在管理后台启用"),
    50100: Meaning(O, "翻页位置失效，需要从头读取"),
    60011: Meaning(N, "没有权限操作该员工或部门"),
    60020: Meaning(S, "服务器 IP 不在企业可信 IP 中，请在管理后台添加，约 1 分钟后生效"),
    60021: Meaning(N, "不在应用的可见范围内"),
    60111: Meaning(N, "员工不存在，可能已离职"),
    60140: Meaning(N, "卡片更新凭证已用过或超过 72 小时"),
    81011: Meaning(N, "标签不是本应用创建的，无权操作"),
    81013: Meaning(N, "所有接收人都无效"),
    81017: Meaning(O, "一次请求的范围过大，需要分批"),
    82001: Meaning(N, "没有指定接收人"),
    82002: Meaning(N, "指定的部门过多"),
    82003: Meaning(N, "指定的标签过多"),
    82004: Meaning(N, "内容不合规，请修改文案"),
    84061: Meaning(N, "员工与成员不是好友关系"),
    84074: Meaning(S, "应用没有客户联系权限，请在管理后台加入「可调用接口的应用」"),
    84084: Meaning(N, "该员工没有添加这位成员"),
    85002: Meaning(N, "文案含有违禁词，请修改"),
    86001: Meaning(N, "内部群 ID 不合法"),
    86003: Meaning(N, "内部群不存在"),
    86008: Meaning(N, "内部群不是本应用创建的"),
    93000: Meaning(S, "群机器人地址无效，或机器人已被移出群，请更新 webhook 的 key"),
    93004: Meaning(S, "群机器人已被停用"),
    93008: Meaning(S, "群机器人不在群里"),
    95000: Meaning(S, "微信客服账号不合法，请核对 open_kfid"),
    95001: Meaning(N, "成员下次发言前最多回复 5 条，已用完"),
    95002: Meaning(N, "距成员上次发言已超过 48 小时，不能再发"),
    95004: Meaning(S, "微信客服账号不存在，请核对 open_kfid"),
    95007: Meaning(O, "消息拉取凭证失效，改为不带凭证拉取"),
    95008: Meaning(N, "菜单选项超过 10 个"),
    95011: Meaning(S, "微信客服的管理方式与密钥不符，请在管理后台核对"),
    95012: Meaning(S, "微信客服的 API 功能未开启"),
    95013: Meaning(N, "客服会话已结束"),
    95014: Meaning(N, "该员工不是这个客服账号的接待人员"),
    95016: Meaning(N, "客服会话当前状态不能这样变更"),
    95017: Meaning(S, "微信客服的 API 管理权限未开启"),
    95018: Meaning(N, "客服会话当前状态不能发送消息"),
    95019: Meaning(N, "接待人员已停止接待"),
    95031: Meaning(N, "成员 48 小时内没有咨询过，不能发送"),
    301052: Meaning(S, "会话内容存档已过期，请续费"),
    301053: Meaning(S, "会话内容存档未开通"),
    301058: Meaning(O, "会话存档一次拉取过多，需要减少条数"),
    301060: Meaning(O, "一次查询超过 100 条，需要分批"),
    301061: Meaning(N, "会话存档中没有这名员工"),
    610004: Meaning(N, "不是本企业的客户"),
    846605: Meaning(O, "这条消息已经不能直接回复，改为主动发送"),
    846608: Meaning(O, "流式回复已经结束，改为主动发送"),
    701008: Meaning(S, "员工没有互通账号许可，请在管理后台分配"),
}

TOKEN_REFUSED = frozenset({40001, 40014, 42001})  # at an API; at gettoken 40001 is a wrong secret


def action_of(code: int) -> Action:
    """What to do about ``code``.

    A number we do not know was still an answer, so nothing was done. Repeating it might never end,
    and stopping the channel would punish the others: it is refused, and shown to operators.
    """
    meaning = MEANINGS.get(code)
    return meaning.action if meaning else Action.NEVER


def words_for(code: int) -> str:
    """One line for operators."""
    meaning = MEANINGS.get(code)
    return f"{meaning.words if meaning else '企业微信拒绝了请求'}（错误码 {code}）"


def error_of(code: int) -> SendError | None:
    """The one error, and so the one fate, a number stands for; None when it is as good as done."""
    reason, action = words_for(code), action_of(code)
    if action is Action.DONE:
        return None
    if action in (Action.AGAIN, Action.WINDOW):
        return Busy(reason, code=code, retry_after=MEANINGS[code].retry_after)
    if action in (
        Action.STOP,
        Action.TOKEN,
    ):  # a fresh token that is refused too is a fault of the installation
        return Blocked(reason, code=code)
    return Refused(reason, code=code)
