"""What is kept of an output, whatever its size and however it arrives."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from workflow_engine.sandbox.intake import Intake


def taken(chunks: list[bytes], limit: int) -> str:
    async def take() -> str:
        intake = Intake(limit)
        try:
            for chunk in chunks:
                intake.data_received(chunk)
            return intake.text()
        finally:
            intake.close()

    return asyncio.run(take())


@given(st.lists(st.text(alphabet="aé€😀\n", max_size=9).map(str.encode), max_size=8), st.integers(8, 40))
def test_head_and_tail_are_the_outputs_own(chunks: list[bytes], limit: int) -> None:
    whole = b"".join(chunks).decode()
    text = taken(chunks, limit)
    if len(whole.encode()) <= limit:
        assert text == whole
    else:
        head, note, tail = text.partition("\n[... ")
        tail = tail.partition(" bytes cut ...]\n")[2]
        assert note
        assert whole.startswith(head)
        assert whole.endswith(tail)
        assert "\ufffd" not in text


def test_bytes_that_are_no_text_show_as_such() -> None:
    assert taken([b"a\xffb"], 100) == "a\ufffdb"
    assert taken([b"\x80" * 50], 8).count("\ufffd") > 0
