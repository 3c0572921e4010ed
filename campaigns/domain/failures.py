"""Every code that Meta may answer a send with, or report with `failed`: whose fault it is and what to do.

The codes and what they mean come from Meta's error reference, the actions from the verdict table of the design. `DOUBT`
and `BACK_OFF` are about replies: in a webhook `failed` is a verdict whatever the code.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from campaigns.domain.verdict import MARKETING, Action, Blame, Failure, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# First rests.
RATE_REST_SECONDS = 60.0  # the hourly budget of a WABA slides, so some of it is back soon
MAINTENANCE_REST_SECONDS = 60.0  # the upgrade of a number takes up to a minute
SPAM_REST_SECONDS = 3600.0  # Meta counts in hours here, and hammering makes it worse
AD_SYNC_REST_SECONDS = 600.0
FLOW_REST_SECONDS = 3600.0

ONE_RETRY = 2  # attempts in all

_UNKNOWN_OBJECT = 33  # subcode of 100: the number's id is unknown, or the token may not see it

# Thousands of the codes about templates and about a number's registration.
_TEMPLATE_CODES = 132
_NUMBER_CODES = 133

_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_SERVICE_UNAVAILABLE = 503

# Statuses below 500 that do not say "not carried out". 303: done, look elsewhere. 408, 499: somebody stopped waiting,
# which a proxy may also say of the API behind it.
_UNCLEAR_STATUSES = frozenset({303, 408, 499})

# Withheld from this person for the moment: not before a day has passed, says Meta.
_LATER_SECONDS: Mapping[int, float] = MappingProxyType({130472: 86_400.0, 131049: 86_400.0})

# What a person can do about one code, where it is not what its group says.
_ADVICE: Mapping[int, str] = MappingProxyType({
    10: "Give the system user the lacking permission and make a new token: Business settings, System users.",
    33: "Take another number: `revoada account add`.",
    100: "Look at the details: Meta names the parameter; mend the template's variables in the recipients file.",
    190: "Make a new token (Business settings, System users), then `revoada account set ACCOUNT --token-stdin`.",
    368: "Read the notice in WhatsApp Manager, Account quality; the block ends by itself or by an appeal.",
    130429: "Nothing: Revoada slows down by itself; lower `--messages-per-second` of the account if it stays so.",
    130472: "Reach this person another way, or retry after a day: Meta keeps marketing from some users.",
    130497: "Leave people of this country out, or ask Meta which countries the account may write to.",
    131021: "Take the sender's own number out of the list.",
    131026: "Check that the number has WhatsApp; leave it out of the next list.",
    131030: "Add the phone to the test number's list (App dashboard, WhatsApp, API setup), or send from a real number.",
    131031: "Read the notice in WhatsApp Manager, Account quality, and appeal there.",
    131037: "Wait for the display name's approval: WhatsApp Manager, Phone numbers.",
    131042: "Mend the payment method: Business settings, Billing, WhatsApp Business account.",
    131045: "Register the number again: WhatsApp Manager, Phone numbers.",
    131048: "Send less from this number until its quality recovers: WhatsApp Manager, Phone numbers, Insights.",
    131049: "Try again after a day at the earliest; marketing to US numbers (+1) is always withheld.",
    131050: "Nothing: the person wants no marketing and is suppressed from now on.",
    131053: "Check that the media's address is public, and its type and size are allowed.",
    131056: "Send less often to one person: one message in six seconds.",
    131063: "Allow marketing over the Cloud API: WhatsApp Manager, Account settings.",
    132005: "Shorten the values of the variables.",
    132007: "Change the template so that it keeps Meta's policies: WhatsApp Manager, Message templates.",
    132015: "Wait until Meta unpauses the template, then retry; better content keeps its quality up.",
    132016: "Make a new template: Meta does not enable this one again.",
    132069: "Wait an hour: Meta allows ten messages an hour for this flow.",
    133010: "Register the number for the Cloud API: WhatsApp Manager, Phone numbers.",
    134101: "Wait ten minutes: Meta synchronises a new template for ads.",
    134102: "Accept Meta's terms of the Marketing Messages API for the WhatsApp Business account: App dashboard.",
    137000: "Nothing: the person has changed phones since the key was noted.",
})  # fmt: skip


def _rows(
    blame: Blame,
    action: Action,
    meanings: Mapping[int, str],
    *,
    advice: str,
    max_attempts: int | None = None,
    rest_seconds: float = 0.0,
    scope: Scope = Scope.ACCOUNT,
    category: str = "",
) -> Iterator[Failure]:
    for code, meaning in meanings.items():
        yield Failure(
            code,
            meaning,
            blame,
            action,
            max_attempts,
            rest_seconds,
            advice=_ADVICE.get(code, advice),
            later_seconds=_LATER_SECONDS.get(code, 0.0),
            scope=scope,
            category=category,
        )


ROWS: tuple[Failure, ...] = (
    # The recipient: no account and no later try will reach this person with this message.
    *_rows(
        Blame.RECIPIENT,
        Action.FAIL,
        {
            130403: "the business blocked this user",
            130472: "user is in an experiment group, marketing is withheld",
            130497: "messages to this country are not allowed for the account",
            131014: "undeliverable to at least one device",
            131021: "sender and recipient are the same number",
            131026: "undeliverable: not on WhatsApp, old app, terms not accepted or sender blocked",
            131030: "recipient is not on the allowed list of the test number",
            131036: "undeliverable to at least one device",
            131047: "more than 24 hours since the user wrote: only a template may be sent",
            131049: "withheld by Meta: the user got enough marketing",
            137000: "identity key of the recipient does not match",
        },
        advice="Nothing: no later try reaches this person with this message.",
    ),
    *_rows(
        Blame.RECIPIENT,
        Action.FAIL_AND_SUPPRESS,
        {131050: "user stopped marketing messages of this business"},
        advice="Nothing: the person wants no more and is suppressed.",
    ),
    # This message: its variables or its shape. Many in a row mean that the template is meant.
    *_rows(
        Blame.MESSAGE,
        Action.FAIL,
        {
            100: "a parameter is unsupported or misspelled",
            131008: "a required parameter is missing",
            131009: "a parameter has an invalid value",
            131051: "message type is not supported",
            131055: "this kind of message is not allowed here",
            131062: "a user id is no allowed recipient of this message",
            132000: "number of variables differs from the template",
            132005: "text is too long once the variables are filled in",
            132008: "a variable has an invalid value",
            132012: "format of a variable differs from the template",
            132018: "variables do not fit the template",
            # Groups: a campaign never writes to one, so the recipient is not a person.
            131020: "group is suspended",
            131041: "group is unknown",
            **{code: "group error" for code in range(131201, 131216) if code != 131208},  # noqa: PLR2004
        },
        advice="Compare the recipients file with the template's variables, mend it, and make a new campaign.",
    ),
    *_rows(
        Blame.MESSAGE,
        Action.RETRY,
        {
            131053: "media could not be fetched or used",  # a fetch by link may fail once
            135000: "generic parameter error",
        },
        advice="Look at the details, mend the values, and make a new campaign for these people.",
        max_attempts=ONE_RETRY,
    ),
    # The template: nobody in the campaign can get it now.
    *_rows(
        Blame.TEMPLATE,
        Action.WAIT_TEMPLATE,
        {
            132001: "template does not exist in this language or is not approved",
            132007: "template violates a policy",
            132015: "template is paused",
            132016: "template is disabled",
            132021: "template name is taken",
            132068: "the template's flow is blocked",
            134100: "template is not a marketing template",
        },
        advice="Look at the template in WhatsApp Manager, Message templates; retry once it is approved.",
    ),
    # The template is approved, so nothing would announce the end of a wait: the message comes back after the rest.
    *_rows(
        Blame.TEMPLATE,
        Action.RETRY,
        {134101: "template is still being synchronised for ads"},
        advice="Retry after ten minutes.",
        rest_seconds=AD_SYNC_REST_SECONDS,
    ),
    *_rows(
        Blame.TEMPLATE,
        Action.RETRY,
        {132069: "the template's flow is throttled"},
        advice="Retry after an hour.",
        rest_seconds=FLOW_REST_SECONDS,
    ),
    # The account: its token, permissions, registration, payment or standing.
    *_rows(
        Blame.ACCOUNT,
        Action.SWITCH_ACCOUNT,
        {
            0: "could not authenticate: token expired or invalidated",
            3: "the app lacks a capability or permission",
            10: "permission not granted or removed",
            33: "the number was deleted",
            104: "access token is missing",
            190: "access token expired, revoked or unreadable",
            **dict.fromkeys(range(200, 300), "permission is missing"),
            368: "temporarily blocked for policy violations",
            803: "the number's id is unknown",
            131005: "access denied: permission is missing",
            131031: "account is locked or disabled",
            131037: "display name is not approved",
            131042: "payment problem: no method, over the credit line, or billing incomplete",
            131045: "registration or certificate problem of the number",
            133010: "number is not registered",
            134011: "terms of WhatsApp Payments are not accepted",
            139200: "direct sending is blocked",
        },
        advice="Mend the account in WhatsApp Manager, `revoada account activate` it, then retry.",
    ),
    # About one category of the account's templates: the account sends the others (docs/decisions/0033).
    *_rows(
        Blame.ACCOUNT,
        Action.SWITCH_ACCOUNT,
        {
            131063: "marketing over the Cloud API is switched off for the business account",
            134102: "account is not onboarded for marketing messages",
        },
        advice="Allow marketing by this account: WhatsApp Manager.",
        scope=Scope.CATEGORY,
        category=MARKETING,
    ),
    *_rows(
        Blame.ACCOUNT,
        Action.SWITCH_ACCOUNT,
        {131064: "messaging limit reached because of wrongly classified templates"},
        advice="Correct the templates' categories in WhatsApp Manager, and wait until Meta lifts the limit.",
        scope=Scope.CATEGORY,
    ),
    # Throttles, from the narrowest scope to the widest.
    *_rows(
        Blame.THROTTLE,
        Action.WAIT_RECIPIENT,
        {
            131056: "too many messages to this one recipient",
            131208: "too many messages to this group",
        },
        advice="Retry later.",
    ),
    *_rows(Blame.THROTTLE, Action.SLOW_DOWN, {130429: "throughput of the number reached"}, advice="Retry later."),
    *_rows(
        Blame.THROTTLE,
        Action.BLOCK_ACCOUNT,
        {131048: "too many messages of this number were blocked or reported"},
        advice="Retry later.",
        rest_seconds=SPAM_REST_SECONDS,
    ),
    *_rows(
        Blame.THROTTLE,
        Action.BLOCK_WABA,
        {
            4: "the app reached its call limit",
            17: "the user reached the call limit",
            613: "call limit reached",
            80007: "the business account reached its rate limit",
        },
        advice="Retry in an hour: the limit of calls slides.",
        rest_seconds=RATE_REST_SECONDS,
    ),
    # Meta: in maintenance, down, or not sure itself.
    *_rows(
        Blame.SERVER,
        Action.BLOCK_ACCOUNT,
        {
            131057: "number is in maintenance",
            2494100: "number is in maintenance",
        },
        advice="Retry in a few minutes.",
        rest_seconds=MAINTENANCE_REST_SECONDS,
    ),
    *_rows(
        Blame.SERVER,
        Action.BACK_OFF,
        {
            2: "service is down or overloaded",
            131016: "service is temporarily unavailable",
            133004: "server is temporarily unavailable",
        },
        advice="Retry in a few minutes.",
    ),
    *_rows(
        Blame.SERVER,
        Action.DOUBT,
        {
            1: "unknown error of the API",
            131000: "unknown error",
        },
        advice="Retry in a few minutes; if it stays, look at Meta's status page.",
    ),
    *_rows(
        Blame.UNKNOWN,
        Action.RETRY,
        {134103: "unnamed error of marketing messages"},
        advice="Look at the details; ask Meta's support if many fail so.",
        max_attempts=ONE_RETRY,
    ),
)

FAILURES: Mapping[int, Failure] = MappingProxyType({row.code: row for row in ROWS})

_FOREIGN_NUMBER = Failure(
    100,
    "the number's id is unknown, or the token may not use it",
    Blame.ACCOUNT,
    Action.SWITCH_ACCOUNT,
    advice="Check the account's phone number id, and that its token may use the number: `revoada check-setup`.",
)

_ADVICE_DOUBT = (
    "Wait for its webhook (`revoada check-setup`: do they arrive?); "
    "at worst `campaign retry-uncertain` may send it twice."
)
_ADVICE_NO_CODE = "Look at the details: `revoada campaign export ID --status failed`."
_ADVICE_UNLISTED = "Look the code up in Meta's list of error codes."


# Two of our own, where no code of Meta's is. What is known not to have left, and came back when its campaign was over:
NEVER_LEFT = Failure(
    -1,
    "it never left: its worker was frozen until the campaign was completed",
    Blame.OURS,
    Action.BACK_OFF,
    advice="Send it again: `revoada campaign retry ID --class server`.",
)
# Our own code for messages that a claim skipped: the person gets no marketing until an operator decides about the
# answer.
UNDER_REVIEW = Failure(
    -2,
    "an answer of this person may be an opt-out; it waits for review",
    Blame.RECIPIENT,
    Action.FAIL,
    advice="Read the answers, `revoada optouts review`, and accept or dismiss each.",
)
# Our own code for a message whose connection brought a reply that belongs, or may belong, to another request.
STRAY_REPLY = Failure(
    -3,
    "the reply belonged to another request, so nobody knows whether Meta has the message",
    Blame.SERVER,
    Action.DOUBT,
    advice=(
        "Look at what stands between the workers and Meta (a proxy?): it repeats or mixes up replies. "
        "Webhooks settle these messages; at worst `campaign retry-uncertain` may send them twice."
    ),
)
_OWN = MappingProxyType({row.code: row for row in (NEVER_LEFT, UNDER_REVIEW, STRAY_REPLY)})


def find_failure(code: int, *, subcode: int | None = None, http_status: int | None = None) -> Failure:
    """Return the row of `code`, or what its class asks for (`is_known` is False then: report it).

    `http_status` is that of the reply; a webhook has none. It counts only for codes that the table does not hold: Meta
    says to go by the code.
    """
    if code in _OWN:
        return _OWN[code]
    if code == _FOREIGN_NUMBER.code and subcode == _UNKNOWN_OBJECT:
        return _FOREIGN_NUMBER
    return FAILURES.get(code) or _classify(code, http_status or 0)


def explain_failure(code: int | None) -> Failure:
    """Return the row for a message that failed with this code; None: Meta gave none."""
    if code is None:
        return Failure(0, "Meta gave no code", Blame.UNKNOWN, Action.FAIL, is_known=False, advice=_ADVICE_NO_CODE)
    return find_failure(code)


def explain_doubt(code: int | None) -> Failure:
    """Return the explanation of `uncertain` messages for an operator; the code is the reply's, or our own."""
    if code == STRAY_REPLY.code:
        return STRAY_REPLY
    meaning = "nobody knows whether Meta has it" if code is None else find_failure(code).meaning
    return Failure(code or 0, meaning, Blame.UNKNOWN, Action.DOUBT, advice=_ADVICE_DOUBT)


