"""Signs a webhook body as Meta signs, and posts it to a target."""

from __future__ import annotations

import hashlib
import hmac

from campaigns.config import Settings
from campaigns.domain.statement import Kind, Refusal
from campaigns.egress import Poster, PostResult
from campaigns.secrets import TokenError, decrypt_token


def choose_secret(settings: Settings, secret: bytes | None) -> str:
    """Return the secret that signs. `secret`: the encrypted one of the forward; None: that of our app at Meta signs.

    Raises Refusal if the setting is missing, or if no key can decrypt the secret.
    """
    if secret is None:
        return settings.require("meta_app_secret").meta_app_secret or ""
    try:
        return decrypt_token(settings.require("secret_key").secret_key or "", secret)
    except TokenError:
        raise Refusal(
            "forward_secret_unreadable",
            "REVOADA_SECRET_KEY does not have the key that encrypted the secret of this forward: add that key behind"
            " the newest one, or remove the forward and add it again.",
            kind=Kind.CONFLICT,
        ) from None


def sign_body(body: bytes, secret: str) -> str:
    """Return the value of the header X-Hub-Signature-256."""
    return f"sha256={hmac.digest(secret.encode(), body, hashlib.sha256).hex()}"


def post_body(poster: Poster, body: bytes, secret: str) -> PostResult:
    """Post a signed body to a target, once."""
    return poster.post(body, {"Content-Type": "application/json", "X-Hub-Signature-256": sign_body(body, secret)})


def describe_failure(result: PostResult) -> str:
    """Return why a POST was no success, for logs and findings; "" for a success."""
    if result.is_success:
        return ""
    return f"HTTP {result.status}" if result.error is None else str(result.error)
