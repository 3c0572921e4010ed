"""What Valkey is like, and what the throttle stands at: for a person who asks why nothing moves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis

from campaigns.throttle.bucket import KEY
from campaigns.valkey import find_reply

# As in grant.lua: of the configured rate, regained per second after a halving.
CLIMB = 0.05


@dataclass(frozen=True, slots=True)
class ValkeyFacts:
    """The state of Valkey. `away`: the error if it does not serve at all, with its error reply, if any, as `reply`;
    `refusal`: its error reply to a write. Sizes are bytes; 0: no limit.
    """

    away: str = ""
    reply: str = ""
    refusal: str = ""
    policy: str = "noeviction"
    used_bytes: int = 0
    limit_bytes: int = 0
    skew_seconds: float = 0.0


def examine(url: str, *, timeout_seconds: float) -> ValkeyFacts:
    """Look at a server. What is written is a key that expires in a second; errors are part of the facts."""
    try:
        with _client(url, timeout_seconds) as client:
            client.ping()
            return _examine(client)
    except (redis.RedisError, OSError, ValueError) as error:
        return ValkeyFacts(away=type(error).__name__, reply=find_reply(error))  # other texts may hold the password


def _examine(client: redis.Redis) -> ValkeyFacts:
    refusal, info, skew_seconds = "", dict[str, Any](), 0.0
    try:
        client.set("revoada:doctor", 1, ex=1)
    except redis.ResponseError as error:
        refusal = find_reply(error)
    try:
        info = client.info("memory")
        asked_at = time.time()
        seconds, microseconds = client.time()
        skew_seconds = (asked_at + time.time()) / 2 - seconds - microseconds / 1e6
    except redis.ResponseError:
        pass  # a server may forbid to be asked: then nothing is known, and nothing said
    return ValkeyFacts(
        refusal=refusal,
        policy=str(info.get("maxmemory_policy", "noeviction")),
        used_bytes=int(info.get("used_memory", 0)),
        limit_bytes=int(info.get("maxmemory", 0)),
        skew_seconds=skew_seconds,
    )


def read_rates(url: str, configured: Mapping[int, int], *, timeout_seconds: float) -> dict[int, float]:
    """Return the messages per second in force of accounts (id → as configured) that have sent; {} without Valkey."""
    rates = {}
    try:
        with _client(url, timeout_seconds) as client:
            seconds, microseconds = client.time()
            now = seconds + microseconds / 1e6
            for account_id, rate in configured.items():
                factor, at = client.hmget(KEY.format(account_id), "factor", "at")
                if factor is not None and at is not None:
                    rates[account_id] = rate * min(1.0, float(factor) + CLIMB * max(now - float(at), 0.0))
    except (redis.RedisError, OSError, ValueError):
        return {}
    return rates


def _client(url: str, timeout_seconds: float) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds)
