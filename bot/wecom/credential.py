"""Which secret opens what. What is missing is told with the key to fill in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from bot.wecom.settings import App, WeComSettings
from sop.errors import Blocked


@dataclass(frozen=True)
class Credential:
    """One corp's secret for one purpose, configured in ``section``; each has a token of its own."""

    corp_id: str
    secret: str = field(repr=False)
    section: str

    @property
    def key(self) -> str:
        """A name that tells nothing of the secret."""
        return hashlib.sha256(f"{self.corp_id}\0{self.secret}".encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Credentials:
    """The settings' secrets by purpose.

    Customer contact and 微信客服 are open to a self-built app too, once it is listed in 可调用接口的应用;
    so without secrets of their own the first app's is taken.
    """

    settings: WeComSettings

    def app(self, name: str = "") -> App:
        """The app of that name, the first one without a name."""
        for app in self.settings.apps:
            if name in ("", app.name):
                return app
        raise Blocked(f"没有配置应用「{name or '任何一个'}」，请在 config.toml 填写 [[wecom.app]]")

    def of_app(self, app: App) -> Credential:
        return self._credential(app.secret, f"wecom.app {app.name}")

    def contact(self) -> Credential:
        return self._own_or_app(self.settings.contact_secret, "wecom.contact")

    def kf(self) -> Credential:
        return self._own_or_app(self.settings.kf_secret, "wecom.kf")

    def archive(self) -> Credential:
        return self._credential(self.settings.archive_secret, "wecom.archive")

    def webhook(self, name: str) -> str:
        """The key of a webhook; it is a secret."""
        key = self.settings.webhooks.get(name, "")
        if not key:
            raise Blocked(f"没有配置群机器人「{name}」，请在 config.toml 填写 [[wecom.webhook]]")
        return key

    def configured(self) -> tuple[Credential, ...]:
        """Every secret there is, once."""
        settings = self.settings
        own = (
            (settings.contact_secret, "wecom.contact"),
            (settings.kf_secret, "wecom.kf"),
            (settings.archive_secret, "wecom.archive"),
        )
        apps = tuple(self.of_app(app) for app in settings.apps)
        return apps + tuple(self._credential(secret, section) for secret, section in own if secret)

    def _own_or_app(self, secret: str, section: str) -> Credential:
        if secret or not self.settings.apps:
            return self._credential(secret, section)
        return self.of_app(self.app())

    def _credential(self, secret: str, section: str) -> Credential:
        if not self.settings.corp_id:
            raise Blocked("没有配置企业 ID，请在 config.toml 填写 wecom.corp_id")
        if not secret:
            raise Blocked(f"没有配置密钥，请在 config.toml 填写 {section}.secret")
        return Credential(self.settings.corp_id, secret, section)
