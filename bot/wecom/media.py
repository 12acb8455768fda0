"""Files on the platform: handed over once, used again while they last, renewed before they end.

A temporary file lasts three days and is shared by all apps of a corp (developer.work.weixin.qq.com paths 90253, 90254);
an image for mass sends lasts for good (path 90256); a webhook's file is known to that webhook only (path 99110).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.outgoing import File
from bot.wecom import limit
from bot.wecom.client import Answer, WeComClient
from bot.wecom.credential import Credential
from sop.errors import Blocked, Busy, Refused, SendError, Unanswered
from sop.message import FORM_WORDS, Channel, Content, Form, Media
from storage.engine import Connection, Database
from storage.media import Handed, MediaStore

LASTS = timedelta(days=3)
RENEW = timedelta(hours=12)  # before its end: whoever gets the message must be able to open it
YOUNG = timedelta(minutes=10)  # a number refused so soon is not merely old
LOCK_S, PEEK_S = 60.0, 0.05
MB = 1024 * 1024
SMALLEST = 6
PICTURE_BYTES = 2 * MB  # of an image that stays for good
LARGEST = {Form.IMAGE: 10 * MB, Form.VOICE: 2 * MB, Form.VIDEO: 10 * MB, Form.FILE: 20 * MB}
JPEG = b"\xff\xd8\xff"
KINDS = {
    Form.IMAGE: "image/png",
    Form.VOICE: "audio/amr",
    Form.VIDEO: "video/mp4",
    Form.FILE: "application/octet-stream",
}
LONGEST_VOICE_S = 60
AMR = b"#!AMR\n"
AMR_FRAMES = (13, 14, 16, 18, 20, 21, 27, 32, 6)  # bytes of a 20 ms frame by its type
FORGOTTEN = 40007

MASS = (Channel.WELCOME, Channel.GROUP_SEND)
CORP, PICTURE, MOMENT = "corp", "picture", "moment"


def objection(form: Form, body: bytes) -> str:
    """Why the platform would not take this file, as operators read it; empty when it would."""
    words, most = FORM_WORDS[form], LARGEST[form]
    if len(body) < SMALLEST:
        return f"{words}是空的"
    if len(body) > most:
        return f"{words}不能超过 {most // MB} MB，这个有 {len(body) / MB:.1f} MB"
    if form is Form.IMAGE and not body.startswith((JPEG, b"\x89PNG\r\n\x1a\n")):
        return "图片只能是 JPG 或 PNG"
    if form is Form.VIDEO and body[4:8] != b"ftyp":
        return "视频只能是 MP4"
    if form is Form.VOICE:
        return _voice_objection(body)
    return ""


def _voice_objection(body: bytes) -> str:
    if not body.startswith(AMR):
        return "语音只能是 AMR"
    return "语音不能超过 60 秒" if _seconds(body) > LONGEST_VOICE_S else ""


def _seconds(body: bytes) -> float:
    """How long an AMR recording plays."""
    at, frames = len(AMR), 0
    while at < len(body):
        kind = body[at] >> 3 & 0x0F
        at += AMR_FRAMES[kind] if kind < len(AMR_FRAMES) else 1
        frames += 1
    return frames * 0.02


def files_of(content: Content) -> tuple[Media, ...]:
    """Every file a content needs on the platform."""
    return tuple(dict.fromkeys([*content.media, *_covers(content)]))


def _covers(content: Content) -> list[Media]:
    mini = [content.mini.cover] if content.mini is not None and content.mini.cover is not None else []
    return [*(one.cover for one in content.articles), *mini]


@dataclass(eq=False)
class Library:
    """Our files and their numbers on the platform; one fetches a number for all who want it."""

    client: WeComClient
    db: Database | None = None

    async def handed(self, channel: Channel, content: Content, hook: str = "") -> dict[Media, str]:
        """The number or address of every file, for one channel; nothing is sent when this fails."""
        numbers: dict[Media, str] = {}
        for media in files_of(content):
            if channel is not Channel.WEBHOOK or media.form is not Form.IMAGE:
                numbers[media] = await self._number(
                    media, await self._place(channel, content, media, hook), hook
                )
        return numbers

    async def body(self, media: Media) -> bytes:
        """The bytes of a file we keep, checked to be what the platform takes."""
        if self.db is None:
            raise Blocked("没有数据库，取不到素材文件")
        body = await self.db.read(lambda c: self._store(c).body(media.digest))
        if body is None:
            raise Refused(f"素材「{media.name}」不在库里，请重新上传", code=FORGOTTEN)
        if why := objection(media.form, body):
            raise Refused(f"素材「{media.name}」发不出去：{why}", code=45002)
        return body

    async def forget(self, channel: Channel, content: Content, hook: str = "") -> bool:
        """The platform knows a number no more: whether any was old enough that a new one may help."""
        old = False
        for media in files_of(content):
            place = await self._place(channel, content, media, hook)
            old |= await self._forget(media, place)
        return old

    async def heard(self, number: str) -> bytes:
        """A file somebody sent us; the platform refuses to give one file twice at once (45033)."""
        async with self._turn_for("get", number):
            return await self.client.download("media/get", self._own(), media_id=number)

    # ------------------------------------------------------------ numbers

    async def _place(self, channel: Channel, content: Content, media: Media, hook: str) -> str:
        """Where a file must be known; an image of a mass send may wait long for its tap, so it stays for good."""
        if channel is Channel.WEBHOOK:
            return f"webhook:{limit.mark_of(hook)}"
        if channel is Channel.MOMENT:
            return MOMENT
        if channel not in MASS or media.form is not Form.IMAGE or media in _covers(content):
            return CORP
        return PICTURE if await self._size(media) <= PICTURE_BYTES else CORP

    async def _number(self, media: Media, place: str, hook: str) -> str:
        known = await self._known(media, place)
        if _lasts(known, self._now() + RENEW):
            assert known is not None
            return known.number
        async with self._turn_for(media.digest, place):
            known = await self._known(media, place)
            if _lasts(known, self._now() + RENEW):
                assert known is not None
                return known.number
            return await self._renewed(media, place, hook, known)

    async def _renewed(self, media: Media, place: str, hook: str, known: Handed | None) -> str:
        """A new number; while there is none to be had, the old one serves to its end."""
        try:
            fresh = await self._hand_over(media, place, hook)
        except SendError:
            if known is None or not _lasts(known, self._now()):
                raise
            return known.number
        await self._remember(media, place, fresh)
        return fresh.number

    async def _hand_over(self, media: Media, place: str, hook: str) -> Handed:
        body = await self.body(media)
        kind = "image/jpeg" if body.startswith(JPEG) else KINDS[media.form]
        file = File("media", media.name, kind, body)
        try:
            answer = await self._upload(media, place, hook, file)
        except Unanswered as error:  # the file may be there or not; the message it is for never left
            raise Busy(f"素材「{media.name}」上传没有结果：{error.reason}", retry_after=5.0) from error
        number = answer.get("url" if place == PICTURE else "media_id")
        if not isinstance(number, str) or not number:
            raise Busy(f"素材「{media.name}」上传后没有拿到编号", retry_after=5.0)
        now = self._now()
        return Handed(number, now, None if place == PICTURE else now + LASTS)

    async def _upload(self, media: Media, place: str, hook: str, file: File) -> Answer:
        form, credentials = str(media.form), self.client.credentials
        if place.startswith("webhook:"):
            query = {"key": credentials.webhook(hook), "type": form}
            return await self.client.post_open("webhook/upload_media", query, None, (), file)
        if place == PICTURE:
            return await self.client.upload("media/uploadimg", self._own(), file, demands=limit.of_pictures())
        if place == MOMENT:
            query = {"media_type": form, "attachment_type": "1"}
            return await self.client.upload(
                "media/upload_attachment", credentials.contact(), file, query=query
            )
        return await self.client.upload("media/upload", self._own(), file, query={"type": form})

    def _own(self) -> Credential:
        """Files belong to the whole corp; any secret will do."""
        credentials = self.client.credentials
        return credentials.configured()[0] if credentials.configured() else credentials.contact()

    # ------------------------------------------------------------ one at a time

    @asynccontextmanager
    async def _turn_for(self, what: str, place: str) -> AsyncIterator[None]:
        """Nobody else does the same meanwhile, in any process; one that hangs is waited for no longer than the lock."""
        name, owner, shared = f"media:{what}:{place}", self.client.chance.token(), self.client.shared
        for _ in range(int(LOCK_S / PEEK_S)):
            now = self._now()
            if await shared.lock(name, owner, now + timedelta(seconds=LOCK_S), now):
                break
            await asyncio.sleep(PEEK_S)
        try:
            yield
        finally:
            await shared.unlock(name, owner)

    # ------------------------------------------------------------ what we remember

    def _now(self) -> datetime:
        return self.client.clock.now()

    def _store(self, connection: Connection) -> MediaStore:
        return MediaStore(connection, self._now())

    async def _size(self, media: Media) -> int:
        if self.db is None:
            return 0
        return await self.db.read(lambda c: self._store(c).size(media.digest))

    async def _known(self, media: Media, place: str) -> Handed | None:
        if self.db is None:
            return None
        return await self.db.read(lambda c: self._store(c).number(media.digest, place))

    async def _remember(self, media: Media, place: str, fresh: Handed) -> None:
        if self.db is not None:
            await self.db.write(lambda c: self._store(c).remember(media.digest, place, fresh))

    async def _forget(self, media: Media, place: str) -> bool:
        known = await self._known(media, place)
        if known is None or self.db is None:
            return False
        await self.db.write(lambda c: self._store(c).forget(media.digest, place))
        return self._now() - known.at >= YOUNG


def _lasts(known: Handed | None, until: datetime) -> bool:
    return known is not None and (known.until is None or known.until > until)
