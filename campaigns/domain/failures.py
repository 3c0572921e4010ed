"""The codes with which Meta rejects a message or reports it as `failed`: the party at fault and the action.

One row holds all facts about a code. The codes and their meanings come from Meta's error reference. docs/life-cycles.md
explains the actions and lists the rows (`make golden` writes this list). The actions `UNCERTAIN` and `BACK_OFF` apply
to replies only: a webhook with the status `failed` is final, whatever the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from campaigns.domain.statement import Entry, Field, Hint, HintAction, Sentence
from campaigns.domain.template import TemplateStatus
from campaigns.domain.verdict import MARKETING, Action, Blame, Failure, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The values of `Failure.cooldown_seconds`: the first cooldown of an account, or the shortest wait before the next
# attempt if the action is `RETRY`.
RATE_COOLDOWN_SECONDS = 60.0  # Meta counts the calls of a WABA in a sliding hour, so some calls are allowed soon
MAINTENANCE_COOLDOWN_SECONDS = 60.0  # the upgrade of a number takes up to a minute
SPAM_COOLDOWN_SECONDS = 3600.0  # Meta counts requests per hour, and each further request raises the count
AD_SYNC_COOLDOWN_SECONDS = 600.0
FLOW_COOLDOWN_SECONDS = 3600.0

ONE_RETRY = 2  # the limit of attempts: the first attempt and one retry

_A_DAY_SECONDS = 86_400.0  # Meta withholds a message from a person, and names a day as the shortest wait before a retry

# With these codes Meta refuses the token itself, so each request with the same token is refused, too.
TOKEN_REFUSED = frozenset({0, 104, 190})

# Meta answers 100 with subcode 33 if an id in the request is unknown, or if the token has no access to it.
BAD_PARAMETER = 100
_UNKNOWN_OBJECT = 33

# Codes 132xxx concern templates. Codes 133xxx concern the registration of a number.
_TEMPLATE_CODES = 132
_NUMBER_CODES = 133

_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_SERVICE_UNAVAILABLE = 503

_ACTIVATE = Hint(HintAction.ACTIVATE_ACCOUNT)
_CHANGE_NUMBER = Hint(HintAction.CHANGE_ACCOUNT, entry=Entry(Field.PHONE_NUMBER_ID))
_CHANGE_WABA = Hint(HintAction.CHANGE_ACCOUNT, entry=Entry(Field.WABA_ID))
_CHANGE_TOKEN = Hint(HintAction.CHANGE_ACCOUNT, entry=Entry(Field.TOKEN))
_CHECK_SETUP = Hint(HintAction.CHECK_SETUP)
_RETRY_UNCERTAIN = Hint(HintAction.RETRY_UNCERTAIN)
_SYNC_TEMPLATES = Hint(HintAction.SYNC_TEMPLATES)

_ADVICE_FOREIGN_NUMBER = Sentence(
    "Compare the phone number id with WhatsApp Manager ({change}), and let the token use the number.",
    change=_CHANGE_NUMBER,
)
_ADVICE_FOREIGN_WABA = Sentence(
    "Compare the id of the WhatsApp Business account with WhatsApp Manager ({change}), and let the token use it.",
    change=_CHANGE_WABA,
)
_ADVICE_FORM = Sentence(
    "If the template was edited at Meta, edit it back, {sync}, then retry. Else correct the file, in a new campaign.",
    sync=_SYNC_TEMPLATES,
)
_ADVICE_TEMPLATE = Sentence(
    "Look at the template in WhatsApp Manager, Message templates; once it is approved, {sync}.", sync=_SYNC_TEMPLATES
)
_NEW_TOKEN = Sentence("Make a new token (Business settings, System users), then {change}.", change=_CHANGE_TOKEN)
_NEW_PERMISSION = Sentence(
    "Grant the permission and make a new token (Business settings, System users), then {change}.",
    change=_CHANGE_TOKEN,
)

# Statuses for which the advice is the same as for a template that does not exist.
_NOT_THERE_YET = frozenset({TemplateStatus.DELETED, TemplateStatus.PENDING, TemplateStatus.IN_APPEAL})

# HTTP statuses below 500 after which the request may have been carried out. 303 means that the request was carried out.
# 408 and 499 may come from a proxy that stopped waiting for the API.
_UNCLEAR_STATUSES = frozenset({303, 408, 499})


@dataclass(frozen=True, slots=True)
class _Code:
    """The fields of `Failure` in which a code differs from its group.

    If `advice` is empty, the advice of the group holds.
    """

    meaning: str
    advice: str | Sentence = ""
    later_seconds: float = 0.0
    template_status: TemplateStatus = TemplateStatus.REFUSED
    is_of_form: bool = False


def _rows(
    blame: Blame,
    action: Action,
    codes: Mapping[int, str | _Code],
    *,
    advice: str | Sentence = "",
    max_attempts: int | None = None,
    cooldown_seconds: float = 0.0,
    scope: Scope = Scope.ACCOUNT,
    category: str = "",
) -> Iterator[Failure]:
    """Return the rows of a group of codes. `codes` maps a code to its meaning or to a `_Code`."""
    for code, each in codes.items():
        own = each if isinstance(each, _Code) else _Code(each)
        words = own.advice or advice
        yield Failure(
            code,
            own.meaning,
            blame,
            action,
            max_attempts,
            cooldown_seconds,
            advice=words if isinstance(words, Sentence) else Sentence(words),
            later_seconds=own.later_seconds,
            scope=scope,
            category=category,
            template_status=own.template_status,
            is_of_form=own.is_of_form,
        )


ROWS: tuple[Failure, ...] = (
    # The recipient is at fault. Neither another account nor an early second attempt reaches this person with this
    # message.
    *_rows(
        Blame.RECIPIENT,
        Action.FAIL,
        {
            130403: "the business blocked this user",
            130472: _Code(
                "user is in an experiment group, marketing is withheld",
                "Reach this person another way, or retry after a day: Meta keeps marketing from some users.",
                later_seconds=_A_DAY_SECONDS,
            ),
            130497: _Code(
                "messages to this country are not allowed for the account",
                "Leave people of this country out, or ask Meta which countries the account may write to.",
            ),
            131014: "undeliverable to at least one device",
            131021: _Code("sender and recipient are the same number", "Take the sender's own number out of the list."),
            131026: _Code(
                "undeliverable: not on WhatsApp, old app, terms not accepted or sender blocked",
                "Check that the number has WhatsApp; leave it out of the next list.",
            ),
            131030: _Code(
                "recipient is not on the allowed list of the test number",
                "Add the phone to the test number's list (App dashboard, WhatsApp, API setup), "
                "or send from a real number.",
            ),
            131036: "undeliverable to at least one device",
            131047: "more than 24 hours since the user wrote: only a template may be sent",
            131049: _Code(
                "withheld by Meta: the user got enough marketing",
                "Try again after a day at the earliest; marketing to US numbers (+1) is always withheld.",
                later_seconds=_A_DAY_SECONDS,
            ),
            137000: _Code(
                "identity key of the recipient does not match",
                "Nothing: the person has changed phones since the key was noted.",
            ),
        },
        advice="Nothing: no later try reaches this person with this message.",
    ),
    *_rows(
        Blame.RECIPIENT,
        Action.FAIL_AND_SUPPRESS,
        {131050: "user stopped marketing messages of this business"},
        advice="Nothing: the person wants no marketing and is suppressed from now on.",
    ),
    # The message is at fault: its variables or its form. Many such failures in a row mean that the list does not fit
    # the template.
    *_rows(
        Blame.MESSAGE,
        Action.FAIL,
        {
            100: _Code(
                "a parameter is unsupported or misspelled",
                "Look at the details: Meta names the parameter; correct the variables in the recipients file.",
            ),
            131008: _Code("a required parameter is missing", _ADVICE_FORM, is_of_form=True),
            131009: "a parameter has an invalid value",
            131051: "message type is not supported",
            131055: "this kind of message is not allowed here",
            131062: "a user id is no allowed recipient of this message",
            132000: _Code("number of variables differs from the template", _ADVICE_FORM, is_of_form=True),
            132005: _Code("text is too long once the variables are filled in", "Shorten the values of the variables."),
            132008: "a variable has an invalid value",
            132012: _Code("format of a variable differs from the template", _ADVICE_FORM, is_of_form=True),
            132018: _Code("variables do not fit the template", _ADVICE_FORM, is_of_form=True),
            # These codes concern messages to groups. Campaigns send no messages to groups, so the recipient is not at
            # fault.
            131020: "group is suspended",
            131041: "group is unknown",
            **{code: "group error" for code in range(131201, 131216) if code != 131208},  # noqa: PLR2004
        },
        advice="Compare the recipients file with the template's variables, correct it, and make a new campaign.",
    ),
    *_rows(
        Blame.MESSAGE,
        Action.RETRY,
        {
            131053: _Code(
                "media could not be fetched or used",
                "Check that the media's address is public, and its type and size are allowed.",
            ),  # Meta's first attempt to fetch a link may fail
            135000: "generic parameter error",
        },
        advice="Look at the details, correct the values, and make a new campaign for these people.",
        max_attempts=ONE_RETRY,
    ),
    # The template is at fault: Meta sends no message with this template now.
    *_rows(
        Blame.TEMPLATE,
        Action.WAIT_TEMPLATE,
        {
            132001: _Code(
                "template does not exist in this language or is not approved",
                Sentence(
                    "Make it, or wait for its approval: WhatsApp Manager, Message templates; then {sync}.",
                    sync=_SYNC_TEMPLATES,
                ),
                template_status=TemplateStatus.MISSING,
            ),
            132007: _Code(
                "template violates a policy",
                Sentence("Change its text in WhatsApp Manager; once Meta approves it, {sync}.", sync=_SYNC_TEMPLATES),
                template_status=TemplateStatus.REJECTED,
            ),
            132015: _Code(
                "template is paused",
                Sentence(
                    "Wait until Meta unpauses it, or improve its text in WhatsApp Manager; then {sync}.",
                    sync=_SYNC_TEMPLATES,
                ),
                template_status=TemplateStatus.PAUSED,
            ),
            132016: _Code(
                "template is disabled",
                "Make a new template in WhatsApp Manager: Meta does not enable this one again.",
                template_status=TemplateStatus.DISABLED,
            ),
            132021: "template name is taken",
            132068: "the template's flow is blocked",
            134100: "template is not a marketing template",
        },
        advice=_ADVICE_TEMPLATE,
    ),
    # Meta sends the next two codes although the template is approved, so no webhook would end a wait for the template.
    # Only the message waits: it is retried after `cooldown_seconds`.
    *_rows(
        Blame.TEMPLATE,
        Action.RETRY,
        {134101: "template is still being synchronised for ads"},
        advice="Wait ten minutes: Meta synchronises a new template for ads.",
        cooldown_seconds=AD_SYNC_COOLDOWN_SECONDS,
    ),
    *_rows(
        Blame.TEMPLATE,
        Action.RETRY,
        {132069: "the template's flow is throttled"},
        advice="Wait an hour: Meta allows ten messages an hour for this flow.",
        cooldown_seconds=FLOW_COOLDOWN_SECONDS,
    ),
    # The account is at fault: its token, permissions, registration, payment or standing.
    *_rows(
        Blame.ACCOUNT,
        Action.SWITCH_ACCOUNT,
        {
            0: _Code("could not authenticate: token expired or invalidated", _NEW_TOKEN),
            3: _Code("the app lacks a capability or permission", _NEW_PERMISSION),
            10: _Code("permission not granted or removed", _NEW_PERMISSION),
            33: _Code(
                "the number was deleted", Sentence("Give the account another number: {change}.", change=_CHANGE_NUMBER)
            ),
            104: _Code("access token is missing", _NEW_TOKEN),
            190: _Code("access token expired, revoked or unreadable", _NEW_TOKEN),
            **dict.fromkeys(range(200, 300), _Code("permission is missing", _NEW_PERMISSION)),
            368: _Code(
                "temporarily blocked for policy violations",
                "Read the notice in WhatsApp Manager, Account quality; the block ends by itself or by an appeal.",
            ),
            803: _Code("the number's id is unknown", _ADVICE_FOREIGN_NUMBER),
            131005: _Code("access denied: permission is missing", _NEW_PERMISSION),
            131031: _Code(
                "account is locked or disabled",
                "Read the notice in WhatsApp Manager, Account quality, and appeal there.",
            ),
            131037: _Code(
                "display name is not approved", "Wait for the display name's approval: WhatsApp Manager, Phone numbers."
            ),
            131042: _Code(
                "payment problem: no method, over the credit line, or billing incomplete",
                "Correct the payment method: Business settings, Billing, WhatsApp Business account.",
            ),
            131045: _Code(
                "registration or certificate problem of the number",
                "Register the number again: WhatsApp Manager, Phone numbers.",
            ),
            133010: _Code(
                "number is not registered", "Register the number for the Cloud API: WhatsApp Manager, Phone numbers."
            ),
            134011: "terms of WhatsApp Payments are not accepted",
            139200: "direct sending is blocked",
        },
        advice="Read what WhatsApp Manager says about the account, and fix it there.",
    ),
    # These codes concern one category of templates. The account still sends the other categories (docs/decisions/0033).
    *_rows(
        Blame.ACCOUNT,
        Action.SWITCH_ACCOUNT,
        {
            131063: _Code(
                "marketing over the Cloud API is switched off for the business account",
                "Allow marketing over the Cloud API: WhatsApp Manager, Account settings.",
            ),
            134102: _Code(
                "account is not onboarded for marketing messages",
                "Accept Meta's terms of the Marketing Messages API for the WhatsApp Business account: App dashboard.",
            ),
        },
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
    # Meta's limits of rates, from the narrowest (one recipient) to the widest (a WABA).
    *_rows(
        Blame.THROTTLE,
        Action.WAIT_RECIPIENT,
        {
            131056: _Code(
                "too many messages to this one recipient", "Send less often to one person: one message in six seconds."
            ),
            131208: "too many messages to this group",
        },
        advice="Retry later.",
    ),
    *_rows(
        Blame.THROTTLE,
        Action.SLOW_DOWN,
        {130429: "throughput of the number reached"},
        advice=Sentence(
            "Nothing: Revoada slows down by itself; if this goes on, lower {rate} of the account.",
            rate=Entry(Field.MESSAGES_PER_SECOND),
        ),
    ),
    *_rows(
        Blame.THROTTLE,
        Action.BLOCK_ACCOUNT,
        {131048: "too many messages of this number were blocked or reported"},
        advice="Send less from this number until its quality recovers: WhatsApp Manager, Phone numbers, Insights.",
        cooldown_seconds=SPAM_COOLDOWN_SECONDS,
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
        cooldown_seconds=RATE_COOLDOWN_SECONDS,
    ),
    # Meta's servers are in maintenance, down, or failing with an unknown error.
    *_rows(
        Blame.SERVER,
        Action.BLOCK_ACCOUNT,
        {
            131057: "number is in maintenance",
            2494100: "number is in maintenance",
        },
        advice="Retry in a few minutes.",
        cooldown_seconds=MAINTENANCE_COOLDOWN_SECONDS,
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
        Action.UNCERTAIN,
        {
            1: "unknown error of the API",
            131000: "unknown error",
        },
        advice="Retry in a few minutes; if the error goes on, look at Meta's status page.",
    ),
    *_rows(
        Blame.UNKNOWN,
        Action.RETRY,
        {134103: "unnamed error of marketing messages"},
        advice="Look at the details; if many messages fail with this code, ask Meta's support.",
        max_attempts=ONE_RETRY,
    ),
)

FAILURES: Mapping[int, Failure] = MappingProxyType({row.code: row for row in ROWS})

# Rows that other modules use by name.
INVALID_TOKEN = FAILURES[190]
STOPPED_MARKETING = FAILURES[131050]
VARIABLES_DO_NOT_FIT = FAILURES[132000]  # also for a message whose request cannot be built

_ADVICE_UNCERTAIN = Sentence(
    "Wait for the webhook ({check} tests it); {retry} may send a second copy.",
    check=_CHECK_SETUP,
    retry=_RETRY_UNCERTAIN,
)
_ADVICE_NO_CODE = Sentence(
    "Look at the details: {export}.", export=Hint(HintAction.EXPORT_CAMPAIGN, entry=Entry(Field.STATUS, "failed"))
)
_ADVICE_NO_ANSWER = Sentence("Look whether this machine reaches GRAPH_API_URL, then try again.")
_ADVICE_UNLISTED = Sentence("Look the code up in Meta's list of error codes.")


# Our own code for a message that never left. The campaign was completed before the worker settled the message.
NEVER_LEFT = Failure(
    -1,
    "it never left: its worker was frozen until the campaign was completed",
    Blame.OURS,
    Action.BACK_OFF,
    advice=Sentence(
        "Send it again: {retry}.", retry=Hint(HintAction.RETRY_CAMPAIGN, entry=Entry(Field.RETRY_CLASS, "server"))
    ),
)
# The error title of a message beyond the cap per person. The statements that claim messages write it.
BEYOND_CAP = "the person had as many messages as the campaign allows"
# The same for a person whom later evidence takes out of the audience: docs/decisions/0114.
LEFT_AUDIENCE = "the person no longer belongs to the audience"
# Our own code for messages that a claim skipped, because an answer of the person may be an opt-out. The person gets no
# marketing until an operator decides about the answer.
UNDER_REVIEW = Failure(
    -2,
    "an answer of this person may be an opt-out; it waits for review",
    Blame.RECIPIENT,
    Action.FAIL,
    advice=Sentence("Read the answers, and accept or dismiss each: {review}.", review=Hint(HintAction.REVIEW_OPTOUTS)),
)
# Our own code for a message whose connection brought a reply that belongs, or may belong, to another request.
STRAY_REPLY = Failure(
    -3,
    "the reply belonged to another request, so nobody knows whether Meta has the message",
    Blame.SERVER,
    Action.UNCERTAIN,
    advice=Sentence(
        "Look at what stands between the workers and Meta (a proxy?): it repeats or mixes up replies. Webhooks settle"
        " these messages; {retry} may send a message twice.",
        retry=_RETRY_UNCERTAIN,
    ),
)
# Our own code for Meta's code 100 with the subcode 33 in the reply to a message. Postgres stores only one code, and 100
# with any other subcode means that a variable is wrong.
UNKNOWN_NUMBER = Failure(
    -4,
    "the number's id is unknown, or the token may not use it (Meta's code 100, subcode 33)",
    Blame.ACCOUNT,
    Action.SWITCH_ACCOUNT,
    advice=_ADVICE_FOREIGN_NUMBER,
)
_UNKNOWN_IDS = frozenset({UNKNOWN_NUMBER.code, 803})
OWN_FAILURES: Mapping[int, Failure] = MappingProxyType(
    {row.code: row for row in (NEVER_LEFT, UNDER_REVIEW, STRAY_REPLY, UNKNOWN_NUMBER)}
)


def find_failure(code: int, *, subcode: int | None = None, http_status: int | None = None) -> Failure:
    """Return the row of `code`. For an unlisted code, make a row by the HTTP status and the range of the code.

    The row of an unlisted code has `is_known` False. `http_status`: the HTTP status of the reply; None for a webhook.
    The HTTP status is used only for unlisted codes, because Meta documents that the code takes precedence over the HTTP
    status.
    """
    if code in OWN_FAILURES:
        return OWN_FAILURES[code]
    if code == BAD_PARAMETER and subcode == _UNKNOWN_OBJECT:
        return UNKNOWN_NUMBER
    return FAILURES.get(code) or _classify(code, http_status or 0)


def advise_repair(failure: Failure) -> Sentence:
    """Return the advice about messages, an account or a template that failed with this code.

    Enough failures by an account's own fault deactivate the account, so the advice about such a failure ends with the
    activation. If Revoada has no account yet, or if the refused request was no message, callers use `Failure.advice`
    alone.
    """
    if failure.action is not Action.SWITCH_ACCOUNT:
        return failure.advice
    return Sentence("{fix} Then {activate}.", fix=failure.advice, activate=_ACTIVATE)


def advise_request(failure: Failure | None, *, is_about_waba: bool = False) -> Sentence:
    """Return the advice about a failed request that was no message. `failure` is None if Meta sent no error code.

    `is_about_waba`: the id in the request was the id of a WABA, not the id of a phone number.
    """
    if is_about_waba and failure is not None and failure.code in _UNKNOWN_IDS:
        return _ADVICE_FOREIGN_WABA
    return _ADVICE_NO_ANSWER if failure is None else failure.advice


def advise_template(status: str) -> Sentence:
    """Return the advice about a template that cannot be sent because it has this status."""
    if status in _NOT_THERE_YET:
        status = TemplateStatus.MISSING
    rows = [row for row in ROWS if row.action is Action.WAIT_TEMPLATE]
    return next((row.advice for row in rows if row.template_status == status), _ADVICE_TEMPLATE)


def explain_failure(code: int | None) -> Failure:
    """Return the row for a message that failed with this code. `code` is None if Meta gave no code."""
    if code is None:
        return Failure(0, "Meta gave no code", Blame.UNKNOWN, Action.FAIL, is_known=False, advice=_ADVICE_NO_CODE)
    return find_failure(code)


def explain_uncertain(code: int | None) -> Failure:
    """Return the explanation of `uncertain` messages for an operator. `code`: Meta's code, or one of our own."""
    if code == STRAY_REPLY.code:
        return STRAY_REPLY
    meaning = "nobody knows whether Meta has it" if code is None else find_failure(code).meaning
    return Failure(code or 0, meaning, Blame.UNKNOWN, Action.UNCERTAIN, advice=_ADVICE_UNCERTAIN)


