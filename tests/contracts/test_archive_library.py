"""The platform's C library, behind a tiny one of our own that keeps its functions' promises."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from bot.wecom.archive_library import VendorLibrary
from sop.errors import Blocked, Busy, Refused

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler here")

SOURCE = r"""
#include <stdlib.h>
#include <string.h>
typedef struct { char *buf; int len; } Slice_t;
typedef struct { char corp[64]; } Sdk;
int slices = 0;
Sdk *NewSdk(void) { return calloc(1, sizeof(Sdk)); }
void DestroySdk(Sdk *sdk) { free(sdk); }
int Init(Sdk *sdk, const char *corp, const char *secret) {
  strncpy(sdk->corp, corp, 63);
  return strcmp(secret, "right") == 0 ? 0 : 10009;
}
Slice_t *NewSlice(void) { slices++; return calloc(1, sizeof(Slice_t)); }
void FreeSlice(Slice_t *slice) { slices--; free(slice->buf); free(slice); }
static int fill(Slice_t *slice, const char *text, int len) {
  slice->buf = malloc(len); memcpy(slice->buf, text, len); slice->len = len; return 0;
}
int GetChatData(Sdk *sdk, unsigned long long seq, unsigned int limit, const char *proxy, const char *password,
                int timeout, Slice_t *out) {
  if (seq == 5000000000ULL) return 10001;
  if (limit > 1000) return 10000;
  return fill(out, sdk->corp, (int)strlen(sdk->corp));
}
int DecryptData(const char *key, const char *sealed, Slice_t *out) {
  int len = (int)strlen(sealed);
  if (strcmp(key, "key") != 0) return 10006;
  fill(out, sealed, len);
  for (int i = 0; i < len; i++) out->buf[i] = sealed[len - 1 - i];
  return 0;
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Our own library, compiled for this machine."""
    folder = tmp_path_factory.mktemp("library")
    source, built = folder / "archive.c", folder / "archive.so"
    source.write_text(SOURCE)
    subprocess.run([COMPILER or "cc", "-shared", "-fPIC", "-O1", "-o", built, source], check=True)
    return str(built)


def test_records_come_out_of_the_library_and_are_freed(library: str) -> None:
    loaded = VendorLibrary.load(library, "wwqx2026demo0001", "right")

    assert loaded.chat_data(7, 1000, 10) == b"wwqx2026demo0001"
    assert loaded.decrypt(b"key", "}{") == b"{}"
    assert _slices(loaded) == 0


def test_a_number_above_four_thousand_million_passes_whole(library: str) -> None:
    loaded = VendorLibrary.load(library, "ww", "right")

    with pytest.raises(Busy, match="网络错误"):
        loaded.chat_data(5_000_000_000, 1000, 10)


def test_what_fails_is_freed_too(library: str) -> None:
    loaded = VendorLibrary.load(library, "ww", "right")

    with pytest.raises(Refused, match="10006"):
        loaded.decrypt(b"another key", "x")
    assert _slices(loaded) == 0


def test_a_wrong_secret_or_address_stops_with_words(library: str) -> None:
    with pytest.raises(Blocked, match="可信 IP"):
        VendorLibrary.load(library, "ww", "wrong")


def test_a_library_that_is_not_there_is_named_with_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(Blocked, match=r"gone\.so.*91774.*wecom\.archive\.library"):
        VendorLibrary.load(str(tmp_path / "gone.so"), "ww", "right")


def test_a_library_for_another_machine_says_which_this_is(tmp_path: Path) -> None:
    (tmp_path / "arm.so").write_bytes(b"\x7fELF" + b"\0" * 60)

    with pytest.raises(Blocked, match=platform.machine()):
        VendorLibrary.load(str(tmp_path / "arm.so"), "ww", "right")


def test_a_library_that_does_something_else_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "other.c").write_text("int answer(void) { return 42; }")
    paths = [str(tmp_path / "other.so"), str(tmp_path / "other.c")]
    subprocess.run([COMPILER or "cc", "-shared", "-fPIC", "-o", *paths], check=True)

    with pytest.raises(Blocked, match="不是会话存档 SDK"):
        VendorLibrary.load(str(tmp_path / "other.so"), "ww", "right")


def _slices(loaded: VendorLibrary) -> int:
    """How many slices are not freed."""
    import ctypes

    return ctypes.c_int.in_dll(loaded.functions, "slices").value
