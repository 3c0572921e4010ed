"""Reads the conditions that choose people of an earlier campaign, such as `delivered before 2 days, no reply`."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from campaigns.domain.failures import OWN_FAILURES, ROWS
from campaigns.domain.message import ACCEPTED, Status
from campaigns.domain.statement import Refusal, Sentence
from campaigns.domain.verdict import Retry


class Fact(StrEnum):
    """What may be known about a message. A delivered message was sent, and a message that was read was delivered."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    REPLIED = "replied"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


# The messages that a campaign has tried to send. A person whose message still waits, or was never sent on purpose, is
# in no audience: nothing is known about what the person did.
TRIED = frozenset({Status.UNCERTAIN, Status.FAILED, *ACCEPTED})
_STATUSES: Mapping[Fact, frozenset[Status]] = MappingProxyType({
    Fact.SENT: ACCEPTED,
    Fact.DELIVERED: frozenset({Status.DELIVERED, Status.READ}),
    Fact.READ: frozenset({Status.READ}),
    Fact.FAILED: frozenset({Status.FAILED}),
    Fact.UNCERTAIN: frozenset({Status.UNCERTAIN}),
})  # fmt: skip
_UNITS = MappingProxyType({"minute": 60, "hour": 3600, "day": 86400})
_MOST_DAYS = 3660
MAX_LENGTH = 500
# A condition that a person may write, with its parts in the order in which they stand.
FORMS = (
    *("sent", "delivered", "read", "replied", "failed", "uncertain", "not sent", "not delivered", "not read"),
    *("no reply", "not failed", "not uncertain"),
)


class Common(StrEnum):
    """Conditions that people often need."""

    GOT_NO_REPLY = "delivered, no reply"
    UNREAD = "delivered, not read"
    READ_NO_REPLY = "read, no reply"
    REPLIED = "replied"
    FAILED = "failed"
    WITHHELD = "failed recipient-later"


