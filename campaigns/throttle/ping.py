"""Whether Valkey answers."""

from __future__ import annotations

import redis


def why_away(url: str, *, timeout_seconds: float) -> str:
    """Return "" when Valkey answers, else what kind of error came instead (its text may hold the password)."""
    try:
        with redis.Redis.from_url(
            url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds
        ) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        return type(error).__name__
    return ""
