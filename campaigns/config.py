"""The settings of a process. Each setting has an environment variable, a default, a parser and a help text."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import Field, dataclass, field, fields, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from cryptography.fernet import Fernet

from campaigns.domain.optout.recognition import DEFAULT_PAYLOADS, DEFAULT_WORDS, StopRules, read_words
from campaigns.domain.phone.regions import read_region
from campaigns.domain.schedule import find_zones, read_window
from campaigns.domain.statement import Hint, HintAction, Kind, Refusal, Sentence
from campaigns.domain.users.proxy import Network, read_networks
from campaigns.language import ENGLISH, read_language
from campaigns.valkey_url import read_server_url

# A probe is a task by which a worker proves that it consumes tasks. This value sets the interval of probes if
# REVOADA_EXIT_ON_STALL_SECONDS is 0. In that case no worker exits because of missed probes.
_STALL_SECONDS = 120.0
# A worker process exits if it has not consumed this many consecutive probes. The limit is a number of probes, not of
# seconds, because a process that was frozen for hours has missed only one probe when it thaws.
EXIT_AFTER_PROBES = 8
# A worker needs a descriptor for each connection: up to 2,048 to Meta, 16 to Postgres, about 20 to Valkey. A worker
# that may open fewer than ENOUGH_DESCRIPTORS logs a warning when it starts.
ENOUGH_DESCRIPTORS = 1024
# A worker that sends uses about 130 MB of memory (docs/faults.md), and needs more memory if more requests are in
# flight.
ENOUGH_MEMORY_MB = 256
# The hosts by which a browser reaches a server on its own machine.
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
# A worker that has not reported for this many probe intervals counts as gone.
_SILENT_PROBES = 4


class SettingsError(Refusal):
    """A setting is missing or wrong. The text names the variable."""


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        try:
            parts = urlsplit(text)
            is_good = parts.scheme in schemes and bool(parts.netloc)
        except ValueError:  # the text of this error may quote the password
            is_good = False
        if not is_good:
            raise ValueError(Sentence("must look like {scheme}://…", scheme=schemes[0]))
        return text.rstrip("/") if schemes[0].startswith("http") else text

    return parse


def _public_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in {"https", "http"} and parts.hostname is not None and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or parts.username is not None or parts.query or parts.fragment or not parts.netloc.isascii():
        raise ValueError("must look like https://host or https://host/prefix")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError("must begin with https:// unless its host is localhost")
    return text.rstrip("/")


def _server_url(text: str) -> str:
    read_server_url(text)
    return text


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise ValueError(Sentence("must be a number above 0"))
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if value and not 1 <= value < 1e9:
        raise ValueError(Sentence("must be a number of seconds from 1, or 0 for never"))
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 0 < value <= 1_000_000:
        raise ValueError(Sentence("must be a whole number above 0"))
    return value


def _days(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 36_500:
        raise ValueError(Sentence("must be a whole number of days, or 0 for never"))
    return value


def _megabytes(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 10_000:
        raise ValueError(Sentence("must be a whole number from 1 to 10,000"))
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65_535:
        raise ValueError(Sentence("must be a port, or 0 for none"))
    return value


def _private_address(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        address = None
    if address is None or address.is_global:
        raise ValueError(Sentence("must be an address of this machine or of a private network"))
    return text


def _above(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 1_000_000_000:
        raise ValueError(Sentence("must be a whole number, or 0 for never"))
    return value


def _file(text: str) -> str:
    if not Path(text).is_file():
        raise ValueError(Sentence("must be a file that exists"))
    return text


def _header(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]+", text):
        raise ValueError(Sentence("must be the name of a header, such as X-Forwarded-User"))
    return text


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return read_networks(text)
    except ValueError:
        raise ValueError(Sentence("must be addresses or networks such as 10.0.0.5 or 10.1.0.0/16, not all")) from None


def _audit_days(text: str) -> int:
    value = _days(text)
    if 0 < value < 365:
        raise ValueError(Sentence("must be at least 365 days, or 0 for never"))
    return value


def _words(text: str) -> str:
    read_words(text)
    return text


def _reply(text: str) -> str:
    if len(text) > 1_000:
        raise ValueError(Sentence("must be at most 1,000 characters"))
    return text


def _zone(text: str) -> str:
    if text not in available_timezones():
        if likely := find_zones(text):
            raise ValueError(Sentence("must be a time zone; did you mean {zones}?", zones=likely))
        raise ValueError(Sentence("must be a time zone such as America/Sao_Paulo"))
    ZoneInfo(text)
    return text


def _quiet_hours(text: str) -> tuple[dt.time, dt.time]:
    try:
        begins, ends = read_window(text)
    except ValueError:
        begins = ends = dt.time()
    if begins == ends:
        raise ValueError(Sentence("must be hours such as 20:00-08:00, shorter than a day"))
    return begins, ends


def read_secret_keys(text: str) -> str:
    """Return the keys in their order, with commas between them. Raises ValueError for any other text."""
    keys = text.replace(",", " ").split()
    for key in keys:
        Fernet(key)
    if not keys:
        raise ValueError(Sentence("must be one or several keys, separated by commas"))
    return ",".join(dict.fromkeys(keys))


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(Sentence("must be one of {words}", words=words))
        return text

    return parse


def _setting(
    variable: str, default: Any, parse: Callable[[str], Any], text: str, *, is_secret: bool = False, **values: Any
) -> Any:
    return field(
        default=default,
        repr=not is_secret,
        metadata={"variable": variable, "parse": parse, "help": Sentence(text, **values)},
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one process. Times are in seconds. None: the setting is not set (see `require`)."""

    database_url: str | None = _setting(
        "DATABASE_URL",
        None,
        _url("postgresql", "postgres"),
        "URL of Postgres 18, which stores all data",
        is_secret=True,
    )
    database_pooler: str = _setting(
        "REVOADA_DATABASE_POOLER",
        "none",
        _one_of("none", "transaction"),
        "transaction: DATABASE_URL leads to a pooler such as pgbouncer in transaction mode",
    )
    redis_url: str | None = _setting(
        "REDIS_URL",
        None,
        _server_url,
        "URL of Valkey or Redis, or of its Sentinels, for the broker and the throttle",
        is_secret=True,
    )
    broker_url: str | None = _setting(
        "BROKER_URL",
        None,
        _server_url,
        "URL of the broker, if it is not REDIS_URL",
        is_secret=True,
    )
    graph_api_url: str = _setting(
        "GRAPH_API_URL",
        "https://graph.facebook.com/v24.0",
        _url("https", "http"),
        "URL of Meta's Graph API, with its version",
    )
    meta_app_secret: str | None = _setting(
        "META_APP_SECRET", None, str, "app secret with which Meta signs webhooks (App settings, Basic)", is_secret=True
    )
    meta_verify_token: str | None = _setting(
        "META_VERIFY_TOKEN",
        None,
        str,
        "a word of your own, which you also enter at Meta, for the handshake of the webhook",
        is_secret=True,
    )
    secret_key: str | None = _setting(
        "REVOADA_SECRET_KEY",
        None,
        read_secret_keys,
        "key that encrypts access tokens; {make_key} makes one; several keys have a comma between them, newest first",
        is_secret=True,
        make_key=Hint(HintAction.MAKE_KEY),
    )
    alert_webhook_url: str | None = _setting(
        "ALERT_WEBHOOK_URL", None, _url("https", "http"), "URL that gets a POST for each alert", is_secret=True
    )
    # `requests` reads this variable itself, so that health checks and alerts trust the same authorities.
    ca_file: str | None = _setting(
        "REQUESTS_CA_BUNDLE",
        None,
        _file,
        "file with the certificates of the authorities that are trusted instead of the usual ones",
    )
    public_url: str | None = _setting(
        "REVOADA_PUBLIC_URL",
        None,
        _public_url,
        "address of the console in a browser, with the path under which a proxy serves it; empty: only this machine",
    )
    flower_url: str | None = _setting(
        "REVOADA_FLOWER_URL",
        None,
        _url("https", "http"),
        "address of Flower in a browser, to which the console links; empty: no link",
    )
    time_zone: str = _setting(
        "REVOADA_TIMEZONE", "America/Sao_Paulo", _zone, "time zone of campaigns for which no other time zone is given"
    )
    quiet_hours: tuple[dt.time, dt.time] | None = _setting(
        "REVOADA_QUIET_HOURS",
        None,
        _quiet_hours,
        "hours, on each person's clock, in which new marketing campaigns do not send; empty: none",
    )

    region: str = _setting("REVOADA_REGION", "BR", read_region, "country of phone numbers without a country code")
    overlap_days: int = _setting(
        "REVOADA_OVERLAP_DAYS",
        7,
        _count,
        "days after its end in which a campaign is compared with the people of new lists",
    )
    confirm_above: int = _setting(
        "REVOADA_CONFIRM_ABOVE",
        1000,
        _count,
        "number of messages above which the console lets a person type this number before a campaign starts",
    )
    stop_words: str = _setting(
        "REVOADA_STOP_WORDS", DEFAULT_WORDS, _words, "answers that are an opt-out, separated by commas"
    )
    stop_payloads: str = _setting(
        "REVOADA_STOP_PAYLOADS",
        DEFAULT_PAYLOADS,
        _words,
        "payloads of buttons that are an opt-out, separated by commas",
    )
    stop_reply: str | None = _setting(
        "REVOADA_STOP_REPLY", None, _reply, "answer to an opt-out by a word or a button; empty: no answer"
    )
    retention_days: int = _setting(
        "REVOADA_RETENTION_DAYS",
        0,
        _days,
        "days from a campaign's end until its phones and variables are erased, and from an answer that may be an"
        " opt-out until its text is erased; 0: never",
    )
    upload_mb: int = _setting(
        "REVOADA_UPLOAD_MB", 200, _megabytes, "largest size of a list that is uploaded in the console, in MB"
    )
    audit_days: int = _setting(
        "REVOADA_AUDIT_DAYS",
        0,
        _audit_days,
        "days until an event of the audit is deleted, at least 365; 0: never",
    )
    api_messages_per_second: int = _setting(
        "REVOADA_API_MESSAGES_PER_SECOND", 50, _count, "single messages that a token of the API may post in a second"
    )
    approve_above: int = _setting(
        "REVOADA_APPROVE_ABOVE",
        0,
        _above,
        "messages that a campaign may send without the approval of a second person; 0: any number",
    )
    user_header: str | None = _setting(
        "REVOADA_USER_HEADER",
        None,
        _header,
        "header in which a trusted proxy names the user who has signed in there; empty: no proxy signs users in",
    )
    trusted_proxies: tuple[Network, ...] | None = _setting(
        "REVOADA_TRUSTED_PROXIES",
        None,
        _networks,
        "addresses and networks of the proxies whose headers are believed, separated by commas",
    )
    egress_networks: tuple[Network, ...] | None = _setting(
        "REVOADA_EGRESS_NETWORKS",
        None,
        _networks,
        "private addresses and networks to which hooks and forwards may lead, also by http, separated by commas;"
        " empty: none",
    )

    tick_seconds: float = _setting(
        "REVOADA_TICK_SECONDS", 10.0, _positive, "seconds between two searches for campaigns that are due"
    )
    slice_seconds: float = _setting(
        "REVOADA_SLICE_SECONDS", 30.0, _positive, "longest time that a campaign holds a slot before others get it"
    )
    slots: int = _setting("REVOADA_SLOTS", 512, _count, "campaigns that one worker process runs at the same time")
    lease_seconds: float = _setting(
        "REVOADA_LEASE_SECONDS",
        45.0,
        _positive,
        "time until a campaign's lease expires if its worker does not renew it",
    )
    renew_seconds: float = _setting("REVOADA_RENEW_SECONDS", 10.0, _positive, "time between two renewals of a lease")
    connect_timeout_seconds: float = _setting(
        "REVOADA_CONNECT_TIMEOUT_SECONDS", 5.0, _positive, "timeout of a connection to the Graph API"
    )
    http_timeout_seconds: float = _setting(
        "REVOADA_HTTP_TIMEOUT_SECONDS", 20.0, _positive, "timeout of one whole request to the Graph API"
    )
    settle_seconds: float = _setting(
        "REVOADA_SETTLE_SECONDS",
        0.1,
        _positive,
        "longest time that a reply waits to be written together with other replies; up to a second if more than 20"
        " campaigns run in a process",
    )
    settle_count: int = _setting(
        "REVOADA_SETTLE_COUNT", 200, _count, "approximate number of replies that are written together"
    )
    window_limit: int = _setting(
        "REVOADA_WINDOW_LIMIT", 512, _count, "maximum number of requests in flight per campaign"
    )
    max_attempts: int = _setting("REVOADA_MAX_ATTEMPTS", 5, _count, "maximum number of attempts for one message")
    retry_seconds: float = _setting(
        "REVOADA_RETRY_SECONDS", 2.0, _positive, "wait before the second attempt; it doubles with each further attempt"
    )
    template_retry_seconds: float = _setting(
        "REVOADA_TEMPLATE_RETRY_SECONDS",
        300.0,
        _positive,
        "time until a refused template is tried again with one message",
    )
    recheck_seconds: float = _setting(
        "REVOADA_RECHECK_SECONDS",
        60.0,
        _positive,
        "time between two checks of a campaign that waits without an end time",
    )
    fallback_rate: float = _setting(
        "REVOADA_FALLBACK_RATE",
        1.0,
        _positive,
        "messages per second of an account in each process while Valkey is away",
    )
    reconcile_seconds: float = _setting(
        "REVOADA_RECONCILE_SECONDS", 60.0, _positive, "time between two searches for messages of dead workers"
    )
    uncertain_grace_seconds: float = _setting(
        "REVOADA_UNCERTAIN_GRACE_SECONDS",
        3600.0,
        _positive,
        "time that an uncertain message waits for a webhook before it is reported",
    )
    statement_seconds: float = _setting(
        "REVOADA_STATEMENT_SECONDS",
        15.0,
        _positive,
        "timeout of one statement in Postgres; a claim or a settlement needs less",
    )
    health_seconds: float = _setting(
        "REVOADA_HEALTH_SECONDS", 300.0, _positive, "time between two health checks of an account"
    )
    health_timeout_seconds: float = _setting(
        "REVOADA_HEALTH_TIMEOUT_SECONDS", 10.0, _positive, "timeout of one whole health check"
    )
    visibility_timeout_seconds: float = _setting(
        "REVOADA_VISIBILITY_TIMEOUT_SECONDS",
        300.0,
        _positive,
        "time until the broker delivers the task of a dead worker again",
    )
    apply_retry_seconds: float = _setting(
        "REVOADA_APPLY_RETRY_SECONDS",
        30.0,
        _positive,
        "time until webhook events that a dead worker took are taken again",
    )
    inbox_wait_seconds: float = _setting(
        "REVOADA_INBOX_WAIT_SECONDS",
        5.0,
        _positive,
        "longest time that a webhook waits to be stored; after that the answer is 503",
    )
    exit_on_stall_seconds: float = _setting(
        "REVOADA_EXIT_ON_STALL_SECONDS",
        120.0,
        _seconds,
        "a worker ends if it consumes no task for this time although one waits; 0: never",
    )
    alive_file: str | None = _setting(
        "REVOADA_ALIVE_FILE",
        None,
        str,
        "file that a worker, events or beat touches while it works, for a health check; one for each process",
    )
    metrics_port: int = _setting(
        "REVOADA_METRICS_PORT",
        0,
        _port,
        "port on which Prometheus reads the metrics of this process; each process of a machine needs its own; 0: none",
    )
    metrics_host: str = _setting(
        "REVOADA_METRICS_HOST",
        "127.0.0.1",
        _private_address,
        "address on which the metrics are served: of this machine or of a private network",
    )
    log_level: str = _setting(
        "LOG_LEVEL", "INFO", _one_of("DEBUG", "INFO", "WARNING", "ERROR"), "least severe level that is logged"
    )
    log_format: str = _setting("LOG_FORMAT", "text", _one_of("text", "json"), "format of log lines")
    log_language: str = _setting(
        "REVOADA_LOG_LANGUAGE",
        ENGLISH,
        read_language,
        "language of the log sentences about campaigns and accounts: en or pt_BR",
    )
    language: str | None = _setting(
        "REVOADA_LANGUAGE",
        None,
        read_language,
        "language of the command line: en or pt_BR; empty: the language of the system (LANG)",
    )

    @property
    def is_pooled(self) -> bool:
        """Whether a pooler in transaction mode is between this process and Postgres."""
        return self.database_pooler == "transaction"

    @property
    def task_expiry_seconds(self) -> float:
        """The age at which a campaign's mark as enqueued (`enqueued_at`) expires: three tick intervals.

        The clock of Postgres measures this age. At that age the campaign's task may be lost, so the tick compares the
        number of tasks in the queue with the number of marks. The tasks in the queue never expire.
        """
        return 3 * self.tick_seconds

    @property
    def probe_seconds(self) -> float:
        """The time between two probes of a worker."""
        return (self.exit_on_stall_seconds or _STALL_SECONDS) / EXIT_AFTER_PROBES

    @property
    def silent_seconds(self) -> float:
        """The time without a report after which a worker counts as gone."""
        return _SILENT_PROBES * self.probe_seconds

    @property
    def stop_rules(self) -> StopRules:
        return StopRules(read_words(self.stop_words), read_words(self.stop_payloads))

    @property
    def min_slice_seconds(self) -> float:
        """The least time that a campaign holds a slot while another campaign waits for a slot."""
        return min(1.0, self.slice_seconds / 10)

    def require(self, *names: str) -> Settings:
        """Return self. Raises SettingsError for the first setting of `names` that is not set."""
        for spec in fields(self):
            if spec.name in names and getattr(self, spec.name) is None:
                raise SettingsError(
                    "setting_missing",
                    "{variable} is not set: {help}",
                    kind=Kind.MISSING,
                    variable=spec.metadata["variable"],
                    help=spec.metadata["help"],
                )
        return self


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting as a person may see it. `value`: its text; "" for a secret, and for a setting that is not set.

    `is_set`: the setting has a value. `is_default`: the value is the default.
    """

    variable: str
    help: Sentence
    value: str
    is_secret: bool
    is_set: bool
    is_default: bool


def list_settings(settings: Settings) -> list[SettingRow]:
    """Return all settings of a process, in the order of `Settings`, without the values of secrets."""
    rows = []
    for spec in fields(Settings):
        value, is_secret = getattr(settings, spec.name), not spec.repr
        text = "" if value is None or is_secret else _write_value(value)
        variable, help_text = spec.metadata["variable"], spec.metadata["help"]
        rows.append(SettingRow(variable, help_text, text, is_secret, value is not None, value == spec.default))
    return rows


def _write_value(value: object) -> str:
    match value:
        case (dt.time() as begins, dt.time() as ends):
            return f"{begins:%H:%M}-{ends:%H:%M}"
        case tuple():
            return ", ".join(map(str, value))
        case float():
            return f"{value:g}"
    return str(value)


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment. Raises SettingsError if a value is wrong.

    A secret may stand in a file: `DATABASE_URL_FILE` is the path of a file that has the value of `DATABASE_URL`.
    """
    source = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for spec in fields(Settings):
        text = _find_text(spec, source)
        if not text:
            continue
        try:
            values[spec.name] = spec.metadata["parse"](text)
        except (ValueError, TypeError) as error:
            # The message does not quote the value, which may be a secret.
            variable = spec.metadata["variable"]
            raise SettingsError(
                "setting_invalid", "{variable} is wrong: {error}", variable=variable, error=error.args[0]
            ) from None
    settings = Settings(**values)
    if settings.http_timeout_seconds + settings.renew_seconds >= settings.lease_seconds:
        raise SettingsError(
            "lease_too_short",
            "REVOADA_LEASE_SECONDS is wrong: must be longer than REVOADA_HTTP_TIMEOUT_SECONDS plus"
            " REVOADA_RENEW_SECONDS, so that a request ends within its lease",
        )
    return settings


