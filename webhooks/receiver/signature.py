"""Whether a body was signed with our app secret."""

from __future__ import annotations

import hashlib
import hmac


def is_signed(body: bytes, header: str | None, app_secret: str) -> bool:
    r"""Compare `X-Hub-Signature-256` with the HMAC of the raw bytes, in constant time. Never raises.

    The bytes must be those that came in: Meta signs its own spelling of the JSON (non-ASCII as `\uXXXX`). An empty
    secret signs nothing, since anybody could sign with it.
    """
    if not app_secret or header is None or not header.isascii():
        return False
    digest = hmac.digest(app_secret.encode(), body, hashlib.sha256).hex()
    return hmac.compare_digest(header.encode(), b"sha256=" + digest.encode())
