"""Encrypts access tokens, and hashes the phone numbers of forgotten people, with the keys of the environment.

REVOADA_SECRET_KEY has one key, or several keys separated by commas, the newest key first. The newest key encrypts new
values. The other keys decrypt older values. No function here prints or logs a token, or quotes a token in an error.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from campaigns.domain.statement import Entry, Field, Hint, HintAction, Refusal

# The key for hashes is derived from REVOADA_SECRET_KEY with this label. Encryption uses REVOADA_SECRET_KEY itself.
_PERSON_LABEL = b"revoada forgotten person v1"
# Likewise, for the keys of people in the addresses of pages.
_ADDRESS_LABEL = b"revoada keys in addresses v1"
_KEY_ID_BYTES = 8


class TokenError(Refusal):
    """A stored token cannot be read with these keys."""

    def __init__(self) -> None:
        super().__init__(
            "token_unreadable",
            "REVOADA_SECRET_KEY does not have the key that encrypted this access token: add the old key behind the"
            " newest one, or give the token again with {change}.",
            change=Hint(HintAction.CHANGE_ACCOUNT, entry=Entry(Field.TOKEN)),
        )


def make_key() -> str:
    return Fernet.generate_key().decode("ascii")


def encrypt_token(keys: str, token: str) -> bytes:
    return _encrypt(keys, token.encode("utf-8"))


def decrypt_token(keys: str, blob: bytes) -> str:
    """Return the token. Raises TokenError if the token was encrypted with another key, or if the blob is damaged."""
    token = _decrypt(keys, blob)
    if token is None:
        raise TokenError
    return token.decode("utf-8")


def reencrypt(keys: str, blob: bytes) -> bytes | None:
    """Return the same secret, encrypted with the newest key; None if none of the keys can decrypt it.

    A secret that is already encrypted with the newest key is returned unchanged.
    """
    if _decrypt(_split(keys)[0], blob) is not None:
        return blob
    secret = _decrypt(keys, blob)
    return None if secret is None else _encrypt(keys, secret)


def seal_key(keys: str, text: str) -> str:
    """Encrypt the key of a person or of a list for the address of a page, because logs of proxies keep addresses."""
    return Fernet(_derive(_split(keys)[0])).encrypt(text.encode("utf-8")).decode("ascii")


def open_key(keys: str, sealed: str, *, seconds: int) -> str | None:
    """Return what `seal_key` has encrypted; None if it is older than `seconds` or was not made with these keys."""
    try:
        return MultiFernet([Fernet(_derive(key)) for key in _split(keys)]).decrypt(sealed, ttl=seconds).decode("utf-8")
    except (InvalidToken, ValueError):  # a ValueError for signs that base64 does not have
        return None


class PersonHasher:
    """Makes hashes that nobody can turn back into a phone number without the key, even by trying all numbers."""

    def __init__(self, derived: bytes) -> None:
        self._key = derived
        # Identifies the key that made a hash, because hashes made with different keys cannot be compared.
        self.key_id = hmac.digest(derived, b"key id", hashlib.sha256)[:_KEY_ID_BYTES]

    @classmethod
    def list_all(cls, keys: str) -> list[Self]:
        """Return one hasher for each key; the hasher of the newest key comes first."""
        return [cls(hmac.digest(base64.urlsafe_b64decode(key), _PERSON_LABEL, hashlib.sha256)) for key in _split(keys)]

    @classmethod
    def open(cls, keys: str, sealed: bytes) -> Self | None:
        """Return the hasher that `seal` has encrypted; None if none of the keys can decrypt it."""
        derived = _decrypt(keys, sealed)
        return None if derived is None else cls(derived)

    def seal(self, keys: str) -> bytes:
        """Return this hasher, encrypted with the newest key."""
        return _encrypt(keys, self._key)

    def hash(self, recipient_key: str) -> bytes:
        return hmac.digest(self._key, recipient_key.encode(), hashlib.sha256)


def _derive(key: str) -> bytes:
    """Return a key for addresses only, so that no stored secret can be opened as an address."""
    return base64.urlsafe_b64encode(hmac.digest(base64.urlsafe_b64decode(key), _ADDRESS_LABEL, hashlib.sha256))


def _split(keys: str) -> list[str]:
    return keys.split(",")


def _encrypt(keys: str, secret: bytes) -> bytes:
    return Fernet(_split(keys)[0]).encrypt(secret)


def _decrypt(keys: str, blob: bytes) -> bytes | None:
    try:
        return MultiFernet([Fernet(key) for key in _split(keys)]).decrypt(blob)
    except InvalidToken:
        return None
