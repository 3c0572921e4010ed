"""The verdict on one request: accepted, rejected, unknown, or not sent. All later decisions start from the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from campaigns.domain.statement import Sentence
from campaigns.domain.template import TemplateStatus


class Blame(StrEnum):
    """The party, or the limit, that is to blame for a rejection."""

    RECIPIENT = "recipient"
    MESSAGE = "message"  # the variables or the form of this message
    TEMPLATE = "template"
    ACCOUNT = "account"
    THROTTLE = "throttle"
    SERVER = "server"
    OURS = "ours"  # our machine or process
    UNKNOWN = "unknown"


# The words that the command line shows for the party at fault.
FAULTS = {
    Blame.RECIPIENT: "recipient",
    Blame.MESSAGE: "us",  # the recipients file or our code
    Blame.TEMPLATE: "template",
    Blame.ACCOUNT: "account",
    Blame.THROTTLE: "throttle",
    Blame.SERVER: "meta",
    Blame.OURS: "us",
    Blame.UNKNOWN: "unknown",
}


class Scope(StrEnum):
    """The extent of a failure by the account's fault: the whole account, or one category of templates.

    The failure counts in the streak (consecutive failures) of this extent. When the streak reaches the limit, the
    account stops sending within this extent.
    """

    ACCOUNT = "account"  # everything that the account sends
    CATEGORY = "category"  # the templates of one category


# Meta's name of the category for advertising.
MARKETING = "MARKETING"


class Action(StrEnum):
    """The reaction to a rejection. `domain/settlement.py` applies the reaction to the message."""

    FAIL = "fail"  # the message fails at once; only a person can retry it
    FAIL_AND_SUPPRESS = "fail_and_suppress"  # the message fails at once, and the person is suppressed
    SWITCH_ACCOUNT = "switch_account"  # another account may send the message; a streak of this account grows (`Scope`)
    WAIT_TEMPLATE = "wait_template"  # the campaign waits until the template is approved again
    SLOW_DOWN = "slow_down"  # the account's rate halves
    BLOCK_ACCOUNT = "block_account"  # the account sends again after a cooldown
    BLOCK_WABA = "block_waba"  # all accounts of the WABA send again after a cooldown
    WAIT_RECIPIENT = "wait_recipient"  # only this message waits
    RETRY = "retry"  # another attempt, up to the limit of attempts
    BACK_OFF = "back_off"  # Meta is down: the account has a cooldown, and the attempt does not count
    UNCERTAIN = "uncertain"  # Meta may have accepted the message


class Retry(StrEnum):
    """The classes of failed messages that a person may send again. No message of these classes was delivered."""

    THROTTLED = "throttled"  # Meta limited the rate
    SERVER = "server"  # a fault of Meta's servers, or of our machine or process
    RECIPIENT_LATER = "recipient-later"  # Meta withheld the message from this person for now
    REPAIRED = "repaired"  # an account or a template was at fault, and a person has fixed it


_RETRIES = {
    Blame.THROTTLE: Retry.THROTTLED,
    Blame.SERVER: Retry.SERVER,
    Blame.OURS: Retry.SERVER,
    Blame.ACCOUNT: Retry.REPAIRED,
    Blame.TEMPLATE: Retry.REPAIRED,
}


_NO_ADVICE = Sentence("")


@dataclass(frozen=True, slots=True)
class Failure:
    """One code: its meaning, the party at fault, and the action.

    `max_attempts`: the limit of attempts for the action `RETRY` (2 means one retry), if this limit is lower than the
    limit in the settings. `cooldown_seconds`: the first cooldown of the account; if the action is `RETRY`, the shortest
    wait before the next attempt. `advice` tells a person what to do about failed messages. `later_seconds`: the
    shortest time between the failure and an operator's retry to this person; 0 if the code demands no such time.
    `is_known`: False for a code that is not in the table (`domain/failures.py`). `scope` is used only if the action is
    `SWITCH_ACCOUNT`. `category`: the template category that the code itself names; "" if it names no category.
    `template_status` is used only if the action is `WAIT_TEMPLATE`. `is_of_form`: Meta compares the form of the message
    with the form of the template, so an edit of the template at Meta may also cause the failure.
    """

    code: int
    meaning: str
    blame: Blame
    action: Action
    max_attempts: int | None = None
    cooldown_seconds: float = 0.0
    is_known: bool = True
    advice: Sentence = _NO_ADVICE
    later_seconds: float = 0.0
    scope: Scope = Scope.ACCOUNT
    category: str = ""
    template_status: TemplateStatus = TemplateStatus.REFUSED
    is_of_form: bool = False

    def find_category(self, template_category: str) -> str | None:
        """Return the template category that the failure concerns; None if the failure concerns the whole account.

        `template_category`: the category of the refused template, as Meta last reported it. A category that the code
        names has precedence, because Meta may have changed the category of the template since then.
        """
        return None if self.scope is Scope.ACCOUNT else self.category or template_category

    @property
    def retry(self) -> Retry | None:
        """The class for a retry by a person. None: a retry would fail again, or might send a second copy."""
        if self.is_of_form:
            return Retry.REPAIRED
        return Retry.RECIPIENT_LATER if self.later_seconds else _RETRIES.get(self.blame)


# Not frozen: each accepted message has such an object, and a frozen object takes several times as long to make.
@dataclass(slots=True)
class Accepted:
    """HTTP 200 with a wamid, which is Meta's id of the message.

    `is_held`: Meta holds the message back for quality assessment. `recipient`: the phone of the request, as the reply
    repeats it (`contacts[0].input`); None if the reply has no contacts, "" if the contacts cannot be read.
    """

    wamid: str
    is_held: bool = False
    recipient: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Rejected:
    """Meta, or a proxy before it, rejected the request with a reply that we could read."""

    failure: Failure
    title: str = ""
    details: str = ""
    fbtrace_id: str = ""

    @property
    def code(self) -> int:
        return self.failure.code


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request left, and no readable reply came, so Meta may have accepted the message.

    `code`: one of our own codes (`OWN_FAILURES` in `domain/failures.py`), or None.
    """

    reason: str
    code: int | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request did not leave (DNS, connect, TLS, a deadline), so Meta does not have the message.

    `is_unreachable`: True if the API could not be reached, False if we held the request back ourselves.
    """

    reason: str
    is_unreachable: bool = True


Verdict = Accepted | Rejected | Unknown | NotSent
