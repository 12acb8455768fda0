"""``qunxing check``: what is wrong with an installation, and what to do about it."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bot.chance import SystemChance
from bot.clock import SystemClock
from bot.config import Config
from bot.outgoing import Outgoing
from bot.setting import cipher_keys, wecom_settings
from bot.wecom.archive_key import ArchiveKeys
from bot.wecom.archive_library import VendorLibrary
from bot.wecom.gateway import WeComGateway
from sop.errors import QunxingError, SendError
from storage import schema
from storage.engine import database, sqlite_path
from storage.shared_memory import MemoryShared

MOST_VERSIONS = 100  # of the archive's key
LITTLE_SPACE = 500 * 1024 * 1024


@dataclass(frozen=True)
class Finding:
    """One thing looked at: good or not, what was found, and the next step."""

    what: str
    good: bool
    said: str
    remedy: str = ""


async def examine(config: Config) -> list[Finding]:
    """Look at everything a running bot needs; nothing is changed but an empty database's schema."""
    findings = [finding async for finding in _storage(config)]
    findings += _wecom_keys(config)
    findings += _archive(config)
    findings.append(await _platform(config))
    findings.append(_address(config))
    findings += _names(config)
    return findings


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


def _wecom_keys(config: Config) -> list[Finding]:
    wecom, findings = config.wecom, []
    findings.append(
        Finding(
            "企业 ID",
            bool(wecom.corp_id),
            wecom.corp_id or "没有填",
            "" if wecom.corp_id else "管理后台「我的企业」最下面，填到 wecom.corp_id",
        )
    )
    doors = cipher_keys(config)
    for app in wecom.app:
        good = bool(app.secret.get_secret_value()) and f"app/{app.name}" in doors
        findings.append(
            Finding(
                f"应用 {app.name}",
                good,
                "secret、token、aes_key 都有" if good else "缺 secret、token 或 aes_key",
                ""
                if good
                else "管理后台「应用管理 → 自建应用」里查看 secret，在「接收消息」里设置 token 和 EncodingAESKey",
            )
        )
    if not wecom.app:
        findings.append(
            Finding("应用", False, "没有配置自建应用", "在管理后台新建一个自建应用，填到 [[wecom.app]]")
        )
    for door, section in (("contact", wecom.contact), ("kf", wecom.kf)):
        if section.secret.get_secret_value() or door in doors:
            good = bool(section.secret.get_secret_value()) and door in doors
            findings.append(
                Finding(
                    f"[wecom.{door}]",
                    good,
                    "齐全" if good else "secret、token、aes_key 不齐",
                    "" if good else "三项要么都填，要么都空着",
                )
            )
    return findings


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


async def _platform(config: Config) -> Finding:
    """Ask the platform for a token, and so learn of the secret, the trusted IP and the way out."""
    clock = SystemClock()
    async with MemoryShared() as shared, Outgoing(clock) as outgoing:
        gateway = WeComGateway(wecom_settings(config), outgoing, clock, SystemChance(), shared)
        try:
            await gateway.ping()
        except SendError as error:
            return Finding(
                "企业微信", False, error.reason, "按上面这句话处理；改「企业可信IP」后约一分钟生效"
            )
    return Finding("企业微信", True, "能取到 access_token")


def _address(config: Config) -> Finding:
    url = config.server.public_url
    good = url.startswith("https://") or "127.0.0.1" in url or "localhost" in url
    return Finding("对外地址", good, url, "" if good else "企业微信要求 https；在前面放一个带证书的反向代理")


def _names(config: Config) -> list[Finding]:
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
