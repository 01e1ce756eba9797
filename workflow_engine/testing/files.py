"""What every keeper of files keeps, as sentences: the conformance suite of ports.files.Files.

Subclass it in a test module of your own, and give it `files`: empty ones.
"""

from __future__ import annotations

import io
import pickle
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from workflow_engine.errors import FileMissing
from workflow_engine.ports.files import Files

WORDS = b"words \x00 and bytes \xff"


def digest(content: bytes) -> str:
    """The name of a content."""
    return sha256(content).hexdigest()


class FilesContract:
    """Sentences about one keeper of files."""

    @pytest.fixture
    def files(self) -> Any:
        """The keeper under test, empty."""
        raise NotImplementedError("give the suite a keeper of files")

    @pytest.mark.parametrize("content", [b"", WORDS, bytes(range(256)) * 12_289], ids=["nothing", "words", "3 MB"])
    def test_what_is_put_is_found_by_its_digest(self, files: Files, content: bytes) -> None:
        name, size = files.put(io.BytesIO(content))
        assert (name, size) == (digest(content), len(content))
        assert files.has(name, size)
        assert files.hold(name, size)
        with files.open(name, size) as stream:
            assert stream.read() == content
        with files.open(name, size) as stream:
            assert stream.read(10) == content[:10]
            stream.seek(0)
            assert b"".join(iter(lambda: stream.read(70_001), b"")) == content

    def test_a_content_is_kept_once(self, files: Files) -> None:
        assert files.put(io.BytesIO(WORDS)) == files.put(io.BytesIO(WORDS))

    def test_what_is_not_there_is_missing(self, files: Files) -> None:
        files.put(io.BytesIO(WORDS))
        other = digest(b"other")
        assert not files.has(other, 5)
        assert not files.hold(other, 5)
        with pytest.raises(FileMissing):
            files.open(other, 5)

    def test_a_stream_that_breaks_off_leaves_nothing(self, files: Files) -> None:
        class Broken(io.RawIOBase):
            told = False

            def read(self, _size: int = -1) -> bytes:
                if self.told:
                    raise OSError("the line is dead")
                self.told = True
                return WORDS

        broken: Any = Broken()
        with pytest.raises(Exception, match="dead"):
            files.put(broken)
        assert not files.has(digest(WORDS), len(WORDS))

    def test_a_lent_shelf_has_what_is_wanted_and_brings_back_what_was_made(self, files: Files) -> None:
        wanted = files.put(io.BytesIO(WORDS))
        with files.lent([wanted]) as lent:
            taken = pickle.loads(pickle.dumps(lent))
            with taken.open(*wanted) as stream:
                assert stream.read() == WORDS
            made = taken.put(io.BytesIO(b"made there"))
        with files.open(*made) as stream:
            assert stream.read() == b"made there"
        with files.open(*wanted) as stream:
            assert stream.read() == WORDS

    def test_a_name_leads_nowhere_else(self, files: Files, tmp_path: Path) -> None:
        files.put(io.BytesIO(b"other"))
        (tmp_path / "secret").write_bytes(WORDS)
        outside = str(tmp_path / "secret")
        for name in (f"..{outside}", outside, "../secret", "..", "lock", "new", "", digest(WORDS).upper()):
            assert not files.has(name, len(WORDS))
            with pytest.raises(FileMissing):
                files.open(name, len(WORDS))


__all__ = ["FilesContract", "digest"]
