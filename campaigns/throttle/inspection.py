"""Reads the state of Valkey and the current rates of the throttle, for the doctor."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis

from campaigns.throttle.bucket import KEY
from campaigns.throttle.ledger import KEYS as LEDGER_KEYS
from campaigns.valkey import RefusedError, describe, find_error_reply, find_tls_error, make_client

# The same number as CLIMB in grant.lua: the part of the configured rate that an account regains per second after a
# halving.
CLIMB = 0.05


@dataclass(frozen=True, slots=True)
class ValkeyFacts:
    """The state of Valkey. `away`: why Valkey does not serve; "" if it serves.

    `reply`: the error reply of a Valkey that does not serve; "" if it sent none. `tls_error`: why TLS failed; "" if TLS
    did not fail. `refusal`: Valkey's error reply to a write; "" if the write worked. `limit_bytes`: the limit of
    Valkey's memory; 0: no limit. `skew_seconds`: the seconds by which our clock is ahead of Valkey's clock.
    `is_database_doubtful`: Postgres lacks claims that the ledger has, so nothing is claimed. `version`: that of the
    server; "" if it is not known.
    """

    away: str = ""
    reply: str = ""
    tls_error: str = ""
    refusal: str = ""
    policy: str = "noeviction"
    used_bytes: int = 0
    limit_bytes: int = 0
    skew_seconds: float = 0.0
    is_database_doubtful: bool = False
    version: str = ""


def examine(url: str, *, timeout_seconds: float) -> ValkeyFacts:
    """Return the state of a server. An error becomes a part of the state and is not raised.

    The check writes a key that expires after a second.
    """
    try:
        with make_client(url, timeout_seconds=timeout_seconds) as client:
            client.ping()
            return _examine(client)
    except (redis.RedisError, OSError, ValueError) as error:
        return ValkeyFacts(away=describe(error), reply=find_error_reply(error), tls_error=find_tls_error(error))


def _examine(client: redis.Redis) -> ValkeyFacts:
    refusal, info, server, skew_seconds = "", dict[str, Any](), dict[str, Any](), 0.0
    is_database_doubtful = bool(client.hexists(LEDGER_KEYS[0], "changed_at"))
    try:
        client.set("revoada:doctor", 1, ex=1)
    except RefusedError as error:
        refusal = find_error_reply(error)
    try:
        info = client.info("memory")
        asked_at = time.time()
        seconds, microseconds = client.time()
        skew_seconds = (asked_at + time.time()) / 2 - seconds - microseconds / 1e6
        server = client.info("server")
    except RefusedError:
        pass  # some servers forbid these commands; then the defaults lead to no finding
    return ValkeyFacts(
        refusal=refusal,
        policy=str(info.get("maxmemory_policy", "noeviction")),
        used_bytes=int(info.get("used_memory", 0)),
        limit_bytes=int(info.get("maxmemory", 0)),
        skew_seconds=skew_seconds,
        is_database_doubtful=is_database_doubtful,
        version=str(server.get("valkey_version") or server.get("redis_version") or ""),
    )


def read_rates(url: str, configured: Mapping[int, int], *, timeout_seconds: float) -> dict[int, float] | None:
    """Return, for each account with a bucket in Valkey, the rate in force; None if Valkey does not answer.

    `configured`: the configured messages per second, by account.
    """
    rates = {}
    try:
        with make_client(url, timeout_seconds=timeout_seconds) as client:
            seconds, microseconds = client.time()
            now = seconds + microseconds / 1e6
            for account_id, rate in configured.items():
                factor, at = client.hmget(KEY.format(account_id), "factor", "at")
                if factor is not None and at is not None:
                    rates[account_id] = rate * min(1.0, float(factor) + CLIMB * max(now - float(at), 0.0))
    except (redis.RedisError, OSError, ValueError):
        return None
    return rates
