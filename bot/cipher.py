"""The one cipher: how WeCom seals what it sends us, and how the simulator seals what it sends.

``base64(AES-256-CBC(pkcs7(random16 + length + message + receive id)))``, signed with SHA-1 over the sorted
token, timestamp, nonce and sealed text (developer.work.weixin.qq.com path 90930).
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
import struct

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from sop.errors import Forged, Malformed, Misconfigured

_BLOCK = 32  # the platform pads to 32, twice what AES needs; library unpadders refuse 17..32
_AES_BLOCK = 16
_HEAD = 20  # sixteen random bytes and the length
_PADDING = tuple(bytes([size]) * size for size in range(_BLOCK + 1))
_LENGTH = struct.Struct(">I")
_KEY = re.compile(r"[A-Za-z0-9+/]{43}")


class Cipher:
    """Seals and opens with one callback's token and key, for one receiver."""

    __slots__ = ("_cipher", "_opener", "_receiver", "_token")

    def __init__(self, token: str, aes_key: str, receive_id: str) -> None:
        key = _key(aes_key)
        self._cipher = BlockCipher(AES(key), CBC(key[:16]))
        self._opener = self._cipher.decryptor()
        self._token, self._receiver = token.encode(), receive_id.encode()

    def __repr__(self) -> str:
        return f"Cipher(for {self._receiver.decode()!r})"

    def sign(self, timestamp: str, nonce: str, encrypted: str | bytes) -> str:
        """The signature the platform puts beside ``encrypted``."""
        parts = sorted((self._token, _bytes(timestamp), _bytes(nonce), _bytes(encrypted)))
        return hashlib.sha1(b"".join(parts), usedforsecurity=False).hexdigest()

    def verified(self, signature: str, timestamp: str, nonce: str, encrypted: str | bytes) -> bool:
        """Whether ``signature`` is ours to trust; takes the same time whatever is wrong with it."""
        return hmac.compare_digest(self.sign(timestamp, nonce, encrypted).encode(), _bytes(signature))

    def seal(self, message: bytes, random16: bytes) -> str:
        """``message`` as the platform would send it; ``random16`` must be sixteen fresh random bytes."""
        plain = random16 + _LENGTH.pack(len(message)) + message + self._receiver
        plain += _PADDING[_BLOCK - len(plain) % _BLOCK]
        encryptor = self._cipher.encryptor()
        return binascii.b2a_base64(encryptor.update(plain) + encryptor.finalize(), newline=False).decode()

    def open(self, encrypted: str | bytes) -> bytes:
        """The message inside ``encrypted``; ``Malformed`` or ``Forged`` when there is none for us."""
        plain = self._decrypted(encrypted)
        end, stop = _HEAD + _LENGTH.unpack_from(plain, 16)[0], len(plain) - plain[-1]
        if end > stop or not 1 <= plain[-1] <= _BLOCK or not plain.endswith(_PADDING[plain[-1]]):
            raise Malformed("sealed text names an impossible length or is padded wrongly")
        if not hmac.compare_digest(plain[end:stop], self._receiver):
            raise Forged("sealed for another receiver")
        return plain[_HEAD:end]

    def _decrypted(self, encrypted: str | bytes) -> bytes:
        """All blocks, padding included. Only the first, which is random anyway, depends on what was opened before."""
        try:
            sealed = binascii.a2b_base64(encrypted)
        except ValueError as mistake:  # binascii.Error is one
            raise Malformed("sealed text is no ciphertext") from mistake
        if len(sealed) % _AES_BLOCK or len(sealed) <= _HEAD:
            raise Malformed("sealed text is no ciphertext")
        return self._opener.update(sealed)


def open_file(aes_key: str, sealed: bytes) -> bytes:
    """The file inside what a 智能机器人 is given to fetch (developer.work.weixin.qq.com path 100719).

    The whole file is AES-256-CBC with the key's first half as its beginning. ``aes_key`` is the bot's EncodingAESKey, or the
    base64 key that came with the file.
    """
    key = _file_key(aes_key)
    try:
        decryptor = BlockCipher(AES(key), CBC(key[:16])).decryptor()
        padded = decryptor.update(sealed) + decryptor.finalize()
    except ValueError as mistake:
        raise Malformed("file is no ciphertext") from mistake
    size = padded[-1] if padded else 0
    if not 1 <= size <= _BLOCK or not padded.endswith(_PADDING[size]):
        raise Malformed("file is padded wrongly")
    return padded[:-size]


def seal_file(aes_key: str, content: bytes) -> bytes:
    """``content`` as the platform would keep it for a bot to fetch."""
    key = _file_key(aes_key)
    encryptor = BlockCipher(AES(key), CBC(key[:16])).encryptor()
    return encryptor.update(content + _PADDING[_BLOCK - len(content) % _BLOCK]) + encryptor.finalize()


def _file_key(aes_key: str) -> bytes:
    try:
        key = binascii.a2b_base64(aes_key + "=" * (-len(aes_key) % 4))
    except ValueError as mistake:
        raise Malformed("file's key is not base64") from mistake
    if len(key) != 32:
        raise Malformed("file's key has a wrong length")
    return key


class RsaKey:
    """One RSA key of the corp: it opens the key of each archived record (PKCS#1 v1.5, path 91774)."""

    __slots__ = ("_key",)

    def __init__(self, pem: bytes) -> None:
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as mistake:
            raise _no_key() from mistake
        if not isinstance(key, RSAPrivateKey):
            raise _no_key()
        self._key = key

    @classmethod
    def made(cls) -> tuple[RsaKey, bytes]:
        """A fresh pair, and its private half as the file an administrator keeps."""
        key = generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return cls(pem), pem

    def open(self, sealed: bytes) -> bytes:
        """What was sealed with the public half; with another key it is ``Malformed``, or nonsense."""
        try:
            return self._key.decrypt(sealed, PKCS1v15())
        except ValueError as mistake:
            raise Malformed("sealed with another key") from mistake

    def seal(self, plain: bytes) -> bytes:
        """``plain`` as the platform seals it with the public half."""
        return self._key.public_key().encrypt(plain, PKCS1v15())


def _no_key() -> Misconfigured:
    return Misconfigured(
        "wecom.archive.private_key_file is no RSA private key in PEM.",
        remedy="Generate a 2048-bit pair, put the public half into the console and the private half into this file.",
        field="wecom.archive.private_key_file",
    )


def _key(aes_key: str) -> bytes:
    if not _KEY.fullmatch(aes_key):
        raise Misconfigured(
            "aes_key is not 43 letters and digits.",
            remedy="Copy EncodingAESKey from the callback page of the WeCom console.",
            field="aes_key",
        )
    return binascii.a2b_base64(aes_key + "=")  # the last character's two spare bits may be set


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
