"""Signatures of webhooks, as the Standard Webhooks specification has them (standardwebhooks.com, version 1.0).

What is signed is `id.timestamp.body`, with HMAC-SHA256; the header says `v1,` and the signature in base64, for each
secret one, separated by blanks: so a secret is changed while receivers still know the old one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime

from workflow_engine.errors import UsageError

PREFIX = "whsec_"
TOLERANCE = 300
"""Seconds by which a message may be older, or newer, than its receiver's clock says."""
_LEAST, _MOST = 24, 64


def new_secret() -> str:
    """A secret drawn at random."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The bytes of a secret. Raises UsageError, without the secret."""
    try:
        key = base64.b64decode(secret.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.strip().startswith(PREFIX) or not _LEAST <= len(key) <= _MOST:
        raise UsageError(
            f"the secret of a webhook is {PREFIX} and {_LEAST} to {_MOST} bytes in base64", "workflow notify secret"
        )
    return key


def sign(keys: Iterable[bytes], id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of a message."""
    stamp = str(int(at.timestamp()))
    signed = b".".join((id.encode(), stamp.encode(), body))
    marks = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys]
    return {
        "webhook-id": id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{each}" for each in marks),
    }


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Whether a message was sent by who knows the secret, and just now. Header names are in lower case."""
    id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isascii() or not stamp.isdecimal() or len(stamp) > 12:
        return False
    if abs(int(stamp) - now.timestamp()) > TOLERANCE:
        return False
    signed = b".".join((id.encode(), stamp.encode(), body))
    expected = b"v1," + base64.b64encode(hmac.digest(key_of(secret), signed, hashlib.sha256))
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(expected, each.encode()) for each in given)
