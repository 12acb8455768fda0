"""``qunxing check``: what is wrong with an installation, and what to do about it."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from bot.chance import Chance, SystemChance
from bot.cipher import Cipher
from bot.clock import Clock, SystemClock
from bot.config import Config
from bot.finding import Finding
from bot.outgoing import Outgoing
from bot.setting import aibot_keys, archive_feed, cipher_keys, wecom_settings
from bot.wecom.archive_key import ArchiveKeys
from bot.wecom.archive_library import VendorLibrary
from bot.wecom.checkup import Checkup
from bot.wecom.client import WeComClient
from bot.wecom.remedy import APP, ARCHIVE, CONTACT, KF
from bot.wecom.selfcall import Ours, SelfCall
from sop.errors import QunxingError, SendError
from storage import schema
from storage.engine import database, sqlite_path
from storage.shared_memory import MemoryShared

MOST_VERSIONS = 100  # of the archive's key
LITTLE_SPACE = 500 * 1024 * 1024
HOMES = ("127.0.0.1", "localhost", "[::1]", "0.0.0.0")
BOTS = "管理后台「管理工具 → 智能机器人」"


async def examine(
    config: Config, *, clock: Clock | None = None, chance: Chance | None = None
) -> AsyncIterator[Finding]:
    """Look at everything a running bot needs, one thing after another; only an empty database gets its schema."""
    clock, chance = clock or SystemClock(), chance or SystemChance()
    async for finding in _storage(config):
        yield finding
    for finding in [*_names(), *_wecom_keys(config), *_archive(config)]:
        yield finding
    async with MemoryShared() as shared, Outgoing(clock) as outgoing:
        client = WeComClient(wecom_settings(config), outgoing, clock, chance, shared)
        if config.wecom.corp_id:
            async for finding in Checkup(client).findings(config.wecom.kf.account):
                yield finding
        yield _address(config)
        for finding in await SelfCall(outgoing, clock, chance, _ours(config)).findings(_ciphers(config)):
            yield finding
    for finding in _by_hand(config):
        yield finding


def _ciphers(config: Config) -> dict[str, Cipher]:
    corp = config.wecom.corp_id
    doors = {door: Cipher(*keys, corp) for door, keys in cipher_keys(config).items()} if corp else {}
    return doors | {door: Cipher(*keys, "") for door, keys in aibot_keys(config).items()}


def _ours(config: Config) -> Ours:
    host = "127.0.0.1" if config.server.host in ("0.0.0.0", "::", "") else config.server.host
    return Ours(config.server.public_url, f"http://{host}:{config.server.port}")


async def _storage(config: Config) -> AsyncIterator[Finding]:
    url = config.storage.database.get_secret_value()
    try:
        async with database(url) as db:
            await schema.ensure(db)
        yield Finding("数据库", True, "可以打开，结构是最新的")
    except QunxingError as error:
        yield Finding("数据库", False, str(error), getattr(error, "remedy", ""))
    path = sqlite_path(url)
    if path is not None and path.parent.exists():
        free = shutil.disk_usage(path.parent).free
        yield Finding(
            "磁盘",
            free > LITTLE_SPACE,
            f"剩余 {free / 1e9:.1f} GB",
            "" if free > LITTLE_SPACE else "腾出一些空间，数据库写不下会拒收回调",
        )
    redis = config.storage.redis.get_secret_value()
    if redis:
        yield await _redis(redis)


async def _redis(url: str) -> Finding:
    from storage.shared_redis import RedisShared

    try:
        async with RedisShared.at(url) as shared:
            await shared.ping()
    except Exception as error:  # whatever the client raises, the finding is the same
        return Finding(
            "Redis",
            False,
            f"连不上（{type(error).__name__}）",
            "检查 storage.redis；没有 Redis 也能单机运行，把它留空即可",
        )
    return Finding("Redis", True, "可以连接")


def _wecom_keys(config: Config) -> Iterator[Finding]:
    """What stands in the configuration, before anybody is asked."""
    wecom = config.wecom
    where = "管理后台「我的企业 → 企业信息」最下面，填到 wecom.corp_id"
    yield Finding("企业 ID", bool(wecom.corp_id), wecom.corp_id or "没有填", "" if wecom.corp_id else where)
    if not wecom.app:
        yield Finding("应用", False, "没有配置自建应用", "在管理后台新建一个自建应用，填到 [[wecom.app]]")
    for app in wecom.app:
        yield _keys(f"应用 {app.name}", bool(app.secret.get_secret_value()), app.opens, APP)
    for name, section, where in (("contact", wecom.contact, CONTACT), ("kf", wecom.kf, KF)):
        own = bool(section.secret.get_secret_value())
        lent = bool(wecom.app and wecom.app[0].secret.get_secret_value())
        if own or section.opens:
            yield _keys(f"[wecom.{name}]", own, section.opens, where, lent=lent)
    for bot in wecom.aibot:
        said = "BotID 和 Secret 都有" if bot.mode == "websocket" else "Token 和 EncodingAESKey 都有"
        remedy = f"在{BOTS}的 API 模式里查看，填到 [[wecom.aibot]]"
        yield Finding(
            f"智能机器人 {bot.name}",
            bot.works,
            said if bot.works else "没有填全",
            "" if bot.works else remedy,
        )


def _keys(what: str, secret: bool, opens: bool, where: str, *, lent: bool = False) -> Finding:
    """``lent``: without a secret of its own it is asked with the first app's."""
    pairs = (("secret", secret or lent), ("token 和 aes_key", opens))
    missing = [name for name, there in pairs if not there]
    if not missing:
        said = (
            "secret、token、aes_key 都有" if secret else "token、aes_key 都有；没有写 secret，用第一个应用的"
        )
        return Finding(what, True, said)
    remedy = f"在{where}里查看 Secret；在「接收消息 → 设置API接收」里设置 Token 和 EncodingAESKey，一起填到 config.toml"
    return Finding(what, False, f"缺 {'、'.join(missing)}", remedy)


