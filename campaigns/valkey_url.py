"""Reads the URL of a Valkey or Redis server, for the throttle and for Celery alike.

- `redis://[user:password@]host[:6379][/database]`
- `rediss://…`: a server that is reached over TLS, with the options `ssl_…` below
- `sentinel://[user:password@]host[:26379][/database];sentinel://host2?master_name=name`: the primary that these
  Sentinels name. User and password are those of the primary; the Sentinels have `sentinel_username` and
  `sentinel_password`. With `ssl=true` both the primary and the Sentinels are reached over TLS.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from campaigns.domain.statement import Sentence

SCHEMES = ("redis", "rediss", "sentinel")

_DEFAULT_PORTS = {"redis": 6379, "rediss": 6379, "sentinel": 26379}
_SENTINEL_OPTIONS = frozenset({"master_name", "sentinel_username", "sentinel_password", "ssl"})


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """A parsed URL. `hosts`: the server, or the Sentinels if there is a `master_name`.

    `tls`: the arguments of redis-py's SSLConnection; None without TLS.
    """

    scheme: str
    hosts: tuple[tuple[str, int], ...]
    database: int
    username: str | None
    password: str | None = field(repr=False)
    tls: dict[str, Any] | None
    master_name: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)

    @property
    def broker_url(self) -> str:
        """The URL in the form that kombu reads: without options, and with user and password before each host."""
        user = "" if self.username is None else quote(self.username, safe="")
        if self.password is not None:
            user += f":{quote(self.password, safe='')}"
        login = f"{user}@" if user else ""
        return ";".join(
            f"{self.scheme}://{login}{f'[{host}]' if ':' in host else host}:{port}/{self.database}"
            for host, port in self.hosts
        )


def read_server_url(text: str) -> ServerUrl:
    """Parse a URL. Raises ValueError, whose text quotes no part of the URL, because a URL may hold a password."""
    try:
        parts = [urlsplit(each) for each in text.split(";")]
        hosts = tuple((unquote(each.hostname or ""), each.port or _DEFAULT_PORTS.get(each.scheme, 0)) for each in parts)
    except ValueError:  # the text of this error may quote the password
        raise ValueError(_form()) from None
    scheme = parts[0].scheme
    if scheme not in SCHEMES or not all(host for host, _ in hosts) or any(each.scheme != scheme for each in parts):
        raise ValueError(_form())
    if len(parts) > 1 and scheme != "sentinel":
        raise ValueError(Sentence("may name several hosts only as sentinel://host1;sentinel://host2"))
    options = _read_options(parts, scheme)
    is_tls = scheme == "rediss" or _read_bool(options.get("ssl", "false"), "ssl")
    if not is_tls and any(name.startswith("ssl_") for name in options):
        how = "ssl=true" if scheme == "sentinel" else "rediss://"
        raise ValueError(Sentence("has ssl_… options, but TLS is off: TLS needs {how}", how=how))
    if scheme == "sentinel" and not options.get("master_name"):
        raise ValueError(
            Sentence("must end with ?master_name=…, the name of the primary in the configuration of the Sentinels")
        )
    username, password = _find_login(parts)
    return ServerUrl(
        scheme,
        hosts,
        _read_database(parts),
        username,
        password,
        _read_tls(options) if is_tls else None,
        options.get("master_name"),
        options.get("sentinel_username"),
        options.get("sentinel_password"),
    )


def _form() -> Sentence:
    return Sentence("must look like redis://host:6379/0, rediss://… or sentinel://host:26379/0?master_name=…")


def _read_options(parts: list[SplitResult], scheme: str) -> dict[str, str]:
    pairs = [pair for each in parts for pair in parse_qsl(each.query, keep_blank_values=True)]
    options = dict(pairs)
    if len(set(pairs)) != len(options):
        raise ValueError(Sentence("has one option twice with different values"))
    known = _TLS_OPTIONS.keys() | (_SENTINEL_OPTIONS if scheme == "sentinel" else set())
    if not options.keys() <= known or any(each.fragment for each in parts):
        text = "may have only the options {options} (write ? as %3F, # as %23)"
        raise ValueError(Sentence(text, options=sorted(known)))
    return options


def _find_login(parts: list[SplitResult]) -> tuple[str | None, str | None]:
    """Return the user and the password, which stand before the first host or before each host."""
    logins = {(each.username, each.password) for each in parts if each.password is not None or each.username}
    if len(logins) > 1:
        raise ValueError(Sentence("has different users or passwords for the same primary"))
    username, password = next(iter(logins), (None, None))
    return unquote(username) if username else None, None if password is None else unquote(password)


def _read_database(parts: list[SplitResult]) -> int:
    """Return the number of the database, which stands after one host or each host; 0 if there is none."""
    paths = {each.path.strip("/") for each in parts} - {""}
    if len(paths) > 1 or not all(path.isdecimal() and len(path) < 6 for path in paths):  # noqa: PLR2004
        raise ValueError(Sentence("must end with the number of one database, such as /0"))
    return int(next(iter(paths), "0"))


def _read_tls(options: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of redis-py's SSLConnection. The certificate is verified by default."""
    verified: dict[str, Any] = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    return verified | {name: _TLS_OPTIONS[name](value, name) for name, value in options.items() if name in _TLS_OPTIONS}


def _read_file(text: str, name: str) -> str:
    if not Path(text).is_file():
        raise ValueError(Sentence("names a file that does not exist: {name}", name=name))
    return text


def _read_bool(text: str, name: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(Sentence("has an option {name} that is neither true nor false", name=name))
    return text == "true"


def _read_cert_reqs(text: str, name: str) -> ssl.VerifyMode:
    words = {"required": ssl.CERT_REQUIRED, "none": ssl.CERT_NONE}
    word = text.removeprefix("CERT_").lower()
    if word not in words:
        raise ValueError(Sentence("has an option {name} that is neither required nor none", name=name))
    return words[word]


_TLS_OPTIONS: dict[str, Callable[[str, str], Any]] = {
    "ssl_ca_certs": _read_file,
    "ssl_certfile": _read_file,
    "ssl_keyfile": _read_file,
    "ssl_cert_reqs": _read_cert_reqs,
    "ssl_check_hostname": _read_bool,
}