def _find_text(spec: Field[Any], source: Mapping[str, str]) -> str:
    """Return the text of a setting, from its variable or from the file of a secret; "" if it is not set."""
    variable = spec.metadata["variable"]
    text = source.get(variable, "").strip()
    path = "" if spec.repr else source.get(f"{variable}_FILE", "").strip()
    if not path:
        return text
    if text:
        raise SettingsError(
            "setting_twice", "{variable} and {variable}_FILE are both set: leave one of them out.", variable=variable
        )
    try:
        return Path(path).read_text("utf-8").strip()
    except UnicodeDecodeError:
        raise SettingsError(
            "setting_file", "{variable}_FILE is wrong: {path} is not a text in UTF-8.", variable=variable, path=path
        ) from None
    except OSError as error:
        raise SettingsError(
            "setting_file",
            "{variable}_FILE is wrong: {path} cannot be read: {reason}.",
            variable=variable,
            path=path,
            reason=Sentence(error.strerror or "Input/output error"),
        ) from None


def list_variables() -> list[str]:
    """Return the names of the environment variables of all settings, with those of the files of secrets."""
    names = []
    for spec in fields(Settings):
        variable = spec.metadata["variable"]
        names += [variable] if spec.repr else [variable, f"{variable}_FILE"]
    return names


def read_log_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the log. All other settings have their defaults.

    A wrong setting of the log has its default, too. A wrong setting of another kind changes nothing here, so a process
    can log the error about that setting in the right format.
    """
    source = os.environ if environment is None else environment
    settings = Settings()
    names = {"LOG_LEVEL": "log_level", "LOG_FORMAT": "log_format", "REVOADA_LOG_LANGUAGE": "log_language"}
    for variable, name in names.items():
        with suppress(SettingsError):
            given = read_settings({variable: source.get(variable, "")})
            settings = replace(settings, **{name: getattr(given, name)})
    return settings
