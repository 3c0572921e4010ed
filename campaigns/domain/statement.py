"""Refusals and findings as values: a stable code, a text with placeholders, the values for them, and perhaps a hint.

Logs, alerts, the command line, pages and APIs show the same refusal or finding. A log line or an alert shows the
`str(...)` of the value, which is English. The command line writes a hint as a command. A page can write a hint as a
link, and an API can write a hint as a member of its answer. So no text names a command or an option. The text has a
placeholder instead, and the value for the placeholder is a `Hint` or an `Entry`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum, StrEnum, unique
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo


class Kind(StrEnum):
    """The kind of obstacle, for programs: an API can answer each kind with its own HTTP status."""

    MISSING = "missing"  # a thing that is named or needed does not exist
    CONFLICT = "conflict"  # the present state of a thing does not allow the change
    INVALID = "invalid"  # a value is wrong
    FORBIDDEN = "forbidden"  # a rule of the business does not allow the change
    AWAY = "away"  # a server or a process does not answer, or has not finished yet


# The status with which a page and the API answer each kind of refusal, and the refusals that have another one.
_HTTP_STATUSES = {Kind.MISSING: 404, Kind.CONFLICT: 409, Kind.INVALID: 422, Kind.FORBIDDEN: 403, Kind.AWAY: 503}
_HTTP_STATUSES_OF_CODES = {"login_limited": 429, "upload_too_large": 413, "api_token_invalid": 401}


@unique
class Field(Enum):
    """A setting that a person gives for a campaign, an account or a command. The value is its English name."""

    ACCOUNT = "account"
    COLUMN = "column of variable"  # the column of a recipients file that fills a variable of the template
    EXCEPT = "unaffected campaigns"
    EXPIRE_AT = "time of expiry"
    HIDDEN = "hidden rows and columns"
    HOLIDAYS = "public holidays"
    INTERVAL = "interval"
    MAX_PER_PERSON = "limit of messages per person"
    MESSAGES_PER_SECOND = "messages per second"
    PAUSE = "pause"
    PAUSE_FOR = "length of a pause"
    PHONE_COLUMN = "column of the phones"
    PHONE_NUMBER_ID = "phone number id"
    NO_ANSWER = "people without an answer"
    NOT_REFUSALS = "columns about something else"
    REFUSALS = "people who want no messages"
    RECIPIENT_ZONES = "time zones of the recipients"
    REGION = "country of phones without a country code"
    RETRY_CLASS = "class"
    SCHEDULE_AT = "time of the schedule"
    SHEET = "sheet"
    SINCE = "since"
    START_WITHIN = "time within which it starts"
    STATUS = "status"
    TEMPLATE = "template"
    UNCERTAIN = "people whose message is uncertain, at most"
    UNCHECKED = "without a check"
    VALUE = "value for all recipients"  # of a variable of the template
    TIME_ZONE = "time zone"
    TOKEN = "access token"  # noqa: S105  the name of a field
    WABA_ID = "id of the WhatsApp Business account"
    WEBHOOK_URL = "public address of the webhook"
    WEEKDAYS = "weekdays"
    WHO = "conditions"  # that people of an earlier campaign fit
    WINDOW = "sending window"
    WITHIN_DAYS = "days of the limit per person"


@unique
class HintAction(Enum):
    """An action that a person can take.

    The value of a member is the English name of the action. The name of the member, in lower case, is the code of the
    action. A placeholder such as {campaign} stands for the target of the action.
    """

    ACTIVATE_ACCOUNT = "activate {account}"
    ADD_ACCOUNT = "add an account"
    ASK_APPROVAL = "ask for the approval of {campaign}"
    BLOCK_PERSON = "block a person"
    CANCEL_CAMPAIGN = "cancel {campaign}"
    CHANGE_ACCOUNT = "change {account}"
    CHANGE_CAMPAIGN = "change {campaign}"
    CHANGE_PORTFOLIO = "change {portfolio}"
    CHECK_ACCOUNT = "check the health of {account}"
    CHECK_SETUP = "check the setup"
    CREATE_CAMPAIGN = "make a new campaign"
    DIAGNOSE = "look for causes"
    DIAGNOSE_CAMPAIGN = "look for causes of the wait of {campaign}"
    DISCARD_CAMPAIGN = "delete the draft of {campaign}"
    DISCARD_LIST = "discard the newer list of {campaign}"
    EXPORT_CAMPAIGN = "export the messages of {campaign}"
    IMPORT_RECIPIENTS = "add recipients to {campaign}"
    LIFT_SUPPRESSION = "lift the suppression"
    LIST_ACCOUNTS = "list the accounts"
    LIST_CAMPAIGNS = "list the campaigns"
    LIST_FORWARDS = "list the forwards of webhooks"
    LIST_HOOKS = "list the hooks"
    LIST_PORTFOLIOS = "list the portfolios"
    LIST_SUPPRESSIONS = "list the suppressions"
    LIST_TEMPLATES = "list the templates"
    LIST_TOKENS = "list the tokens of the API"
    LIST_USERS = "list the users"
    MAKE_KEY = "make a key"
    MIGRATE = "migrate the database"
    PAUSE_CAMPAIGN = "pause {campaign}"
    PREVIEW_CAMPAIGN = "see the first messages of {campaign}"
    RECOVER = "recover the database"
    REPLACE_RECIPIENTS = "replace the recipients of {campaign}"
    RESUME_CAMPAIGN = "resume {campaign}"
    RETRY_CAMPAIGN = "retry failed messages of {campaign}"
    RETRY_UNCERTAIN = "retry {campaign}'s uncertain messages"
    REVIEW_OPTOUTS = "review the answers that may be opt-outs"
    SHOW_CAMPAIGN = "show {campaign}"
    SHOW_ERRORS = "show the errors of {campaign}"
    START_CAMPAIGN = "start {campaign}"
    SYNC_TEMPLATES = "read the templates from Meta"
    WATCH_CAMPAIGN = "watch {campaign}"

    @property
    def code(self) -> str:
        return self.name.lower()

    @property
    def noun(self) -> str:
        """The kind of thing that the action needs (account, campaign, portfolio); "" if it needs none."""
        return next((name for _, name, _, _ in Formatter().parse(self.value) if name), "")


_NOUNS = ("account", "campaign", "portfolio")


@dataclass(frozen=True, slots=True)
class Entry:
    """A field and its value: "" for a value that the person chooses, None for a field that is left empty.

    A value that has words, such as `tomorrow 09:00`, is a sentence.
    """

    field: Field
    value: str | Sentence | None = ""

    def __str__(self) -> str:
        words = self.field.value
        return f"no {words}" if self.value is None else f"{words} {self.value}".rstrip()


@dataclass(frozen=True, slots=True)
class Hint:
    """An action that helps, and possibly one field that the person fills in.

    `target` is an id or a name; "" if no particular account, campaign or portfolio is meant. `also`: further fields
    that a command needs; a page has their values already. `file`: the file that is meant; "" if the person chooses it.
    """

    action: HintAction
    target: str | int = ""
    entry: Entry | None = None
    also: tuple[Entry, ...] = ()
    file: str = ""

    def __str__(self) -> str:
        targets = {noun: f"{noun} {self.target}" if self.target != "" else f"the {noun}" for noun in _NOUNS}
        words = self.action.value.format_map(targets)
        return words if self.entry is None else f"{words}: {self.entry}"


class Problem(str):
    """An English reason with its values filled in, worded to follow the name of a thing: `is longer than 9 characters`.

    A writer can translate it by its form.
    """

    __slots__ = ()


Writer = Callable[[Hint | Entry | Problem], str]
# Writes a list of hints or entries, whose texts it gets.
Joiner = Callable[[list[str]], str]


class Word(str):
    """An English word or phrase as a value: a translation replaces it, while it never changes a name or other data."""

    __slots__ = ()


class Language:
    """English. A subclass gives the texts in another language, and formats values as that language does."""

    def translate(self, text: str) -> str:
        """Return a text in this language. Its placeholders have the same names."""
        return text

    def format(self, value: Any, format_spec: str) -> str:
        """Return the text of a value that is neither a list, nor a hint, an entry or a sentence."""
        return format(value, format_spec) if format_spec else str(value)


ENGLISH = Language()


class Sentence:
    """A text with placeholders, such as {name}, and the values for the placeholders.

    A value is data (a number, a name, a `Count`, a `Moment` …), a hint, an entry, another sentence, or a list of such
    values.
    """

    def __init__(self, text: str, /, **values: Any) -> None:
        self.text, self.values = text, values

    @property
    def hint(self) -> Hint | None:
        """The first hint among the values; if there is none, the hint of the first sentence among the values."""
        hints = [value for value in self.values.values() if isinstance(value, Hint)]
        hints += [value.hint for value in self.values.values() if isinstance(value, Sentence) and value.hint]
        return next(iter(hints), None)

    def aim(self, **targets: Sequence[str | int]) -> Sentence:
        """Return the sentence with a target for each hint that has none.

        Hints in sentences among the values get a target, too. `targets`: by noun (account, campaign), the names or ids
        of the things that are meant. A hint becomes one hint per name. If `targets` has no name for a hint, the hint
        stays as it is.
        """
        return Sentence(self.text, **{name: _aim(value, targets) for name, value in self.values.items()})

    def fill(self, write: Writer, language: Language = ENGLISH, join: Joiner = " ".join) -> str:
        """Return the text with its values, in a language.

        `write` turns each hint and each entry into text, and `join` a list of them. A command needs its options without
        commas between them.
        """
        return self._fill(self.text, write, language, join)

    def _fill(self, text: str, write: Writer, language: Language, join: Joiner) -> str:
        # gettext has its own header as the translation of "".
        return _Filler(write, language, join).vformat(language.translate(text) if text else "", (), self.values)

    def __str__(self) -> str:
        return self.fill(quote)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


def list_sentences(sentences: Sequence[Sentence]) -> Sentence:
    """Return one sentence that lists sentences with commas between them."""
    listed, *rest = sentences
    for each in rest:
        listed = Sentence("{listed}, {each}", listed=listed, each=each)
    return listed


class Statement(Sentence):
    """An obstacle: a sentence with a stable code."""

    def __init__(self, code: str, text: str, /, *, kind: Kind, **values: Any) -> None:
        super().__init__(text, **values)
        self.code, self.kind = code, kind


class Refusal(Statement, ValueError):  # noqa: N818  mainly a value, which can also be raised
    """The reason why a person's request is not carried out. Nothing was changed, unless the text says otherwise."""

    def __init__(self, code: str, text: str, /, *, kind: Kind = Kind.INVALID, **values: Any) -> None:
        super().__init__(code, text, kind=kind, **values)

    @property
    def http_status(self) -> int:
        return _HTTP_STATUSES_OF_CODES.get(self.code) or _HTTP_STATUSES[self.kind]