def find_http_failure(status: int) -> Failure | None:
    """Return the failure of an HTTP status without a code of Meta; None if Meta may have accepted the message.

    A 3xx or 4xx status means that the request was not carried out, except for the statuses in `_UNCLEAR_STATUSES`.
    Without a code, such a status comes from a proxy in front of the API, so another attempt cannot send the message
    twice. The number of attempts is limited, because the proxy may refuse this one message each time (for its size, or
    for a word in it).
    """
    if status == _TOO_MANY_REQUESTS:
        return _unlisted(status, "too many requests", Blame.THROTTLE, Action.SLOW_DOWN)
    if status not in range(300, 500) or status in _UNCLEAR_STATUSES:
        return None
    return _unlisted(status, f"refused with HTTP {status}", Blame.UNKNOWN, Action.RETRY)


def _classify(code: int, http_status: int) -> Failure:
    """Choose the failure of an unlisted code by the HTTP status and by `code // 1000`.

    If neither of them has a rule, the message is retried once.
    """
    if http_status == _SERVICE_UNAVAILABLE:
        return _unlisted(code, "unlisted code of a server that is down", Blame.SERVER, Action.BACK_OFF)
    if code // 1000 == _TEMPLATE_CODES:
        # The action is not WAIT_TEMPLATE, because nothing would end that wait. If the code concerns the whole template,
        # consecutive failures reveal this fact.
        return _unlisted(code, "unlisted template code", Blame.MESSAGE, Action.FAIL)
    if code // 1000 == _NUMBER_CODES:
        return _unlisted(code, "unlisted code of the number", Blame.ACCOUNT, Action.SWITCH_ACCOUNT)
    if http_status >= _SERVER_ERROR:
        # A server that failed in an undocumented way may have failed after it accepted the message.
        return _unlisted(code, "unlisted code of a failing server", Blame.SERVER, Action.UNCERTAIN)
    return _unlisted(code, "unlisted code", Blame.UNKNOWN, Action.RETRY, max_attempts=ONE_RETRY)


def _unlisted(code: int, meaning: str, blame: Blame, action: Action, *, max_attempts: int | None = None) -> Failure:
    return Failure(code, meaning, blame, action, max_attempts, is_known=False, advice=_ADVICE_UNLISTED)
