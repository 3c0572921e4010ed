"""What is made with the key of the environment: access tokens at rest, and hashes of people who were forgotten.

Nothing here prints, logs or names a token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken

# Keys for other purposes are derived from the one key, each with a label of its own.
_PERSON_LABEL = b"revoada forgotten person v1"
_KEY_ID_BYTES = 8


class TokenError(ValueError):
    """A stored token cannot be read with this key."""


def make_key() -> str:
    return Fernet.generate_key().decode("ascii")


def encrypt_token(key: str, token: str) -> bytes:
    return Fernet(key).encrypt(token.encode("utf-8"))


def decrypt_token(key: str, blob: bytes) -> str:
    """Return the token. Raise TokenError when it was encrypted with another key, or is damaged."""
    try:
        return Fernet(key).decrypt(blob).decode("utf-8")
    except InvalidToken:
        raise TokenError(
            "REVOADA_SECRET_KEY is not the key that encrypted this access token: "
            "set the old key, or give the token again with `revoada account set`."
        ) from None


class PersonHasher:
    """Hashes that nobody can turn back into a phone number without the key, not even by trying all numbers."""

    def __init__(self, key: str) -> None:
        self._key = hmac.digest(base64.urlsafe_b64decode(key), _PERSON_LABEL, hashlib.sha256)
        # Tells hashes of another key, which can be compared with nothing.
        self.key_id = hmac.digest(self._key, b"key id", hashlib.sha256)[:_KEY_ID_BYTES]

    def hash(self, recipient_key: str) -> bytes:
        return hmac.digest(self._key, recipient_key.encode(), hashlib.sha256)
