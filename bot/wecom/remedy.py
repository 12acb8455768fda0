"""What an administrator or operator can do about an error number: what to click where.

Places are those of the admin console at work.weixin.qq.com (管理后台); keys are those of config.toml.
"""

from __future__ import annotations

APP = "管理后台「应用管理 → 自建 → 这个应用」"
CONTACT = "管理后台「客户联系 → API」"
KF = "管理后台「应用管理 → 微信客服 → API」"
ARCHIVE = "管理后台「管理工具 → 会话内容存档」"

PERMITTED = (
    f"客户联系类接口：在{CONTACT}的「可调用接口的应用」里加上这个应用；微信客服类接口：在{KF}里加上；"
    f"应用群聊：{APP}的可见范围要选整个企业（根部门）"
)
SEEN = f"在{APP}的「可见范围」里加上这名员工"
NEW_HOOK = (
    "在内部群的「群设置 → 消息推送」里查看或重新添加，把地址里的 key 填到 config.toml 的 [[wecom.webhook]]"
)
ACCOUNT = f"在{KF}里查看可管理的账号，把它的 open_kfid 填到 wecom.kf.account"
PAID = f"在{ARCHIVE}里开通或续费，并确认要存档的员工已在名单里"
EDIT = "在群星控制台里改好这一步的文案，再重新发布"

ANY = "运行 qunxing check 看是哪一项；还不清楚时，把错误码和日志里的 hint 发给维护者"  # a fault nobody has described
BANNED = "运行 qunxing check 找出填错的 Secret，改好后重启一次；不要反复重启，到时间会自动恢复"

REMEDIES: dict[int, str] = {
    40001: f"在{APP}里查看 Secret（客户联系、微信客服、会话存档各看自己页面里的），改到 config.toml 后重启",
    40013: "在管理后台「我的企业 → 企业信息」最下面查看企业 ID，改到 wecom.corp_id 后重启",
    40014: f"核对{APP}的 Secret 与 config.toml 是否一致；几个应用的凭证不能混用",
    42001: "通常会自动更新；一直出现时请核对这台服务器的时钟",
    40056: f"在{APP}里查看 AgentId，改到 [[wecom.app]] 的 agent_id 后重启",
    41001: "这是程序的错误：请把日志里这一行发给维护者",
    40003: "请核对员工是否已离职；在职的话，" + SEEN,
    60111: "请核对员工是否已离职；在职的话，" + SEEN,
    40007: "重新上传图片或文件后再发",
    40008: EDIT,
    40033: EDIT,
    40035: EDIT,
    40058: EDIT,
    44004: EDIT,
    45002: "请缩短文案；" + EDIT,
    82004: EDIT,
    85002: EDIT,
    40029: "请重新打开页面登录",
    40068: "在群星控制台重新同步标签",
    81011: "请到管理后台「客户联系 → 客户标签」里改，或换一个群星建的标签",
    40098: "请这名员工在企业微信里完成认证",
    41054: "请这名员工登录一次企业微信",
    41041: "把活码里的员工减到 100 名以内",
    41045: "在管理后台「客户联系 → 加客户」里删掉不用的「联系我」活码",
    41055: "在管理后台「客户联系 → 入群欢迎语」里删掉不用的模板",
    43012: f"在{APP}的「接收消息 → 设置API接收」里填上回调地址、Token 和 EncodingAESKey",
    45009: "不用处理，到时间会自动继续；经常出现时请减少同一时刻的发送",
    48002: PERMITTED,
    48006: f"在{APP}的开发者接口里重新申请这项权限；{PERMITTED}",
    50001: f"在{APP}的「网页授权及 JS-SDK」里，把 server.public_url 的域名设为可信域名",
    50002: SEEN,
    60011: SEEN,
    60021: SEEN,
    50003: f"在{APP}里点「启用」",
    60020: f"在{APP}最下面的「企业可信IP」里加上这台服务器的出口 IP；约 1 分钟生效，群星几分钟内自动恢复",
    84061: "成员删掉了员工，或员工删掉了成员；重新加好友后才能联系",
    84074: f"在{CONTACT}的「可调用接口的应用」里加上这个应用，并确认员工在「客户联系 → 权限配置」的使用范围里",
    93000: NEW_HOOK,
    93004: "在内部群的「群设置 → 消息推送」里重新启用",
    93008: NEW_HOOK,
    95000: ACCOUNT,
    95004: ACCOUNT,
    95011: f"在{KF}里把这个应用加为可调用接口的应用，并把客服账号交给「企业内部开发」管理",
    95012: f"在{KF}里点「开始使用」，并把这个应用加为可调用接口的应用",
    95017: f"在{KF}的「通过API管理微信客服账号」里，勾选要管理的客服账号",
    301052: PAID,
    301053: PAID,
    701008: "在管理后台「我的企业 → 互通账号」里给这名员工分配许可",
}
