"""The configuration, said in the words of those who use it."""

from __future__ import annotations

from datetime import timedelta

from bot.config import AiBot, Config, Door
from bot.wecom.settings import PLATFORM, Aibot, WeComSettings
from bot.wecom.settings import App as WeComApp
from handlers.context import Settings
from sop.quota import Span
from sop.timing import QuietHours
from storage.policy import House


def house_settings(config: Config) -> Settings:
    """What handlers may know of the configuration."""
    community = config.community
    start, end = community.quiet_hours
    return Settings(
        house=House(
            zone=community.timezone,
            weekly_cap=community.weekly_cap,
            quiet=QuietHours(start, end) if start != end else None,
            spacing=timedelta(minutes=community.spacing_minutes),
            hour_hold_out=community.hour_hold_out,
            group_send_limit=Span(community.group_send_limit),
        ),
        public_url=config.server.public_url,
        main_app=config.main_app,
        kf_account=config.wecom.kf.account,
        webhook=community.report_webhook or next((hook.name for hook in config.wecom.webhook), ""),
        operators=tuple(community.operators),
        alarm_line=config.engagement.alarm_line,
        archive=bool(archive_feed(config) or config.wecom.archive.library),
        callback_days=config.privacy.callback_days,
        trail_days=config.privacy.trail_days,
    )


def wecom_settings(config: Config) -> WeComSettings:
    """What the WeCom edge may know of the configuration."""
    wecom = config.wecom
    return WeComSettings(
        corp_id=wecom.corp_id,
        api_base=wecom.api_base,
        accounts=wecom.accounts,
        apps=tuple(WeComApp(app.name, app.agent_id, app.secret.get_secret_value()) for app in wecom.app),
        contact_secret=wecom.contact.secret.get_secret_value(),
        kf_secret=wecom.kf.secret.get_secret_value(),
        archive_secret=wecom.archive.secret.get_secret_value(),
        archive_feed=archive_feed(config),
        archive_library=wecom.archive.library,
        archive_key_file=wecom.archive.private_key_file,
        webhooks={hook.name: hook.key.get_secret_value() for hook in wecom.webhook},
        aibots=tuple(_aibot(one) for one in wecom.aibot if one.works),
        socket_base=wecom.socket_base,
    )


def _aibot(section: AiBot) -> Aibot:
    return Aibot(
        name=section.name,
        mode=section.mode,
        display_name=section.display_name,
        plain_ids=section.userids == "plain",
        bot_id=section.bot_id,
        secret=section.secret.get_secret_value(),
    )


def archive_feed(config: Config) -> str:
    """Where decrypted archive records are pulled: the address given, or the stand-in's when we talk to one."""
    archive = config.wecom.archive
    if archive.feed_url or not archive.secret.get_secret_value():
        return archive.feed_url
    stand_in = config.wecom.api_base != PLATFORM
    return f"{config.wecom.api_base.rstrip('/')}/cgi-bin/archive/feed" if stand_in else ""


def cipher_keys(config: Config) -> dict[str, tuple[str, str]]:
    """Token and EncodingAESKey of every callback door that is set up."""
    wecom = config.wecom
    doors: dict[str, Door] = {f"app/{app.name}": app for app in wecom.app}
    doors |= {"contact": wecom.contact, "kf": wecom.kf, "archive": wecom.archive}
    keys = {
        door: (section.token.get_secret_value(), section.aes_key.get_secret_value())
        for door, section in doors.items()
    }
    return {door: pair for door, pair in keys.items() if all(pair)}


def aibot_keys(config: Config) -> dict[str, tuple[str, str]]:
    """The same for the doors of 智能机器人 that are called back."""
    bots = [bot for bot in config.wecom.aibot if bot.works and bot.mode == "webhook"]
    return {
        f"aibot/{bot.name}": (bot.token.get_secret_value(), bot.aes_key.get_secret_value()) for bot in bots
    }
