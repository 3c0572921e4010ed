"""The simulator's script: an immutable value, read from a JSON document and changed by merge patches (RFC 7396)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NoReturn, TypeVar, get_type_hints
from urllib.parse import urlsplit

from simulator.outcomes import (
    BUILT_IN_SUFFIXES,
    HEALTH_KINDS,
    LIST_KINDS,
    OK,
    READ_KINDS,
    SEND_KINDS,
    Kind,
    Script,
    Step,
    group_by_length,
    parse_step,
)

# The id of the app that all tokens belong to. By default every WABA is subscribed to it.
APP = "634974688087057"

Json = dict[str, Any]
Range = tuple[float, float]
Reader = Callable[[Any, str], Any]
T = TypeVar("T")


class ConfigError(ValueError):
    """A key or a value of the script is wrong; the message names its path and what is expected."""


def _refuse(where: str, expected: str, value: object) -> NoReturn:
    raise ConfigError(f"{where}: expected {expected}, got {value!r}")


def _read_text(value: Any, where: str) -> str:
    return value if isinstance(value, str) else _refuse(where, "a string", value)


def _read_url(value: Any, where: str) -> str:
    try:
        parts = urlsplit(_read_text(value, where))
        usable = not value or (parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0)
    except ValueError:
        usable = False
    return str(value) if usable else _refuse(where, "a URL such as http://127.0.0.1:8000/hook", value)


def _read_flag(value: Any, where: str) -> bool:
    return value if isinstance(value, bool) else _refuse(where, "true or false", value)


def _read_number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        _refuse(where, "a number of at least 0", value)
    return float(value)


def _read_count(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        _refuse(where, "a whole number of at least 0", value)
    return value


def _read_probability(value: Any, where: str) -> float:
    number = _read_number(value, where)
    return number if number <= 1 else _refuse(where, "a probability from 0 to 1", value)


def _read_range(value: Any, where: str) -> Range:
    """Read milliseconds, `150` or `[100, 200]`; return them in seconds."""
    low, high = value if isinstance(value, list) and len(value) == 2 else (value, value)  # noqa: PLR2004 (a pair)
    numbers = _read_number(low, where) / 1000, _read_number(high, where) / 1000
    return numbers if numbers[0] <= numbers[1] else _refuse(where, "milliseconds or [lowest, highest]", value)


def _read_object(value: Any, where: str) -> Json:
    return value if isinstance(value, dict) else _refuse(where, "an object", value)


def _read_list(value: Any, where: str) -> list[Any]:
    return value if isinstance(value, list) else _refuse(where, "a list", value)


def _read_words(value: Any, where: str) -> tuple[str, ...]:
    return tuple(_read_text(word, where) for word in _read_list(value, where))


def _read_tokens(value: Any, where: str) -> frozenset[bytes]:
    return frozenset(_read_text(token, where).encode() for token in _read_list(value, where))


def _make_script_reader(kinds: frozenset[Kind]) -> Reader:
    def read_script(value: Any, where: str) -> Script:
        steps = value if isinstance(value, list) else [value]
        try:
            return tuple(parse_step(_read_text(step, where), kinds) for step in steps)
        except ValueError as error:
            raise error if isinstance(error, ConfigError) else ConfigError(f"{where}: {error}") from error

    return read_script


_read_outcome = _make_script_reader(SEND_KINDS)
_read_reading = _make_script_reader(READ_KINDS)


def _read_outcomes(value: Any, where: str) -> dict[str, Script]:
    return {key: _read_outcome(script, f"{where}.{key}") for key, script in _read_object(value, where).items()}


def _read_suffixes(value: Any, where: str) -> dict[str, Script]:
    for suffix in _read_object(value, where):
        if not suffix.isdecimal():
            raise ConfigError(f"{where}: {suffix!r} is not an ending of digits")
    return _read_outcomes(value, where)


def _section(cls: type[Any]) -> Reader:
    return lambda value, where: _load(cls, value, where)


def _load(cls: type[T], document: Any, where: str) -> T:
    known = list_keys(cls)
    for key in _read_object(document, where):
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}; known keys are {', '.join(known)}")
    return cls(**{key: known[key][0](value, f"{where}.{key}") for key, value in document.items()})


def list_keys(cls: type[Any]) -> dict[str, tuple[Reader, str]]:
    """List the keys of a section of the script, each with the reader of its value and a note for help and manual."""
    hints = get_type_hints(cls, include_extras=True)
    return {name: hint.__metadata__ for name, hint in hints.items() if hasattr(hint, "__metadata__")}


Text = Annotated[str, _read_text]
Flag = Annotated[bool, _read_flag]
Number = Annotated[float, _read_number]
Count = Annotated[int, _read_count]
Probability = Annotated[float, _read_probability]
Milliseconds = Annotated[Range, _read_range]
Outcomes = Annotated[Script, _read_outcome]
Readings = Annotated[Script, _read_reading]


@dataclass(frozen=True, slots=True)
class Limits:
    messages_per_second: Annotated[Number, "rate limit of one number, with a burst of one second; 0: no limit"] = 80.0
    pair_seconds: Annotated[Number, "time between two messages from one number to one person; 0: no limit"] = 6.0
    pair_burst: Annotated[Count, "messages that one number may send to one person at once"] = 45


@dataclass(frozen=True, slots=True)
class Webhooks:
    callback_url: Annotated[str, _read_url, "URL that webhooks are posted to; empty: none are posted"] = ""
    app_secret: Annotated[Text, "key of X-Hub-Signature-256; empty: no signature"] = field(default="", repr=False)
    delivered_probability: Annotated[Probability, "probability that a message is delivered"] = 1.0
    read_probability: Annotated[Probability, "probability that a delivered message is read"] = 0.5
    skip_delivered_probability: Annotated[Probability, "probability that a read message gets no `delivered`"] = 0.0
    reply_probability: Annotated[Probability, "probability that a person replies to a delivered message"] = 0.0
    quote_probability: Annotated[Probability, "probability that a reply quotes the message"] = 0.5
    reply_text: Annotated[Text, "text of each reply"] = "Oi! Ainda tem?"
    duplicate_probability: Annotated[Probability, "probability that a status or a reply is posted twice"] = 0.0
    sent_after_ms: Annotated[Milliseconds, "time until `sent`"] = (0.02, 0.06)
    delivered_after_ms: Annotated[Milliseconds, "time until `delivered`"] = (0.1, 0.3)
    read_after_ms: Annotated[Milliseconds, "time until `read`"] = (0.5, 1.5)
    reply_after_ms: Annotated[Milliseconds, "time until a reply"] = (1.5, 3.0)
    failed_after_ms: Annotated[Milliseconds, "time until `failed`"] = (0.1, 0.3)
    before_answer: Annotated[Flag, "count these times from the request instead of from its answer"] = False
    shuffle: Annotated[Flag, "post the statuses of a message, and those of a batch, in random order"] = False
    user_ids: Annotated[Flag, "name each person by a user id too, as Meta does since 2026"] = False
    batch_size: Annotated[Count, "maximum of statuses in one POST"] = 1
    batch_ms: Annotated[Milliseconds, "time after which a batch that is not full is posted"] = (0.05, 0.05)
    concurrency: Annotated[Count, "number of connections to the callback URL"] = 16
    timeout_ms: Annotated[Milliseconds, "time after which a POST without an answer counts as failed"] = (10.0, 10.0)
    retry_ms: Annotated[Milliseconds, "gap before the first retry of a POST without a 200"] = (1.0, 1.0)
    retry_factor: Annotated[Number, "factor by which each gap grows"] = 2.0
    retry_longest_ms: Annotated[Milliseconds, "maximum of the gap"] = (60.0, 60.0)
    retry_limit: Annotated[Count, "maximum of retries of one POST"] = 20


@dataclass(frozen=True, slots=True)
class Account:
    waba_id: Annotated[Text, "the WhatsApp Business Account (WABA) that the number belongs to"] = "102290129340398"
    display_phone_number: Annotated[Text, "the phone number as Meta shows it"] = "+1 555-078-3881"
    verified_name: Annotated[Text, "its name"] = "Muster GmbH"
    outcome: Annotated[Outcomes, "outcome of its sends, before that of the phone"] = (OK,)
    category_outcomes: Annotated[
        dict[str, Script], _read_outcomes, "outcome of its sends by the category of their template, after `outcome`"
    ] = field(default_factory=dict)
    health: Annotated[Script, _make_script_reader(HEALTH_KINDS), "outcome of its health checks"] = (Step(Kind.GREEN),)
    health_fields: Annotated[Json, _read_object, "fields that replace fields of its health answer"] = field(
        default_factory=dict
    )
    latency_ms: Annotated[Range | None, _read_range, "its own latency"] = None
    messages_per_second: Annotated[float | None, _read_number, "its own rate limit; 0: no limit"] = None


@dataclass(frozen=True, slots=True)
class Template:
    name: Annotated[Text, "its name"] = ""
    language: Annotated[Text, "its language code"] = "en"
    body: Annotated[Text, "its text, with {{1}} or {{name}}"] = ""
    status: Annotated[Text, "APPROVED, PAUSED, DISABLED …"] = "APPROVED"
    category: Annotated[Text, "MARKETING, UTILITY or AUTHENTICATION"] = "MARKETING"
    waba_id: Annotated[Text, "the WABA that has it; empty: every WABA"] = ""
    quality: Annotated[Text, "GREEN, YELLOW, RED or UNKNOWN"] = "UNKNOWN"
    components: Annotated[list[Json], _read_list, "components besides the body, in Meta's format"] = field(
        default_factory=list
    )


def _read_accounts(value: Any, where: str) -> dict[str, Account]:
    accounts = _read_object(value, where).items()
    return {number: _load(Account, account, f"{where}.{number}") for number, account in accounts}


def _read_templates(value: Any, where: str) -> tuple[Template, ...]:
    entries = enumerate(_read_list(value, where))
    return tuple(_load(Template, template, f"{where}[{index}]") for index, template in entries)


Tokens = Annotated[frozenset[bytes], _read_tokens]
Suffixes = Annotated[dict[str, Script], _read_suffixes]
Accounts = Annotated[dict[str, Account], _read_accounts]
Templates = Annotated[tuple[Template, ...], _read_templates]

ListOutcomes = Annotated[Script, _make_script_reader(LIST_KINDS)]


@dataclass(frozen=True, slots=True)
class Config:
    tokens: Annotated[Tokens, "valid access tokens; empty: all are valid"] = field(default=frozenset(), repr=False)
    accept_unknown_accounts: Annotated[Flag, "whether numbers that `accounts` does not name exist"] = True
    latency_ms: Annotated[Milliseconds, "time until each answer"] = (0.0, 0.0)
    outcome: Annotated[Outcomes, "outcome of all sends, before those of accounts and phones"] = (OK,)
    close_reused_after: Annotated[
        Count,
        "after this many requests, accept one and close its connection without an answer; 0: never",
    ] = 0
    built_in_suffixes: Annotated[Flag, "whether the endings of phones listed below have their outcome"] = True
    suffixes: Annotated[Suffixes, "outcomes of sends by the ending of the phone"] = field(default_factory=dict)
    keep_accepted: Annotated[Flag, "whether to keep the log of accepted sends"] = True
    limits: Annotated[Limits, _section(Limits), "Meta's limits"] = field(default_factory=Limits)
    webhooks: Annotated[Webhooks, _section(Webhooks), "how statuses are posted"] = field(default_factory=Webhooks)
    accounts: Annotated[Accounts, "settings of numbers, by phone number id"] = field(default_factory=dict)
    templates: Annotated[Templates, "registered templates; empty: every template is accepted"] = ()
    template_reads: Annotated[ListOutcomes, "outcomes of reads of the templates, page by page"] = (OK,)
    debug_token: Annotated[Readings, "outcome of reads of a token"] = (OK,)
    token_fields: Annotated[Json, _read_object, "fields that replace fields of the answer about a token"] = field(
        default_factory=dict
    )
    subscribed_apps: Annotated[Readings, "outcome of reads of a WABA's apps"] = (OK,)
    subscribed_app_ids: Annotated[tuple[str, ...], _read_words, "the apps that are subscribed to every WABA"] = (APP,)
    app_webhooks: Annotated[Readings, "outcome of reads of the app's webhooks"] = (OK,)
    app_webhook_fields: Annotated[Json, _read_object, "fields that replace fields of the app's webhook"] = field(
        default_factory=dict
    )
    document: Json = field(default_factory=dict, repr=False)
    suffixes_by_length: dict[int, dict[str, Script]] = field(
        default_factory=lambda: group_by_length(BUILT_IN_SUFFIXES), repr=False
    )

    @classmethod
    def load(cls, document: Json) -> "Config":
        """Read a script from a JSON document. Raises ConfigError."""
        read = _load(cls, document, "script")
        suffixes = {**(BUILT_IN_SUFFIXES if read.built_in_suffixes else {}), **read.suffixes}
        object.__setattr__(read, "document", document)
        object.__setattr__(read, "suffixes_by_length", group_by_length(suffixes))
        return read

    def patched(self, patch: Json) -> "Config":
        """Apply a JSON merge patch: objects are merged, null restores the default, any other value replaces."""
        return Config.load(merge(self.document, _read_object(patch, "script")))


def merge(document: Mapping[str, Any], patch: Mapping[str, Any]) -> Json:
    merged = dict(document)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            below = merged.get(key)
            merged[key] = merge(below if isinstance(below, dict) else {}, value)
        else:
            merged[key] = value
    return merged
