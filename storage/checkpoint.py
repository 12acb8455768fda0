"""Checkpoints: what SQLite's log has gathered is carried over into the file beside the writer, so that no commit waits for it."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, suppress
from dataclasses import dataclass, field


@dataclass(eq=False)
class Checkpointer:
    """A thread that carries over what was written since it looked last; the writer goes on meanwhile.

    A pass that fails (a full disk, a file that is gone) costs nothing: the log keeps everything, and the writer hears of the disk itself.
    Source: https://sqlite.org/c3ref/wal_checkpoint_v2.html (PASSIVE)
    """

    path: str
    every_s: float = 0.25
    _written: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="sqlite-checkpoint", daemon=True)
        self._thread.start()

    def written(self) -> None:
        """Something was committed."""
        self._written.set()

    def stop(self) -> None:
        self._over.set()
        self._written.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            self._written.wait()
            self._written.clear()
            self.carry_over()
            self._over.wait(self.every_s)

    def carry_over(self) -> None:
        with suppress(sqlite3.Error), closing(sqlite3.connect(self.path, timeout=0.0)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
