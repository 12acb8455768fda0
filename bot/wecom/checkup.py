"""Whether the platform lets us do what we need: each secret, and one harmless question for each permission.

Nothing is sent and nothing is changed. A step that fails stops no other step, but for what the same secret could
only fail at too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bot.finding import Finding
from bot.wecom.client import PLATFORM_ZONE, WeComClient
from bot.wecom.credential import Credential
from bot.wecom.errcode import Reach, meaning_of
from bot.wecom.remedy import ACCOUNT, APP, CONTACT, KF
from bot.wecom.settings import App
from sop.errors import QunxingError, Refused, SendError

CLOCKS_DIFFER_S = 60.0
UNREACHED = (
    "检查这台服务器能否上网（DNS、防火墙、代理），要能访问 {base}；用模拟器开发时先运行 qunxing simulator"
)
NO_FRIENDS = 84061
BAD_DAY = 40035
NOBODY = Finding("", None, "没有试：还没有员工开通客户联系")

Answer = dict[str, Any]
Ask = Callable[[], Awaitable[str]]


@dataclass(frozen=True)
class Step:
    """One question: its name, and how to ask; the answer in words, or a ``Finding`` that says it is bad."""

    what: str
    ask: Callable[[], Awaitable[str | Finding]]


@dataclass(eq=False)
class Checkup:
    """Looks at one corp through its secrets."""

    client: WeComClient

    async def findings(self, kf_account: str = "") -> AsyncIterator[Finding]:
        yield await self._clock()
        for credential, steps in self._plan(kf_account):
            finding = await self._secret(credential)
            yield finding
            passed = bool(finding.good)
            for step in steps:
                if not passed:
                    yield Finding(step.what, None, f"没有试：先解决 {credential.section} 的密钥或出口 IP")
                    continue
                finding = await self._step(step)
                passed = finding.good is not False or meaning_of(finding.code).reach is not Reach.SECRET
                yield finding

    # ------------------------------------------------------------ the plan

    def _plan(self, kf_account: str) -> list[tuple[Credential, list[Step]]]:
        """Each secret once, with everything that is asked by it."""
        credentials, settings = self.client.credentials, self.client.settings
        plan: dict[str, tuple[Credential, list[Step]]] = {}
        for credential in credentials.configured():
            plan.setdefault(credential.key, (credential, []))
        for app in settings.apps:
            plan[credentials.of_app(app).key][1].append(self._agent(app))
        if plan and (settings.contact_secret or settings.apps):
            plan[credentials.contact().key][1].extend(self._contact())
        if settings.kf_secret or kf_account:
            plan.get(credentials.kf().key, (None, []))[1].append(self._kf(kf_account))
        if settings.archive_secret:
            plan[credentials.archive().key][1].append(self._archive())
        return list(plan.values())

    def _agent(self, app: App) -> Step:
        """A menu need not exist; only a wrong number of the app is of interest."""
        credential = self.client.credentials.of_app(app)

        async def ask() -> str:
            with suppress(Refused):  # that there is no menu, say
                await self.client.get("menu/get", credential, agentid=str(app.agent_id))
            return f"agent_id {app.agent_id} 与 Secret 相符"

        return Step(f"应用 {app.name} 的 AgentId", ask)

    def _contact(self) -> list[Step]:
        return [
            Step("客户联系：开通的员工", self._staff),
            Step("客户联系：读取客户", self._friends),
            Step("客户联系：读取客户群", self._asks("externalcontact/groupchat/list", {"limit": 1})),
            Step("客户联系：企业标签", self._asks("externalcontact/get_corp_tag_list", {})),
            Step("客户联系：企业群发", self._asks("externalcontact/get_groupmsg_list_v2", self._yesterday())),
            Step("客户联系：渠道活码", self._asks("externalcontact/list_contact_way", {"limit": 1})),
            Step("客户联系：群统计", self._numbers),
        ]

    def _kf(self, account: str) -> Step:
        return Step("微信客服：可管理的账号", lambda: self._accounts(account))

    def _archive(self) -> Step:
        archive = self.client.credentials.archive()

        async def ask() -> str | Finding:
            answer = await self.client.post("msgaudit/get_permit_user_list", archive, {})
            if not answer.get("ids"):
                return Finding(
                    "", False, "没有员工开启存档", "管理后台「管理工具 → 会话内容存档」里选择要存档的员工"
                )
            return "已开通，有员工开启存档"

        return Step("会话内容存档：开通的员工", ask)

    # ------------------------------------------------------------ the questions

    async def _staff(self) -> str | Finding:
        answer = await self.client.get(
            "externalcontact/get_follow_user_list", self.client.credentials.contact()
        )
        staff = answer.get("follow_user") or ()
        if not staff:
            remedy = "管理后台「客户联系 → 权限配置 → 使用范围」里选上要服务客户的员工"
            return Finding("", False, "没有一名员工开通了客户联系", remedy)
        return f"{len(staff)} 名员工开通了客户联系"

    async def _friends(self) -> str | Finding:
        staff = await self._somebody()
        if not staff:
            return NOBODY
        try:
            query = {"userid": staff}
            answer = await self.client.get("externalcontact/list", self.client.credentials.contact(), **query)
        except SendError as error:
            if error.code != NO_FRIENDS:
                raise
            return "可以读取（这名员工还没有客户）"
        return f"可以读取（{staff} 有 {len(answer.get('external_userid') or ())} 位客户）"

    async def _numbers(self) -> str | Finding:
        staff = await self._somebody()
        if not staff:
            return NOBODY
        yesterday = (self.client.clock.now() - timedelta(days=1)).astimezone(PLATFORM_ZONE)
        start = yesterday.replace(hour=0, minute=0, second=0, microsecond=0)
        body = {"day_begin_time": int(start.timestamp()), "owner_filter": {"userid_list": [staff]}}
        try:
            return await self._asks("externalcontact/groupchat/statistic", body)()
        except SendError as error:
            if error.code != BAD_DAY:
                raise
            return "可以读取（昨天还没有数）"

    async def _somebody(self) -> str:
        contact = self.client.credentials.contact()
        answer = await self.client.get("externalcontact/get_follow_user_list", contact)
        return next((str(one) for one in answer.get("follow_user") or ()), "")

    async def _accounts(self, account: str) -> str | Finding:
        answer = await self.client.post(
            "kf/account/list", self.client.credentials.kf(), {"offset": 0, "limit": 100}
        )
        found = [str(one.get("open_kfid")) for one in answer.get("account_list") or ()]
        if not found:
            remedy = f"在{KF}的「通过API管理微信客服账号」里，勾选要管理的客服账号"
            return Finding("", False, "没有一个客服账号交给 API 管理", remedy)
        if account and account not in found:
            return Finding(
                "", False, f"没有 wecom.kf.account 写的 {account}，只有 {'、'.join(found)}", ACCOUNT
            )
        return "、".join(found)

    def _asks(self, path: str, body: Answer) -> Ask:
        async def ask() -> str:
            await self.client.post(path, self.client.credentials.contact(), body)
            return "可以读取"

        return ask

    def _yesterday(self) -> Answer:
        now = self.client.clock.now()
        start = int((now - timedelta(days=1)).timestamp())
        return {"chat_type": "group", "start_time": start, "end_time": int(now.timestamp()), "limit": 1}

    # ------------------------------------------------------------ one step

    async def _secret(self, credential: Credential) -> Finding:
        what = f"[{credential.section}] 的 Secret"
        try:
            await self.client.tokens.get(credential)
        except SendError as error:
            return self._refused(what, error)
        return Finding(what, True, "能取到访问凭证")

    async def _step(self, step: Step) -> Finding:
        try:
            found = await step.ask()
        except SendError as error:
            return self._refused(step.what, error)
        except QunxingError as error:
            return Finding(step.what, False, str(error))
        if isinstance(found, Finding):
            return Finding(step.what, found.good, found.said, found.remedy)
        return Finding(step.what, True, found)

    def _refused(self, what: str, error: SendError) -> Finding:
        """The words of a refusal are what happened, and after the full stop what to do."""
        if not error.code or error.code in range(100, 600):
            base = self.client.settings.api_base
            return Finding(
                what, False, f"企业微信没有可信的答复：{error.reason}", UNREACHED.format(base=base)
            )
        said, _, remedy = error.reason.partition("。")
        return Finding(what, False, said, remedy or f"核对{APP}和{CONTACT}里的权限", error.code)

    async def _clock(self) -> Finding:
        """Tokens, callbacks and sign-ins all have times in them; the platform's clock is the right one."""
        base = self.client.settings.api_base
        try:
            seen = await self.client.outgoing.look(self.client.address("getcallbackip"))
        except SendError as error:
            return Finding("企业微信", False, f"连不上：{error.reason}", UNREACHED.format(base=base))
        if seen.at is None:
            return Finding("本机时钟", None, f"{base} 没有说现在几点")
        ahead = (self.client.clock.now() - seen.at).total_seconds()
        if abs(ahead) > CLOCKS_DIFFER_S:
            way = "快" if ahead > 0 else "慢"
            said = f"比企业微信{way} {abs(ahead):.0f} 秒"
            remedy = (
                "打开时间同步（chrony 或 systemd-timesyncd），再检查一遍；时钟不准时，回调会被当成过期的拒收"
            )
            return Finding("本机时钟", False, said, remedy)
        return Finding("本机时钟", True, f"与企业微信相差不到 {CLOCKS_DIFFER_S:.0f} 秒")