class Severity(StrEnum):
    NOTE = "note"  # nothing is wrong; the finding explains why nothing is sent now
    WARNING = "warning"  # messages are sent, but more slowly or fewer than possible, or sending will stop soon
    ERROR = "error"  # something is not sent until a person acts


class Finding(Statement):
    """An obstacle to the sending of campaigns, or the reason why a campaign sends nothing now.

    `advice` tells a person what to do. Its placeholders get the same values as the placeholders of the text.
    `campaign_id` is also one of these values. It is None if the finding concerns all campaigns.
    """

    def __init__(
        self,
        code: str,
        severity: Severity,
        text: str,
        advice: str,
        /,
        *,
        kind: Kind = Kind.CONFLICT,
        campaign_id: int | None = None,
        **values: Any,
    ) -> None:
        super().__init__(code, text, kind=kind, campaign_id=campaign_id, **values)
        self.severity, self.advice, self.campaign_id = severity, advice, campaign_id

    def fill_advice(self, write: Writer, language: Language = ENGLISH, join: Joiner = " ".join) -> str:
        return self._fill(self.advice, write, language, join)


def _aim(value: Any, targets: Mapping[str, Sequence[str | int]]) -> Any:
    if isinstance(value, Sentence):
        return value.aim(**targets)
    if isinstance(value, Hint) and value.target == "" and (names := targets.get(value.action.noun)):
        hints = [replace(value, target=name) for name in names]
        return hints if len(hints) > 1 else hints[0]
    return value