# Examples of times behind a fact.
_BEFORE, _WITHIN = "before 2 days", "within 3 hours"
_PLACED_WORD = re.compile(r"[^\s,]+|,")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of time. None: the part has no beginning, or no end."""

    since: dt.datetime | None = None
    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Age:
    """How long ago something happened: longer ago than `seconds` if `is_older`, else at most as long ago."""

    seconds: int
    is_older: bool


@dataclass(frozen=True, slots=True)
class Who:
    """Conditions that all hold for each person of an audience.

    `text`: the conditions in their normal form. `statuses`: what the message of the person may be. `has_replied` and
    `codes` None: the reply, or the code of the failure, does not matter. `ages`: how long ago facts are.
    """

    text: str
    statuses: frozenset[Status]
    has_replied: bool | None = None
    codes: frozenset[int] | None = None
    ages: Mapping[Fact, Sequence[Age]] = field(default_factory=dict)

    def find_spans(self, now: dt.datetime) -> dict[Fact, Span]:
        """Return, by fact, the part of time in which the fact must lie, if it is `now`."""
        spans = {}
        for fact, ages in self.ages.items():
            since = [now - dt.timedelta(seconds=age.seconds) for age in ages if not age.is_older]
            until = [now - dt.timedelta(seconds=age.seconds) for age in ages if age.is_older]
            spans[fact] = Span(max(since, default=None), min(until, default=None))
        return spans


@dataclass(frozen=True, slots=True)
class _Condition:
    text: str
    fact: Fact
    is_true: bool
    codes: frozenset[int] | None
    age: Age | None


def read_who(text: str) -> Who:
    """Return the conditions of a text, such as `delivered before 2 days, no reply`.

    Conditions stand between commas: a fact with `not` before it, or `no reply`; behind `failed`, classes of failures or
    codes of Meta; behind a fact, `before 2 days` or `within 3 hours`. Raises Refusal with the place of the first word
    that does not fit, or if nobody can fit all conditions.
    """
    if len(text) > MAX_LENGTH:
        raise Refusal("audience_too_long", "The conditions have more than {most} characters.", most=MAX_LENGTH)
    conditions = _Reader(text).read()
    statuses, has_replied, codes = TRIED, None, None
    ages: dict[Fact, list[Age]] = {}
    for each in conditions:
        if each.fact is Fact.REPLIED:
            if has_replied not in {None, each.is_true}:
                raise _impossible(conditions)
            has_replied = each.is_true
        else:
            held = _STATUSES[each.fact]
            statuses &= held if each.is_true else TRIED - held
        if each.codes is not None:
            codes = each.codes if codes is None else codes & each.codes
        if each.age is not None:
            ages.setdefault(each.fact, []).append(each.age)
    if not statuses or codes == frozenset():
        raise _impossible(conditions)
    return Who(_join(conditions), statuses, has_replied, codes, ages)


def _join(conditions: Sequence[_Condition]) -> str:
    return ", ".join(dict.fromkeys(each.text for each in conditions))


def _impossible(conditions: Sequence[_Condition]) -> Refusal:
    return Refusal(
        "audience_impossible", "Nobody can be all of this at the same time: {conditions}.", conditions=_join(conditions)
    )


class _Reader:
    """Reads the words of a text from the first to the last."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._words = [(found.group().lower(), found.start()) for found in _PLACED_WORD.finditer(text)]
        self._next = 0

    def read(self) -> list[_Condition]:
        conditions = [self._read_condition()]
        while self._take(","):
            conditions.append(self._read_condition())
        if self._word:
            raise self._refuse()
        return conditions

    @property
    def _word(self) -> str:
        """The next word; "" at the end."""
        return self._words[self._next][0] if self._next < len(self._words) else ""

    def _take(self, *words: str) -> str:
        """Go behind the next word if it is one of these; return it, else ""."""
        word = self._word
        if word not in words:
            return ""
        self._next += 1
        return word

    def _read_condition(self) -> _Condition:
        if self._take("no"):
            if not self._take("reply"):
                raise self._refuse()
            return _Condition("no reply", Fact.REPLIED, is_true=False, codes=None, age=None)
        is_true = not self._take("not")
        if not (word := self._take(*Fact)):
            raise self._refuse()
        fact = Fact(word)
        if not is_true:
            text = "no reply" if fact is Fact.REPLIED else f"not {fact}"
            return _Condition(text, fact, is_true=False, codes=None, age=None)
        first = self._next
        codes = self._read_codes() if fact is Fact.FAILED else None
        age = None if fact is Fact.UNCERTAIN else self._read_age()
        words = [fact.value, *(each for each, _ in self._words[first : self._next])]
        return _Condition(" ".join(words), fact, is_true=True, codes=codes, age=age)

    def _read_codes(self) -> frozenset[int] | None:
        codes: set[int] = set()
        while word := self._word:
            if word in set(Retry):
                codes |= {row.code for row in (*ROWS, *OWN_FAILURES.values()) if row.retry == word}
            elif word.isdecimal() and word.isascii() and len(word) <= len(str(2**31)) and int(word) < 2**31:
                codes.add(int(word))
            else:
                break
            self._next += 1
        return frozenset(codes) or None

    def _read_age(self) -> Age | None:
        if not (word := self._take("before", "within")):
            return None
        number = self._word
        if not (number.isdecimal() and number.isascii() and len(number) <= len(str(_MOST_DAYS * 1440))):
            raise self._refuse()
        self._next += 1
        if not (unit := self._take(*_UNITS, *(f"{each}s" for each in _UNITS))):
            raise self._refuse()
        seconds = int(number) * _UNITS[unit.removesuffix("s")]
        if not 0 < seconds <= _MOST_DAYS * _UNITS["day"]:
            self._next -= 2
            raise self._refuse()
        return Age(seconds, is_older=word == "before")

    def _refuse(self) -> Refusal:
        """Return the refusal of the next word."""
        place = self._words[self._next][1] if self._next < len(self._words) else len(self._text)
        found = Sentence("at character {place}, {word!r}", place=place + 1, word=self._text[place : place + 30])
        return Refusal(
            "audience_unreadable",
            "The conditions cannot be read {where}. Conditions stand between commas: {forms}. {failed} may have classes"
            " ({classes}) or Meta's codes behind it. {time} and {newer} may stand behind a fact.",
            where=found if self._word else Sentence("at their end"),
            forms=list(FORMS),
            failed=Fact.FAILED.value,
            classes=[str(each) for each in Retry],
            time=_BEFORE,
            newer=_WITHIN,
        )
