"""Verifies that a webhook body was signed with our app secret."""

from __future__ import annotations

import hashlib
import hmac


def is_signed(body: bytes, header: str | None, app_secret: str) -> bool:
    r"""Compare `X-Hub-Signature-256` with the HMAC of the raw bytes, in constant time. Never raises.

    `body` must be the bytes as received: Meta signs its own encoding of the JSON (non-ASCII as `\uXXXX`), which a JSON
    encoder may not reproduce. If the secret is empty, no body counts as signed, because anybody could sign.
    """
    if not app_secret or header is None or not header.isascii():
        return False
    digest = hmac.digest(app_secret.encode(), body, hashlib.sha256).hex()
    return hmac.compare_digest(header.encode(), b"sha256=" + digest.encode())
