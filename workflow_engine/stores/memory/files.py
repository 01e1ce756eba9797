"""Files in memory, for tests."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from hashlib import sha256 as digest
from typing import BinaryIO

from workflow_engine.errors import FileDamaged, FileMissing
from workflow_engine.spec.file import LendingShelf, Named, pieces
from workflow_engine.stores.folder import aside


class MemoryFiles:
    """Implements ports.files.Files."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def put(self, content: BinaryIO) -> tuple[str, int]:
        whole = b"".join(pieces(content))
        name = digest(whole).hexdigest()
        self.contents[name] = whole
        return name, len(whole)

    def has(self, sha256: str, size: int) -> bool:
        return sha256 in self.contents and len(self.contents[sha256]) == size

    def hold(self, sha256: str, size: int) -> bool:
        return self.has(sha256, size)

    def open(self, sha256: str, size: int) -> BinaryIO:
        if sha256 not in self.contents:
            raise FileMissing("", sha256)
        whole = self.contents[sha256]
        if (digest(whole).hexdigest(), len(whole)) != (sha256, size):
            raise FileDamaged(sha256, f"it has {len(whole):,} bytes and another digest")
        return io.BytesIO(whole)

    def lent(self, wanted: Sequence[Named]) -> AbstractContextManager[LendingShelf]:
        return aside(self, wanted)