def deferred(text: str) -> str:
    """Return a text as it is. `make messages` finds the text here, in a table, and a later call translates it."""
    return text


def quote(value: Hint | Entry | Problem) -> str:
    """Return a hint or an entry in words, within quotation marks. A problem stays as it is."""
    return str(value) if isinstance(value, Problem) else f'"{value}"'


class _Filler(Formatter):
    """Fills placeholders as `str.format` does.

    `write` turns hints, entries and problems into text, also those within a list or another sentence. `join` writes a
    list of hints or entries. `language` formats all other values.
    """

    def __init__(self, write: Writer, language: Language, join: Joiner) -> None:
        self._write, self._language, self._join = write, language, join

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, list | tuple):
            parts = [self.format_field(each, format_spec) for each in value]
            if any(isinstance(each, Hint | Entry) for each in value):
                return self._join(parts)
            return (" " if any(isinstance(each, Sentence) for each in value) else ", ").join(parts)
        if isinstance(value, Hint | Entry | Problem):
            return self._write(value)
        if isinstance(value, Sentence):
            return value.fill(self._write, self._language, self._join)
        return self._language.format(value, format_spec)


@dataclass(frozen=True, slots=True)
class Count:
    """A number of things, as people say it: `1 message`, `2,000 messages`."""

    number: int
    noun: str

    def __str__(self) -> str:
        return f"{self.number:,} {self.noun}{'' if self.number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Duration:
    """A duration as people say it: `45 s`, `12 min`, `3 h`, `2 days`."""

    seconds: float

    def __str__(self) -> str:
        for most, size, name in ((172_800, 86_400, "days"), (7_200, 3_600, "h"), (120, 60, "min")):
            if self.seconds >= most:
                return f"{self.seconds // size:g} {name}"
        return f"{self.seconds:.0f} s"


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as the clocks of a zone show it."""

    at: dt.datetime
    time_zone: str

    def __str__(self) -> str:
        return self.at.astimezone(ZoneInfo(self.time_zone)).strftime("%Y-%m-%d %H:%M:%S %Z")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of money. `currency`: three letters of ISO 4217.

    `is_price`: the price of one message, which is shown with all its decimals; another amount is rounded as the
    currency is. English without a writer shows `12.3456 USD`.
    """

    amount: Decimal
    currency: str
    is_price: bool = False

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"
