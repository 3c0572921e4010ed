"""The pure reading of one reply: accepted, rejected, unknown, or never left. Everything after it decides with these."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Blame(StrEnum):
    """Whose fault a rejection is."""

    RECIPIENT = "recipient"
    MESSAGE = "message"  # this message's variables
    TEMPLATE = "template"
    ACCOUNT = "account"
    THROTTLE = "throttle"
    SERVER = "server"
    OURS = "ours"  # the machine's or the process's that should have sent it
    UNKNOWN = "unknown"


# Whose fault it is, in the words of a person who looks for somebody to turn to.
FAULTS = {
    Blame.RECIPIENT: "recipient",
    Blame.MESSAGE: "us",  # what we sent: the recipients file or the code
    Blame.TEMPLATE: "template",
    Blame.ACCOUNT: "account",
    Blame.THROTTLE: "throttle",
    Blame.SERVER: "meta",
    Blame.OURS: "us",
    Blame.UNKNOWN: "unknown",
}


class Scope(StrEnum):
    """The subject of an account's failure: the streak that counts it, and the part that the limit deactivates."""

    ACCOUNT = "account"  # everything that the account sends
    CATEGORY = "category"  # the templates of one category


# Meta's name of the category that advertises.
MARKETING = "MARKETING"


class Action(StrEnum):
    """What a rejection asks for. The policy of each is in `domain/settlement.py`."""

    FAIL = "fail"  # never the same message to the same recipient
    FAIL_AND_SUPPRESS = "fail_and_suppress"  # as fail, and the person does not want more
    SWITCH_ACCOUNT = "switch_account"  # another account may send it; a streak of the account grows (`Scope`)
    WAIT_TEMPLATE = "wait_template"  # the campaign waits until the template is approved again
    SLOW_DOWN = "slow_down"  # the account's rate halves
    BLOCK_ACCOUNT = "block_account"  # the account rests, then is tried again
    BLOCK_WABA = "block_waba"  # all accounts of the WABA rest, then are tried again
    WAIT_RECIPIENT = "wait_recipient"  # this person waits, others go on
    RETRY = "retry"  # a later attempt, from the message's budget
    BACK_OFF = "back_off"  # Meta says it is down: the account backs off, no attempt is used
    DOUBT = "doubt"  # may have been accepted: uncertain


class Retry(StrEnum):
    """Classes of `failed` that a person may send again: nothing was delivered, says Meta, and next time may differ."""

    THROTTLED = "throttled"  # Meta had enough for the moment
    SERVER = "server"  # a server had a fault, Meta's or ours
    RECIPIENT_LATER = "recipient-later"  # withheld from this person for now
    REPAIRED = "repaired"  # the account or the template, once somebody has mended it


_RETRIES = {
    Blame.THROTTLE: Retry.THROTTLED,
    Blame.SERVER: Retry.SERVER,
    Blame.OURS: Retry.SERVER,
    Blame.ACCOUNT: Retry.REPAIRED,
    Blame.TEMPLATE: Retry.REPAIRED,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """One code of Meta's table: what it means, whose fault it is, what to do.

    `max_attempts` limits a `RETRY` below the setting (2 = one retry); `rest_seconds` is the first rest of a block;
    `advice` is a sentence for a person who finds failed messages; `later_seconds` is how long after the failure this
    person may be tried again at the earliest (0: never, it is the recipient's fault); `is_known` is False for a code
    that the table does not hold (handled by its class, and reported). `scope` is read where the action is
    `SWITCH_ACCOUNT`; `category` is the template category that the code itself names, "" where it names none.
    """

    code: int
    meaning: str
    blame: Blame
    action: Action
    max_attempts: int | None = None
    rest_seconds: float = 0.0
    is_known: bool = True
    advice: str = ""
    later_seconds: float = 0.0
    scope: Scope = Scope.ACCOUNT
    category: str = ""

    def find_category(self, template_category: str) -> str | None:
        """Return the category that the failure is about; None: it is about the whole account.

        `template_category` is the category of the refused template as we know it. A category named by the code has
        precedence, because Meta may have given the template another category since.
        """
        return None if self.scope is Scope.ACCOUNT else self.category or template_category

    @property
    def retry(self) -> Retry | None:
        """The class in which a person may send it again; None: it would fail again, or might arrive twice."""
        return Retry.RECIPIENT_LATER if self.later_seconds else _RETRIES.get(self.blame)


@dataclass(frozen=True, slots=True)
class Accepted:
    """HTTP 200 with a wamid. `is_held`: Meta holds it for quality assessment.

    `recipient` is the phone of the request as the reply repeats it (`contacts[0].input`): None if the reply has no
    contacts, "" if they cannot be read.
    """

    wamid: str
    is_held: bool = False
    recipient: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Rejected:
    """Meta (or what stands before it) said no, in words that we could read."""

    failure: Failure
    title: str = ""
    details: str = ""
    fbtrace_id: str = ""

    @property
    def code(self) -> int:
        return self.failure.code


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request left and no verdict came back: Meta may have accepted. `code`: one of our own, if any applies."""

    reason: str
    code: int | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing left our side (DNS, connect, TLS, a deadline): the message is as it was.

    `is_unreachable` is True when the API could not be reached, False when we kept the request back ourselves.
    """

    reason: str
    is_unreachable: bool = True


Verdict = Accepted | Rejected | Unknown | NotSent