def find_http_failure(status: int) -> Failure | None:
    """Return the failure of an HTTP status that came without a code of Meta, or None where Meta may have accepted.

    A 3xx or 4xx says that the request was not carried out, and without a code it comes from an edge in front of the API
    that did not let it in: trying again cannot send twice. It uses attempts, because such a gate may dislike this one
    message (its size, a word in it), and what is refused for ever must not come back for ever.
    """
    if status == _TOO_MANY_REQUESTS:
        return Failure(
            status, "too many requests", Blame.THROTTLE, Action.SLOW_DOWN, is_known=False, advice=_ADVICE_UNLISTED
        )
    if status not in range(300, 500) or status in _UNCLEAR_STATUSES:
        return None
    return Failure(
        status, f"refused with HTTP {status}", Blame.UNKNOWN, Action.RETRY, is_known=False, advice=_ADVICE_UNLISTED
    )


def _classify(code: int, http_status: int) -> Failure:
    """Judge an unlisted code: by the status of an outage, by the thousand that it belongs to, else one retry."""
    if http_status == _SERVICE_UNAVAILABLE:
        return Failure(
            code,
            "unlisted code of a server that is down",
            Blame.SERVER,
            Action.BACK_OFF,
            is_known=False,
            advice=_ADVICE_UNLISTED,
        )
    if code // 1000 == _TEMPLATE_CODES:
        # Not WAIT_TEMPLATE: nothing would end that wait. If the whole template is meant, many in a row show it.
        return Failure(
            code, "unlisted template code", Blame.MESSAGE, Action.FAIL, is_known=False, advice=_ADVICE_UNLISTED
        )
    if code // 1000 == _NUMBER_CODES:
        return Failure(
            code,
            "unlisted code of the number",
            Blame.ACCOUNT,
            Action.SWITCH_ACCOUNT,
            is_known=False,
            advice=_ADVICE_UNLISTED,
        )
    if http_status >= _SERVER_ERROR:
        # A server that failed in a way nobody described may have failed after it accepted.
        return Failure(
            code,
            "unlisted code of a failing server",
            Blame.SERVER,
            Action.DOUBT,
            is_known=False,
            advice=_ADVICE_UNLISTED,
        )
    return Failure(
        code,
        "unlisted code",
        Blame.UNKNOWN,
        Action.RETRY,
        max_attempts=ONE_RETRY,
        is_known=False,
        advice=_ADVICE_UNLISTED,
    )
