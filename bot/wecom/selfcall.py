"""Whether our own doors open from outside: the question the platform asks when a callback address is saved.

Asked through the public address, with a text sealed by the keys of the configuration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.chance import Chance
from bot.cipher import Cipher
from bot.clock import Clock
from bot.finding import Finding
from bot.outgoing import Outgoing, Seen
from sop.errors import SendError

DEADLINE_S = 1.0  # developer.work.weixin.qq.com path 90930
START = "先运行 qunxing run，再开一个终端运行 qunxing check"
SAVED = "把这个地址、Token 和 EncodingAESKey 填到管理后台对应的「接收消息 / 接收事件服务器」里并保存"
COUNTED = re.compile(r'qunxing_callbacks_total\{door="([^"]+)",outcome="([^"]+)"\} (\d+)')


@dataclass(frozen=True)
class Ours:
    """The bot as it is reached from outside, and from this machine."""

    public_url: str
    local_url: str


@dataclass(eq=False)
class SelfCall:
    outgoing: Outgoing
    clock: Clock
    chance: Chance
    ours: Ours

    async def findings(self, doors: dict[str, Cipher]) -> list[Finding]:
        """What became of one question at each door; with nobody at home nothing can be told."""
        if not doors:
            return []
        if not await self._at_home():
            addresses = "、".join(self._address(door) for door in doors)
            return [Finding("回调地址", None, f"群星没有在运行，没法试：{addresses}", START)]
        counts = await self._counts()
        return [await self._asked(door, cipher, counts) for door, cipher in doors.items()]

    async def _asked(self, door: str, cipher: Cipher, counts: dict[tuple[str, str], int]) -> Finding:
        what, address = f"回调 {door}", self._address(door)
        word = self.chance.token(16)
        echo = cipher.seal(word.encode(), self.chance.bytes(16))
        stamp, nonce = str(int(self.clock.now().timestamp())), self.chance.token(8)
        query = {
            "msg_signature": cipher.sign(stamp, nonce, echo),
            "timestamp": stamp,
            "nonce": nonce,
            "echostr": echo,
        }
        try:
            seen = await self.outgoing.look(address, query=query)
        except SendError as error:
            return Finding(what, False, f"从外面打不开 {address}：{error.reason}", self._opening())
        return self._judged(what, address, word, seen) or _of_strangers(what, door, address, counts)

    def _judged(self, what: str, address: str, word: str, seen: Seen) -> Finding | None:
        """What is wrong with an answer; None when it is right."""
        if seen.status == 403:
            said = f"{address} 的验签没有通过：运行中的群星用的是另一套 Token 或 EncodingAESKey"
            return Finding(what, False, said, "改过配置要重启群星；几台机器的 config.toml 要一致")
        if seen.status != 200:
            said = f"{address} 回答 HTTP {seen.status}，不是群星的回答"
            return Finding(what, False, said, "检查反向代理：/callback/ 下的路径要原样转给群星")
        if seen.body != word.encode():
            said = f"{address} 的回答被改过，企业微信不会接受"
            return Finding(what, False, said, "反向代理或防火墙不要改写回答的内容，也不要加登录页")
        if seen.seconds > DEADLINE_S:
            said = f"{address} 用了 {seen.seconds:.1f} 秒才回答，企业微信只等 1 秒"
            return Finding(what, False, said, "检查机器的负载和反向代理")
        return None

    def _opening(self) -> str:
        return (
            f"要让企业微信访问到 {self.ours.public_url}：域名解析到这台机器（或它前面的代理），放行 443 端口，"
            f"证书有效，反向代理转到 {self.ours.local_url}"
        )

    def _address(self, door: str) -> str:
        return f"{self.ours.public_url.rstrip('/')}/callback/{door}"

    async def _at_home(self) -> bool:
        try:
            return (await self.outgoing.look(f"{self.ours.local_url}/healthz")).status == 200
        except SendError:
            return False

    async def _counts(self) -> dict[tuple[str, str], int]:
        """What the running bot has seen at its doors since it started."""
        try:
            seen = await self.outgoing.look(f"{self.ours.local_url}/metrics")
        except SendError:
            return {}
        told = COUNTED.findall(seen.body.decode("utf-8", "replace").replace(".0\n", "\n"))
        return {(door, outcome): int(number) for door, outcome, number in told}


def _of_strangers(what: str, door: str, address: str, counts: dict[tuple[str, str], int]) -> Finding:
    """The door opens to us. If it never did to anybody else, the platform has other keys."""
    stored, refused = counts.get((door, "stored"), 0), counts.get((door, "refused"), 0)
    if refused and not stored:
        said = f"群星启动以来收到 {refused} 次回调，没有一次通过验签"
        remedy = (
            f"管理后台里 {address} 的 Token 和 EncodingAESKey 与 config.toml 不一样：改成一样的，再重启群星"
        )
        return Finding(what, False, said, remedy)
    if stored:
        return Finding(what, True, f"{address} 打得开、验得过，已收到 {stored} 次回调")
    return Finding(what, True, f"{address} 打得开、验得过；还没有收到过回调", SAVED)
