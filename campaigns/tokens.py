"""Access tokens at rest: encrypted with the key of the environment. Nothing here prints, logs or names a token."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken


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
