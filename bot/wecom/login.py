"""Where people prove who they are: silently inside WeChat and WeCom, or by scanning from a desk.

Both come back to ``back`` with a code (one use, five minutes) and the state they were sent with, letters and digits only
(developer.work.weixin.qq.com paths 91023 and 98152).
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

SILENT, SCAN = "https://open.weixin.qq.com", "https://login.work.weixin.qq.com"


@dataclass(frozen=True)
class Login:
    """The login pages of one app; ``oauth_base`` may name a stand-in, which then stands in for both."""

    corp_id: str
    agent_id: str
    oauth_base: str = SILENT

    @property
    def is_stand_in(self) -> bool:
        """A stand-in lets any browser in; the platform only its own."""
        return self.oauth_base.rstrip("/") != SILENT

    def silent(self, back: str, state: str) -> str:
        """The address for members and staff inside WeChat or WeCom."""
        asked = {
            "appid": self.corp_id,
            "redirect_uri": back,
            "response_type": "code",
            "scope": "snsapi_base",
            "state": state,
            "agentid": self.agent_id,
        }
        return f"{self.oauth_base.rstrip('/')}/connect/oauth2/authorize?{urlencode(asked)}#wechat_redirect"

    def scan(self, back: str, state: str) -> str:
        """The address for staff at a desk, who scan with their phone."""
        base = self.oauth_base.rstrip("/") if self.is_stand_in else SCAN
        asked = {
            "login_type": "CorpApp",
            "appid": self.corp_id,
            "agentid": self.agent_id,
            "redirect_uri": back,
            "state": state,
            "lang": "zh",
        }
        return f"{base}/wwlogin/sso/login?{urlencode(asked)}"
