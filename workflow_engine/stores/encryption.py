"""Encryption with keys: AES-256-GCM, a random nonce for each value, and several keys while one replaces another."""

from __future__ import annotations

import os
import re
import secrets
from base64 import urlsafe_b64decode
from binascii import Error
from hashlib import blake2b
from typing import Any

from workflow_engine.errors import UsageError

BYTES = 32
_NONCE = 12
_CURE = 'make one: python -c "import secrets; print(secrets.token_urlsafe(32))"'
_WORD = re.compile(r"[A-Za-z0-9_-]+={0,2}")


class Keys:
    """Implements ports.codec.Codec. The first key encrypts, all of them decrypt; none is ever shown.

    A key is 32 random bytes as base64url, 43 characters. Nonces are random 96 bits, which NIST SP 800-38D allows for
    2**32 values under one key: some 500 million steps.
    """

    def __init__(self, *keys: str) -> None:
        if not keys:
            raise UsageError("no key was given", _CURE)
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as error:
            raise UsageError(
                "encryption needs the package cryptography", "pip install 'workflow-proof[encrypted]'"
            ) from error
        raw = [_decoded(key, number) for number, key in enumerate(keys, start=1)]
        self._ciphers = [AESGCM(each) for each in raw]
        self._refusal = InvalidTag
        self._name = blake2b(raw[0], digest_size=8, person=b"name of a key").hexdigest()

    @property
    def name(self) -> str:
        return self._name

    def shut(self, data: bytes, place: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._ciphers[0].encrypt(nonce, data, place)

    def open(self, data: bytes, place: bytes) -> bytes:
        nonce, shut = data[:_NONCE], data[_NONCE:]
        if len(nonce) == _NONCE:
            for cipher in self._ciphers:
                try:
                    return cipher.decrypt(nonce, shut, place)
                except self._refusal:
                    continue
        raise ValueError("none of the keys opens it")

    def __repr__(self) -> str:
        return f"Keys({self._name})"


def new_key() -> str:
    """A key nobody has."""
    return secrets.token_urlsafe(BYTES)


def keys_of(text: str) -> Keys:
    """The keys of a text, one a line or separated by commas; lines that begin with # are remarks."""
    lines = [line.split("#")[0] for line in text.splitlines()]
    return Keys(*(key for line in lines for key in line.replace(",", " ").split()))


def _decoded(key: Any, number: int) -> bytes:
    which = "the key" if number == 1 else f"key {number}"
    if not isinstance(key, str) or not _WORD.fullmatch(key):
        raise UsageError(f"{which} is no base64url text", _CURE)
    bare = key.rstrip("=")
    try:
        raw = urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except (Error, ValueError):
        raise UsageError(f"{which} is no base64url text", _CURE) from None
    if len(raw) != BYTES:
        raise UsageError(f"{which} has {len(raw)} bytes, and a key has {BYTES}", _CURE)
    return raw


__all__ = ["Keys", "keys_of", "new_key"]
