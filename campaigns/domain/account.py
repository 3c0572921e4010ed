"""The streaks (consecutive failures) that deactivate an account, its cooldowns, and the quota of its portfolio."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict

from campaigns.domain.pacing import Reason
from campaigns.domain.statement import Hint, HintAction, Kind, Refusal, Sentence, Word
from campaigns.domain.text.normal import find_similar

DEACTIVATED_BY_A_PERSON = Word("deactivated by a person")
# The signs that a page, a file or a shell leaves around a copied token, and the word that stands before it in a header.
_AROUND = " \t\r\n\u00a0\u200b\ufeff\"'`\u201c\u201d\u2018\u2019"
# A refusal names at most this many accounts. More names would hide the rest of the sentence.
_NAMED_ACCOUNTS = 10
_BEARER = re.compile(r"(?:authorization\s*:)?\s*bearer(?:\s+|\Z)", re.IGNORECASE)
# The text that `explain_streak` makes.
_STREAK = re.compile(r"([0-9]+) consecutive send failures: (-?[0-9]+) (.*)", re.DOTALL)


def strip_token(text: str) -> str:
    """Return a pasted access token without the spaces, line breaks and quotation marks around it, and `Bearer`."""
    text = text.strip(_AROUND)
    return text[match.end() :].strip(_AROUND) if (match := _BEARER.match(text)) else text


class FailureRecord(TypedDict):
    """One failure, as an account event stores it. The record has the id of the message, but no phone number."""

    code: int
    title: str
    details: str
    fbtrace_id: str
    message_id: int


@dataclass(frozen=True, slots=True)
class InactiveCategory:
    """A category of templates that an account no longer sends: the time of the change, the reason, and Meta's code."""

    since: dt.datetime
    reason: str
    code: int


class CooldownReason(StrEnum):
    """The reason for which an account sends nothing for a while."""

    THROTTLED = "throttled"  # Meta refused a request with a code that demands a cooldown
    UNREACHABLE = "unreachable"  # the API could not be reached, or Meta reported that the API is down

    def write(self, details: str) -> str:
        """Return the text of the column `accounts.blocked_reason`: the reason, a colon, and the details for people."""
        return f"{self}: {details}"

    @classmethod
    def read(cls, text: str) -> CooldownReason:
        """Return the reason in a text that `write` wrote. Every other text counts as `THROTTLED`."""
        word, _, _ = text.partition(":")
        return cls.UNREACHABLE if word == cls.UNREACHABLE else cls.THROTTLED

    @classmethod
    def explain(cls, text: str) -> Sentence:
        """Return a text that `write` wrote as a sentence. Only details of ours have a translation, Meta's have none."""
        word, colon, details = text.partition(": ")
        if not colon or word not in {*cls}:
            return Sentence("{details}", details=Word(text))
        reason, (code, space, title) = cls(word).waiting_reason, details.partition(" ")
        if space and code.isdecimal():
            return Sentence("{reason}: {code} {title}", reason=reason, code=code, title=Word(title))
        return Sentence("{reason}: {details}", reason=reason, details=Word(details))

    @property
    def waiting_reason(self) -> Reason:
        """The reason for which a campaign waits while all its accounts have a cooldown."""
        return Reason(self)


@dataclass(frozen=True, slots=True)
class Streak:
    """A streak: consecutive failures. `tripped_by`: the failures that reached the limit; None below the limit."""

    failures: tuple[FailureRecord, ...]
    tripped_by: tuple[FailureRecord, ...] | None = None


def fold_streak(failures: Sequence[FailureRecord], outcomes: Iterable[FailureRecord | None], *, limit: int) -> Streak:
    """Add `outcomes` (None: a success) to a streak, in the order in which the replies came.

    The first failure that reaches the limit ends the count, so later outcomes change nothing.
    """
    current = list(failures)
    for outcome in outcomes:
        if outcome is None:
            current.clear()
            continue
        current.append(outcome)
        if len(current) >= limit:
            return Streak(tuple(current), tuple(current))
    return Streak(tuple(current))


def explain_streak(failures: Sequence[FailureRecord]) -> Sentence:
    """Return the reason of a deactivation by a streak: its length, and the code and the title of its last failure."""
    last = failures[-1]
    return _explain_streak(len(failures), last["code"], last["title"])


def explain_deactivation(reason: str) -> Sentence:
    """Return a stored reason as a sentence: the text of `explain_streak`, or DEACTIVATED_BY_A_PERSON."""
    if (match := _STREAK.fullmatch(reason)) is None:
        return Sentence("{reason}", reason=Word(reason))
    return _explain_streak(int(match[1]), int(match[2]), match[3])


def _explain_streak(count: int, code: int, title: str) -> Sentence:
    return Sentence("{count} consecutive send failures: {code} {title}", count=count, code=code, title=Word(title))


# Meta's names for the daily limits of portfolios. Meta does not give the limit TIER_1K any more.
_TIERS = {
    "TIER_50": 50,
    "TIER_250": 250,
    "TIER_1K": 1_000,
    "TIER_2K": 2_000,
    "TIER_10K": 10_000,
    "TIER_100K": 100_000,
}


def cap_tokens(
    tokens: Mapping[int, int], portfolios: Mapping[int, int], left: Mapping[int, int]
) -> tuple[dict[int, int], set[int]]:
    """Return the tokens of each account that its portfolio's quota allows, and the portfolios whose quota is used up.

    A token allows one message. Each message may go to a new person, so the accounts of a portfolio together get no more
    tokens than the portfolio has quota. `tokens` has the number of tokens of each account. `portfolios` has the
    portfolio of each account, except accounts without a daily limit. `left` has the quota of each portfolio: the number
    of new people to whom the portfolio may send now. A quota may be negative after the daily limit was lowered.
    """
    left = dict(left)
    allowed = {}
    full = {portfolio_id for portfolio_id in portfolios.values() if left[portfolio_id] <= 0}
    for account_id, count in tokens.items():
        portfolio_id = portfolios.get(account_id)
        most = count if portfolio_id is None else max(min(count, left[portfolio_id]), 0)
        if portfolio_id is not None:
            left[portfolio_id] -= most
        if most:
            allowed[account_id] = most
    return allowed, full


def suggest_limit(tier: str) -> int | None:
    """Return the limit that Meta's name means, such as 2,000 for TIER_2K; None for an unknown name or no limit."""
    return _TIERS.get(tier)


def missing_accounts(words: Sequence[str], names: Sequence[str] = ()) -> Refusal:
    """Return the refusal of names or ids that no account has.

    `names`: the names of all accounts. The refusal has the similar names. If no name is similar and there are few
    accounts, the refusal has all names.
    """
    similar = [*dict.fromkeys(name for word in words for name in find_similar(word, names))]
    return Refusal(
        "account_missing",
        "There is no account {accounts}; did you mean {similar}? {list_accounts} shows all."
        if similar
        else "There is no account {accounts}. The accounts are: {names}. {list_accounts} shows more about them."
        if 0 < len(names) <= _NAMED_ACCOUNTS
        else "There is no account {accounts}; {list_accounts} shows all.",
        kind=Kind.MISSING,
        accounts=list(words),
        similar=similar,
        names=sorted(names),
        list_accounts=Hint(HintAction.LIST_ACCOUNTS),
    )
