"""What the platform says of its own accord, and what a phone reports beside words: it changes nothing in the world.

Each has a name, a word for the chat page and the fields it usually bears (developer.work.weixin.qq.com pages 90239, 90240, 97299).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bot.simulator.callbacks import Callbacks
from bot.simulator.envelope import Field
from bot.simulator.world import World

NOTICE_DAYS = 14  # what is going to happen is told this long before


@dataclass(frozen=True)
class Notice:
    """``by`` is who seems to send it: a staff member, or the platform itself. ``soon`` names a field of an instant to come."""

    called: str
    fields: Mapping[str, Field] = field(default_factory=dict)
    to_app: bool = True
    by_staff: bool = False
    soon: str = ""


SCAN: Mapping[str, Field] = {"ScanType": "qrcode", "ScanResult": "https://qx.example.org/t/1"}
PICTURES: Mapping[str, Field] = {
    "Count": 2,
    "PicList": {
        "item": [{"PicMd5Sum": "5a75aaca956d97be686719218f275c6b"}, {"PicMd5Sum": "0cc175b9c0f1b6a8"}]
    },
}
PLACE: Mapping[str, Field] = {
    "Location_X": "30.2500",
    "Location_Y": "120.1300",
    "Scale": "15",
    "Label": "西湖",
    "Poiname": "",
}
JOB: Mapping[str, Field] = {"JobId": "JOB-0001", "JobType": "sync_user", "ErrCode": 0, "ErrMsg": "ok"}
APPROVAL: Mapping[str, Field] = {"SpNo": "202601010001", "SpName": "物料申请", "SpStatus": 2}
PICTURE = {"PicUrl": "https://wework.qpic.example/1", "MediaId": "MEDIA-image-0001"}
LINK = {"Title": "周报", "Description": "第二周", "Url": "https://qx.example.org/w2", "PicUrl": ""}


def _of_staff(called: str, **fields: Field) -> Notice:
    return Notice(called, fields, by_staff=True)


def _of_corp(called: str, **fields: Field) -> Notice:
    return Notice(called, fields, to_app=False)


NOTICES: Mapping[str, Notice] = {
    "message/image": _of_staff("发图片", **PICTURE),
    "message/voice": _of_staff("发语音", MediaId="MEDIA-voice-0001", Format="amr"),
    "message/video": _of_staff("发视频", MediaId="MEDIA-video-0001", ThumbMediaId="MEDIA-thumb-0001"),
    "message/location": _of_staff("发位置", **{**PLACE, "AppType": "wxwork"}),
    "message/link": _of_staff("发链接", **LINK),
    "LOCATION": _of_staff("上报位置", Latitude="30.25", Longitude="120.13", Precision="40", AppType="wxwork"),
    "view": _of_staff("点菜单里的网页", EventKey="https://qx.example.org/help"),
    "view_miniprogram": _of_staff("点菜单里的小程序", EventKey="pages/index"),
    "scancode_push": _of_staff("扫码", EventKey="SCAN", ScanCodeInfo=SCAN),
    "scancode_waitmsg": _of_staff("扫码等回复", EventKey="SCAN", ScanCodeInfo=SCAN),
    "pic_sysphoto": _of_staff("拍照", EventKey="PIC", SendPicsInfo=PICTURES),
    "pic_photo_or_album": _of_staff("拍照或选图", EventKey="PIC", SendPicsInfo=PICTURES),
    "pic_weixin": _of_staff("选图", EventKey="PIC", SendPicsInfo=PICTURES),
    "location_select": _of_staff("选位置", EventKey="PLACE", SendLocationInfo=PLACE),
    "taskcard_click": _of_staff("点旧任务卡", EventKey="yes", TaskId="task-0001"),
    "batch_job_result": Notice("异步任务完成", {"BatchJob": JOB}),
    "open_approval_change": Notice("审批变化", {"ApprovalInfo": APPROVAL}),
    "share_agent_change": Notice("共享应用变化"),
    "share_chain_change": Notice("上下游变化"),
    "inactive_alert": Notice("应用将被停用", soon="EffectTime"),
    "close_inactive_agent": Notice("应用被停用"),
    "reopen_inactive_agent": Notice("应用重新启用"),
    "low_active_alert": Notice("应用将失去客户数据", soon="EffectTime"),
    "low_active": Notice("应用失去客户数据"),
    "active_restored": Notice("应用恢复客户数据"),
    "change_contact/create_party": _of_corp("新建部门", Id=2, Name="杭州门店", ParentId=1),
    "change_contact/update_party": _of_corp("修改部门", Id=2, Name="杭州一店"),
    "change_contact/delete_party": _of_corp("删除部门", Id=2),
    "change_contact/update_tag": _of_corp(
        "修改成员标签", TagId=1, AddUserItems="linmo,suhe", DelPartyItems="1,2"
    ),
    "customer_acquisition/balance_low": _of_corp("获客额度不足"),
    "customer_acquisition/balance_exhausted": _of_corp("获客额度用完"),
    "customer_acquisition/balance_increased": _of_corp("获客额度增加"),
    "customer_acquisition/quota_expire_soon": Notice(
        "获客额度将过期", {"ExpireQuotaNum": 30}, to_app=False, soon="ExpireTime"
    ),
    "customer_acquisition/link_unavailable": _of_corp("获客链接不可用", LinkId="caQXdemo0001"),
    "customer_acquisition/delete_link": _of_corp("获客链接被删除", LinkId="caQXdemo0001"),
    "customer_acquisition/open_profile": _of_corp("打开获客名片", LinkId="caQXdemo0001", State="poster_0103"),
    "customer_acquisition/friend_request": _of_corp(
        "获客申请好友", LinkId="caQXdemo0001", State="poster_0103"
    ),
    "customer_acquisition/customer_start_chat": _of_corp(
        "获客客户开口",
        UserID="linmo",
        ExternalUserID="wmQXdemoAAAAalice000000000000001",
        LinkId="caQXdemo0001",
    ),
    "customer_acquisition/message_from_customer": _of_corp(
        "获客客户来消息", LinkId="caQXdemo0001", ChatKey="CHATKEY-0001"
    ),
}


def announce(
    world: World,
    callbacks: Callbacks,
    name: str,
    *,
    app: str = "",
    staff: str = "",
    fields: Mapping[str, Field] | None = None,
) -> None:
    """Send a notice with these fields over its usual ones; ``ValueError`` when there is none of this name."""
    notice = NOTICES.get(name)
    if notice is None:
        raise ValueError(f"no notice is called {name}")
    event, _, change = name.partition("/")
    now = world.now()
    head: dict[str, Field] = {
        "FromUserName": (staff or next(iter(world.staff), "linmo")) if notice.by_staff else "sys",
        "CreateTime": int(now.timestamp()),
    }
    if event == "message":
        head |= {"MsgType": change, "MsgId": str(9_000_000_000_000_000_000 + world.number("msgid"))}
    else:
        head |= {"MsgType": "event", "Event": event, **({"ChangeType": change} if change else {})}
    if notice.soon:
        head[notice.soon] = int((now + timedelta(days=NOTICE_DAYS)).timestamp())
    world.journal.note("act", act=name)
    door = f"app/{app or world.app_names()[0]}" if notice.to_app else "contact"
    callbacks.ring(door, {**head, **notice.fields, **(fields or {})}, lane=str(head["FromUserName"]))
