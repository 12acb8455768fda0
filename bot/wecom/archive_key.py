"""The corp's private keys for the archive, one for each version set in the console; only they open records."""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field
from pathlib import Path

from bot.cipher import RsaKey
from sop.errors import Malformed, Misconfigured

VERSION = "{version}"


@dataclass
class ArchiveKeys:
    """Keys by version, each read when first wanted, so that a new one needs no restart.

    ``place`` is a file's path; ``{version}`` in it stands for the number, without it one key opens everything.
    """

    place: str
    _keys: dict[int, RsaKey] = field(default_factory=dict, repr=False)

    def file(self, version: int) -> Path:
        return Path(self.place.replace(VERSION, str(version)))

    def has(self, version: int) -> bool:
        return bool(self.place) and self.file(version).is_file()

    def open(self, version: int, sealed: str) -> bytes:
        """What was sealed for the key of ``version``: base64 of RSA with PKCS#1 v1.5."""
        try:
            return self._key(version).open(binascii.a2b_base64(sealed, strict_mode=True))
        except ValueError as mistake:
            raise Malformed("encrypt_random_key is no base64") from mistake

    def _key(self, version: int) -> RsaKey:
        if version not in self._keys:
            self._keys[version] = RsaKey(self._pem(version))
        return self._keys[version]

    def _pem(self, version: int) -> bytes:
        path = self.file(version)
        try:
            return path.read_bytes()
        except OSError as error:
            raise Misconfigured(
                f"会话存档第 {version} 版私钥读不到：{path}（{error.strerror}）。",
                remedy="把这一版的私钥放到 wecom.archive.private_key_file 指的地方，放好后会自动补读。",
                field="wecom.archive.private_key_file",
            ) from error
