"""Signs the POST of an event as Standard Webhooks 1.0 says (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable

_PREFIX = "whsec_"
SECRET_BYTES = 32


def write_secret(random: bytes) -> str:
    """Return a secret in the form that receivers expect. `random`: `SECRET_BYTES` random bytes."""
    return _PREFIX + base64.b64encode(random).decode("ascii")


def sign(secrets: Iterable[str], webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers of a POST.

    `secrets`: the secret, and during a rotation the one before, too. `timestamp`: the time of this try, in seconds
    since 1970.
    """
    content = b"%s.%d.%s" % (webhook_id.encode("ascii"), timestamp, body)
    keys = [base64.b64decode(secret.removeprefix(_PREFIX)) for secret in secrets]
    digests = [base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode("ascii") for key in keys]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{each}" for each in digests),
    }
