"""Every setting, read once from the environment: name, unit, default, help. Garbage is refused by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from cryptography.fernet import Fernet

from campaigns.domain.optout.recognition import DEFAULT_PAYLOADS, DEFAULT_WORDS, StopRules, read_words
from campaigns.domain.phone.regions import read_region

# Until a worker that takes no task counts as stalled, where it is not ended for it.
_STALL_SECONDS = 120.0
# Probes that a worker leaves in its queue, one after the other, before it is ended. Probes and not seconds: a process
# that was frozen has left one when it thaws.
EXIT_AFTER_PROBES = 8
# A worker that has not reported for the time of this many probes is gone.
_SILENT_PROBES = 4


class SettingsError(ValueError):
    """A setting is missing or wrong; the text names the variable."""


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        try:
            parts = urlsplit(text)
            is_good = parts.scheme in schemes and bool(parts.netloc)
        except ValueError:  # its own text may quote the password
            is_good = False
        if not is_good:
            raise ValueError(f"must look like {schemes[0]}://…")
        return text.rstrip("/") if schemes[0].startswith("http") else text

    return parse


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise ValueError("must be a number above 0")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if value and not 1 <= value < 1e9:
        raise ValueError("must be a number of seconds from 1, or 0: never")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 0 < value <= 1_000_000:
        raise ValueError("must be a whole number above 0")
    return value


def _days(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 36_500:
        raise ValueError("must be a whole number of days, 0 is never")
    return value


def _words(text: str) -> str:
    read_words(text)
    return text


def _reply(text: str) -> str:
    if len(text) > 1_000:
        raise ValueError("must be at most 1,000 characters")
    return text


def _zone(text: str) -> str:
    if text not in available_timezones():
        raise ValueError("must be a time zone such as America/Sao_Paulo")
    ZoneInfo(text)
    return text


def _fernet_key(text: str) -> str:
    Fernet(text)
    return text


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return parse


def _setting(variable: str, default: Any, parse: Callable[[str], Any], text: str, *, is_secret: bool = False) -> Any:
    return field(
        default=default,
        repr=not is_secret,
        metadata={"variable": variable, "parse": parse, "help": text},
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All knobs of one process. Times are seconds; `None` means not set (see `require`)."""

    database_url: str | None = _setting(
        "DATABASE_URL", None, _url("postgresql", "postgres"), "Postgres 18, the truth", is_secret=True
    )
    redis_url: str | None = _setting(
        "REDIS_URL", None, _url("redis", "rediss"), "Valkey or Redis: broker and throttle", is_secret=True
    )
    broker_url: str | None = _setting(
        "BROKER_URL",
        None,
        _url("redis", "rediss", "amqp", "amqps"),
        "overrides the broker of REDIS_URL",
        is_secret=True,
    )
    graph_api_url: str = _setting(
        "GRAPH_API_URL", "https://graph.facebook.com/v24.0", _url("https", "http"), "Meta's Graph API, with version"
    )
    meta_app_secret: str | None = _setting(
        "META_APP_SECRET", None, str, "signs the webhooks (App settings, Basic)", is_secret=True
    )
    meta_verify_token: str | None = _setting(
        "META_VERIFY_TOKEN", None, str, "a word of your own for the webhook handshake", is_secret=True
    )
    secret_key: str | None = _setting(
        "REVOADA_SECRET_KEY",
        None,
        _fernet_key,
        "encrypts access tokens; made by `revoada keygen --env-file .env`",
        is_secret=True,
    )
    alert_webhook_url: str | None = _setting(
        "ALERT_WEBHOOK_URL", None, _url("https", "http"), "gets a POST for each alert", is_secret=True
    )
    time_zone: str = _setting(
        "REVOADA_TIMEZONE", "America/Sao_Paulo", _zone, "of campaigns that name none of their own"
    )

    region: str = _setting("REVOADA_REGION", "BR", read_region, "of phones in a list that have no country code")
    overlap_days: int = _setting(
        "REVOADA_OVERLAP_DAYS", 7, _count, "an ended campaign counts so many days when a list has its people again"
    )
    confirm_above: int = _setting("REVOADA_CONFIRM_ABOVE", 1000, _count, "messages that start without a question")
    stop_words: str = _setting(
        "REVOADA_STOP_WORDS", DEFAULT_WORDS, _words, "whole answers that are an opt-out, with commas between"
    )
    stop_payloads: str = _setting("REVOADA_STOP_PAYLOADS", DEFAULT_PAYLOADS, _words, "of buttons that are an opt-out")
    stop_reply: str | None = _setting(
        "REVOADA_STOP_REPLY", None, _reply, "is answered to who opts out by a word or a button; empty: nothing is"
    )
    retention_days: int = _setting(
        "REVOADA_RETENTION_DAYS", 0, _days, "after its end a campaign's phones and variables are erased; 0: never"
    )

    tick_seconds: float = _setting("REVOADA_TICK_SECONDS", 10.0, _positive, "between two looks at all campaigns")
    slice_seconds: float = _setting("REVOADA_SLICE_SECONDS", 30.0, _positive, "one turn of a campaign on a slot")
    slots: int = _setting("REVOADA_SLOTS", 512, _count, "campaigns in their slice at once, per worker process")
    lease_seconds: float = _setting("REVOADA_LEASE_SECONDS", 45.0, _positive, "a runner's right without renewal")
    renew_seconds: float = _setting("REVOADA_RENEW_SECONDS", 10.0, _positive, "between two renewals of a lease")
    connect_timeout_seconds: float = _setting(
        "REVOADA_CONNECT_TIMEOUT_SECONDS", 5.0, _positive, "until the Graph API accepts a connection"
    )
    http_timeout_seconds: float = _setting(
        "REVOADA_HTTP_TIMEOUT_SECONDS", 20.0, _positive, "for one request to the Graph API, in all"
    )
    settle_seconds: float = _setting("REVOADA_SETTLE_SECONDS", 0.1, _positive, "a reply waits at most, to be written")
    settle_count: int = _setting("REVOADA_SETTLE_COUNT", 200, _count, "replies are written at once, about")
    window_limit: int = _setting("REVOADA_WINDOW_LIMIT", 512, _count, "requests in flight per campaign, at most")
    max_attempts: int = _setting("REVOADA_MAX_ATTEMPTS", 5, _count, "attempts for one message")
    retry_seconds: float = _setting("REVOADA_RETRY_SECONDS", 2.0, _positive, "before the second attempt; then doubled")
    template_retry_seconds: float = _setting(
        "REVOADA_TEMPLATE_RETRY_SECONDS", 300.0, _positive, "until a refused template is tried with one message"
    )
    recheck_seconds: float = _setting(
        "REVOADA_RECHECK_SECONDS", 60.0, _positive, "between looks of a campaign that waits without a time"
    )
    fallback_rate: float = _setting(
        "REVOADA_FALLBACK_RATE", 1.0, _positive, "messages/s per account and process while Valkey is away"
    )
    reconcile_seconds: float = _setting(
        "REVOADA_RECONCILE_SECONDS", 60.0, _positive, "between two searches for abandoned messages"
    )
    uncertain_grace_seconds: float = _setting(
        "REVOADA_UNCERTAIN_GRACE_SECONDS", 3600.0, _positive, "an uncertain message waits for its webhook unreported"
    )
    statement_seconds: float = _setting(
        "REVOADA_STATEMENT_SECONDS", 15.0, _positive, "for one statement in Postgres; a claim or a settle needs less"
    )
    health_seconds: float = _setting("REVOADA_HEALTH_SECONDS", 300.0, _positive, "between two checks of an account")
    health_timeout_seconds: float = _setting(
        "REVOADA_HEALTH_TIMEOUT_SECONDS", 10.0, _positive, "for one health check, in all"
    )
    visibility_timeout_seconds: float = _setting(
        "REVOADA_VISIBILITY_TIMEOUT_SECONDS", 300.0, _positive, "until the broker delivers a lost task again"
    )
    apply_retry_seconds: float = _setting(
        "REVOADA_APPLY_RETRY_SECONDS", 30.0, _positive, "until webhook events of a dead worker are taken again"
    )
    inbox_wait_seconds: float = _setting(
        "REVOADA_INBOX_WAIT_SECONDS", 5.0, _positive, "a webhook waits at most, to be stored; then 503"
    )
    exit_on_stall_seconds: float = _setting(
        "REVOADA_EXIT_ON_STALL_SECONDS", 120.0, _seconds, "a worker that takes no task for so long ends; 0: never"
    )
    log_level: str = _setting("LOG_LEVEL", "INFO", _one_of("DEBUG", "INFO", "WARNING", "ERROR"), "how much is logged")
    log_format: str = _setting("LOG_FORMAT", "text", _one_of("text", "json"), "one line a record, either way")

    @property
    def task_expiry_seconds(self) -> float:
        """The age in seconds (three ticks) at which a campaign's enqueued mark expires, measured by Postgres.

        The campaign may have lost its task then, so the tick compares the queue with the marks. Tasks never expire.
        """
        return 3 * self.tick_seconds

    @property
    def probe_seconds(self) -> float:
        """Seconds between two probes of a worker."""
        return (self.exit_on_stall_seconds or _STALL_SECONDS) / EXIT_AFTER_PROBES

    @property
    def silent_seconds(self) -> float:
        """Seconds without a report after which a worker is gone."""
        return _SILENT_PROBES * self.probe_seconds

    @property
    def stop_rules(self) -> StopRules:
        return StopRules(read_words(self.stop_words), read_words(self.stop_payloads))

    @property
    def least_slice_seconds(self) -> float:
        """What a campaign gets at least before it makes room for one that waits for a slot."""
        return min(1.0, self.slice_seconds / 10)

    def require(self, *names: str) -> Settings:
        """Return self, or raise SettingsError naming the first variable of `names` that is not set."""
        for spec in fields(self):
            if spec.name in names and getattr(self, spec.name) is None:
                raise SettingsError(f"{spec.metadata['variable']} is not set: {spec.metadata['help']}")
        return self


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the environment. Raises SettingsError that names the variable and what is wrong with it."""
    source = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for spec in fields(Settings):
        text = source.get(spec.metadata["variable"], "").strip()
        if not text:
            continue
        try:
            values[spec.name] = spec.metadata["parse"](text)
        except (ValueError, TypeError) as error:
            # The value itself stays out of the message: it may be a secret.
            raise SettingsError(f"{spec.metadata['variable']} is wrong: {error}") from None
    settings = Settings(**values)
    if settings.http_timeout_seconds + settings.renew_seconds >= settings.lease_seconds:
        raise SettingsError(
            "REVOADA_LEASE_SECONDS is wrong: must be longer than REVOADA_HTTP_TIMEOUT_SECONDS "
            "plus REVOADA_RENEW_SECONDS, so that a request ends within its lease"
        )
    return settings