def _by_hand(config: Config) -> Iterator[Finding]:
    """What only a person can see: the platform does not tell, or asking would disturb."""
    if config.wecom.app:
        host = urlsplit(config.server.public_url).hostname or ""
        where = f"在{APP}的「网页授权及 JS-SDK」里确认可信域名是 {host}，否则成员打不开我们的页面（50001）"
        yield Finding("可信域名", None, "企业微信不提供查询", where)
    for hook in config.wecom.webhook:
        yield Finding(f"群机器人 {hook.name}", None, "不发消息就没法试", "发一条测试消息，或等第一份周报")
    for bot in config.wecom.aibot:
        if bot.works and bot.mode == "websocket":
            said = "同一时间只能有一条长连接，检查会挤掉正在运行的群星，所以不试"
            yield Finding(f"智能机器人 {bot.name} 的长连接", None, said, "看运行日志里的 aibot connected")
    archive = config.wecom.archive
    if archive.secret.get_secret_value() and not (archive_feed(config) or archive.library):
        where = f"{ARCHIVE}里下载官方 SDK，把动态库的路径填到 wecom.archive.library；或填 feed_url"
        yield Finding("会话内容存档的数据", False, "有 Secret，但没有说从哪里读记录", where)


def _archive(config: Config) -> list[Finding]:
    """The library and the keys of the archive, where somebody wants it."""
    archive, what = config.wecom.archive, "会话内容存档"
    if not archive.library:
        return []
    keys = ArchiveKeys(archive.private_key_file)
    try:
        VendorLibrary.load(archive.library, config.wecom.corp_id, archive.secret.get_secret_value())
    except SendError as error:
        return [Finding(what, False, error.reason, "改好后再运行一次 qunxing check")]
    found = [str(version) for version in range(1, MOST_VERSIONS) if keys.has(version)]
    if not found:
        place = archive.private_key_file or "没有填"
        remedy = "在管理后台「会话内容存档」设置公钥，把对应的私钥（PEM）放到 wecom.archive.private_key_file"
        return [Finding(what, False, f"SDK 可以用，但没有私钥：{place}", remedy)]
    return [Finding(what, True, f"SDK 可以用，私钥版本：{'、'.join(found)}")]


def _address(config: Config) -> Finding:
    url = config.server.public_url
    host = urlsplit(url).hostname or ""
    if host in HOMES:
        remedy = "正式使用前，准备一个域名和证书，用反向代理转到这台机器，再填到 server.public_url"
        return Finding("对外地址", None, f"{url} 只有这台机器能打开", remedy)
    good = url.startswith("https://")
    return Finding("对外地址", good, url, "" if good else "企业微信要求 https；在前面放一个带证书的反向代理")


def _names() -> list[Finding]:
    """Another installed package could shadow one of our four names."""
    home = Path(__file__).resolve().parents[1]
    findings = []
    for name in ("bot", "handlers", "sop", "storage"):
        found = importlib.util.find_spec(name)
        place = Path(found.origin).resolve() if found and found.origin else None
        if place is None or home not in place.parents:
            findings.append(
                Finding(
                    f"模块 {name}",
                    False,
                    f"被 {place} 挡住了",
                    "在单独的虚拟环境里安装群星：python -m venv .venv",
                )
            )
    return findings
