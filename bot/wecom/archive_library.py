"""The platform's own C library for the archive, which alone can pull sealed records and open their last seal.

Who runs the bot fetches it from developer.work.weixin.qq.com path 91774 and says where it lies; it is not ours to pass on.
"""

from __future__ import annotations

import ctypes
import platform
from dataclasses import dataclass
from typing import Protocol

from sop.errors import Blocked, Busy, Refused, SendError

HERE = f"{platform.system()} {platform.machine()}"
WHERE_FROM = (
    "请从 developer.work.weixin.qq.com 的 91774 页下载与本机一致的版本，把路径填到 wecom.archive.library"
)
WORDS = {
    10000: "参数错误",
    10001: "网络错误",
    10002: "数据解析失败",
    10003: "系统失败",
    10004: "密钥错误，加密失败",
    10005: "文件编号错误",
    10006: "解密失败",
    10007: "找不到消息加密版本的私钥",
    10008: "解析加密密钥出错",
    10009: "服务器 IP 不在会话存档的可信 IP 中，请在管理后台添加",
    10010: "数据已过期",
    10011: "证书错误",
}
AGAIN = frozenset({10001, 10002, 10003})
STOP = frozenset({10000, 10004, 10009, 10011})  # nothing comes before an administrator has acted
AGAIN_AFTER_S = 10.0


class Library(Protocol):
    """What we ask of the library; every number but 0 is raised as one of ``sop.errors``."""

    def chat_data(self, seq: int, limit: int, timeout_s: int) -> bytes:
        """Sealed records after ``seq``, as JSON."""
        ...

    def decrypt(self, key: bytes, sealed: str) -> bytes:
        """The record behind ``sealed``, as JSON; ``key`` is what our private key found."""
        ...


def error_of(code: int) -> SendError:
    """The one error, and so the one fate, of a number; one we do not know is refused and shown."""
    reason = f"会话存档 SDK：{WORDS.get(code, '未知错误')}（错误码 {code}）"
    if code in AGAIN:
        return Busy(reason, code=code, retry_after=AGAIN_AFTER_S)
    return Blocked(reason, code=code) if code in STOP else Refused(reason, code=code)


class Slice(ctypes.Structure):
    """``Slice_t``: bytes the library owns until they are freed."""

    _fields_ = (("buf", ctypes.c_void_p), ("len", ctypes.c_int))


_SLICE = ctypes.POINTER(Slice)
_SIGNATURES = {
    "NewSdk": (ctypes.c_void_p, []),
    "Init": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]),
    "DestroySdk": (None, [ctypes.c_void_p]),
    "GetChatData": (
        ctypes.c_int,
        [
            ctypes.c_void_p,
            ctypes.c_ulonglong,
            ctypes.c_uint,
            ctypes.c_char_p,
            ctypes.c_char_p,
            ctypes.c_int,
            _SLICE,
        ],
    ),
    "DecryptData": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_char_p, _SLICE]),
    "NewSlice": (_SLICE, []),
    "FreeSlice": (None, [_SLICE]),
}


@dataclass(eq=False)
class VendorLibrary:
    """The library loaded and signed in as one corp."""

    functions: ctypes.CDLL
    sdk: int

    @classmethod
    def load(cls, path: str, corp_id: str, secret: str) -> VendorLibrary:
        """Load the library that lies at ``path``; ``Blocked`` says what is wrong with it."""
        functions = _loaded(path)
        sdk = functions.NewSdk()
        if not sdk:
            raise Blocked("会话存档 SDK 没有初始化成功（NewSdk）")
        code = functions.Init(sdk, corp_id.encode(), secret.encode())
        if code:
            functions.DestroySdk(sdk)
            raise error_of(code)
        return cls(functions, sdk)

    def chat_data(self, seq: int, limit: int, timeout_s: int) -> bytes:
        return self._filled("GetChatData", self.sdk, seq, limit, b"", b"", timeout_s)

    def decrypt(self, key: bytes, sealed: str) -> bytes:
        return self._filled("DecryptData", key, sealed.encode())

    def _filled(self, function: str, *given: object) -> bytes:
        """What a function writes into a slice of its own."""
        slice = self.functions.NewSlice()
        try:
            code = getattr(self.functions, function)(*given, slice)
            if code:
                raise error_of(code)
            found = slice.contents
            return ctypes.string_at(found.buf, found.len) if found.buf and found.len > 0 else b""
        finally:
            self.functions.FreeSlice(slice)


def _loaded(path: str) -> ctypes.CDLL:
    try:
        functions = ctypes.CDLL(path)
    except OSError as error:
        raise Blocked(f"会话存档 SDK 加载不了：{path}（本机 {HERE}；{error}）。{WHERE_FROM}") from error
    for name, (result, arguments) in _SIGNATURES.items():
        try:
            function = getattr(functions, name)
        except AttributeError as error:
            raise Blocked(f"{path} 不是会话存档 SDK：没有 {name}。{WHERE_FROM}") from error
        function.restype, function.argtypes = result, arguments
    return functions
