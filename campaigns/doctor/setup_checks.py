"""Judges the answers of Meta and of our own processes about a setup: each piece is ok, missing or unknown."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from campaigns.broker.queues import FILES, QUEUES
from campaigns.domain.statement import Entry, Field, Hint, HintAction, Sentence, Word
from campaigns.domain.template import TemplateStatus, read_template_status

SCOPES = ("whatsapp_business_messaging", "whatsapp_business_management")
# The webhook fields for the app to subscribe to. The needed fields report deliveries, opt-outs and paused templates.
# The useful fields report new template categories, changes of phone numbers and accounts, and new user ids of people.
NEEDED_FIELDS = ("messages", "message_template_status_update", "user_preferences")
USEFUL_FIELDS = ("template_category_update", "phone_number_quality_update", "account_update", "user_id_update")

_APP_ID = re.compile(r"[0-9]{1,32}")
_OBJECT = "whatsapp_business_account"
# The subjects and names of several checks.
PROCESSES, TOKEN, NUMBER = Word("processes"), Word("token"), Word("number")
SUBSCRIPTION, CALLBACK = Word("webhook subscription"), Word("callback URL")
_PERMISSIONS, _FIELDS = Word("permissions"), Word("fields")
# A token that expires within this time is reported.
_SOON = dt.timedelta(days=7)
_SHOWN_LENGTH = 256
_MOST_SECONDS = 253_402_300_799  # the last second that a datetime can hold

CHANGE_TOKEN = Hint(HintAction.CHANGE_ACCOUNT, entry=Entry(Field.TOKEN))
_RENEW = Sentence(
    "Make a token of a system user with both permissions (business.facebook.com, Settings, System users), then"
    " {change}.",
    change=CHANGE_TOKEN,
)


class State(StrEnum):
    OK = "ok"
    MISSING = "missing"  # without this piece, sending or webhooks do not work
    UNKNOWN = "unknown"  # the piece could not be examined, or only a person can judge the piece


@dataclass(frozen=True, slots=True)
class Check:
    """The result for one piece of a setup. `advice` says what to do, and where, if the piece is not ok.

    A plain `str` is data, such as an answer of Meta's. A `Word` and a `Sentence` are texts that have a translation.
    """

    subject: Sentence | str
    name: Sentence | str
    state: State
    text: Sentence | str
    advice: Sentence | None = None


def judge_token(subject: Sentence, answer: Mapping[str, Any], *, waba_id: str, now: dt.datetime) -> list[Check]:
    """Judge Meta's description of a token: whether the token is valid, until when, and its permissions for a WABA."""
    data = answer.get("data")
    if not isinstance(data, Mapping) or not isinstance(data.get("is_valid"), bool):
        return [Check(subject, TOKEN, State.UNKNOWN, Sentence("Meta's answer says nothing of it"), _RENEW)]
    if not data["is_valid"]:
        return [Check(subject, TOKEN, State.MISSING, Sentence("expired, revoked or unreadable"), _RENEW)]
    scopes = data.get("scopes")
    granted = set(map(str, scopes)) if isinstance(scopes, list) else set()
    if lacking := [scope for scope in SCOPES if scope not in granted]:
        text = Sentence("lacks {permissions}", permissions=lacking)
        permissions = Check(subject, _PERMISSIONS, State.MISSING, text, _RENEW)
    elif strange := _find_foreign(data.get("granular_scopes"), waba_id):
        text = Sentence("{permissions} not for WABA {waba_id}", permissions=strange, waba_id=waba_id)
        advice = Sentence(
            "Assign the WABA to the system user: business.facebook.com, Settings, WhatsApp accounts, People."
        )
        permissions = Check(subject, _PERMISSIONS, State.MISSING, text, advice)
    else:
        permissions = Check(subject, _PERMISSIONS, State.OK, ", ".join(SCOPES))
    return [_judge_expiry(subject, data.get("expires_at"), now), permissions]


def _judge_expiry(subject: Sentence, expires_at: object, now: dt.datetime) -> Check:
    if not isinstance(expires_at, int) or not 0 <= expires_at <= _MOST_SECONDS:
        return Check(subject, TOKEN, State.OK, Sentence("valid, Meta does not say until when"))
    if not expires_at:
        return Check(subject, TOKEN, State.OK, Sentence("valid, without an end"))
    at = dt.datetime.fromtimestamp(expires_at, dt.UTC)
    if at <= now:
        return Check(subject, TOKEN, State.MISSING, Sentence("expired on {at:%Y-%m-%d %H:%M} UTC", at=at), _RENEW)
    if at - now < _SOON:
        text = Sentence("valid until {at:%Y-%m-%d %H:%M} UTC: sends fail after that", at=at)
        return Check(subject, TOKEN, State.UNKNOWN, text, _RENEW)
    return Check(subject, TOKEN, State.OK, Sentence("valid until {at:%Y-%m-%d %H:%M} UTC", at=at))


def _find_foreign(granular: object, waba_id: str) -> list[str]:
    """Return the needed scopes that are limited to other WABAs. A scope without targets holds for all WABAs."""
    strange = []
    for each in granular if isinstance(granular, list) else []:
        if isinstance(each, Mapping) and each.get("scope") in SCOPES:
            targets = each.get("target_ids")
            if isinstance(targets, list) and targets and waba_id not in map(str, targets):
                strange.append(str(each["scope"]))
    return strange


def read_app_id(answer: Mapping[str, Any]) -> str | None:
    """Return the id of the app to which a token belongs, None if the answer contains no valid id."""
    data = answer.get("data")
    app_id = str(data.get("app_id")) if isinstance(data, Mapping) else ""
    return app_id if _APP_ID.fullmatch(app_id) else None


# Each row has a field of Meta's answer, the name of the check, the good values, the values that only a person can
# judge, and the advice.
_NUMBER_FIELDS = (
    ("status", NUMBER, {"CONNECTED"}, set[str](), Sentence("Look at the number: WhatsApp Manager, Phone numbers.")),
    (
        *("platform_type", Word("registration"), {"CLOUD_API"}, set[str]()),
        Sentence("Register the number for the Cloud API: App dashboard, WhatsApp, API setup."),
    ),
    # A verification code expires after some days. A number that is registered needs no code any more.
    (
        *("code_verification_status", Word("verification"), {"VERIFIED"}, {"EXPIRED"}),
        Sentence("Verify the number by SMS or call: WhatsApp Manager, Phone numbers."),
    ),
    (
        *("name_status", Word("display name"), {"APPROVED", "AVAILABLE_WITHOUT_REVIEW"}, {"PENDING_REVIEW", "NONE"}),
        Sentence("Hand in a display name that Meta accepts: WhatsApp Manager, Phone numbers, Profile."),
    ),
)


def judge_number(subject: Sentence, answer: Mapping[str, Any]) -> list[Check]:
    """Judge the status, the registration, the verification and the display name of a phone number."""
    checks = []
    for field, name, good, unclear, advice in _NUMBER_FIELDS:
        word = answer.get(field)
        if not isinstance(word, str):
            checks.append(Check(subject, name, State.UNKNOWN, Sentence("Meta does not say"), advice))
        elif word in good:
            checks.append(Check(subject, name, State.OK, word))
        else:
            state = State.UNKNOWN if word in unclear else State.MISSING
            checks.append(Check(subject, name, state, word[:64], advice))
    return checks


def judge_subscription(subject: Sentence, answer: Mapping[str, Any], *, app_id: str | None) -> Check:
    """Judge whether an app gets the webhooks of a WABA. `app_id`: the app of the token; None: any app may get them."""
    advice = Sentence("Subscribe the app to the WABA: POST /WABA_ID/subscribed_apps with the account's token.")
    listed = answer.get("data")
    if not isinstance(listed, list):
        return Check(subject, SUBSCRIPTION, State.UNKNOWN, Sentence("Meta's answer lists no apps"), advice)
    apps = [each.get("whatsapp_business_api_data") for each in listed if isinstance(each, Mapping)]
    ids = {str(app.get("id")) for app in apps if isinstance(app, Mapping)}
    if not ids:
        return Check(subject, SUBSCRIPTION, State.MISSING, Sentence("no app gets the WABA's webhooks"), advice)
    if app_id is not None and app_id not in ids:
        text = Sentence("only other apps get the WABA's webhooks, not {app_id}", app_id=app_id)
        return Check(subject, SUBSCRIPTION, State.MISSING, text, advice)
    return Check(subject, SUBSCRIPTION, State.OK, Sentence("app {app_id}", app_id=app_id or sorted(ids)))


def judge_app(subject: Sentence, answer: Mapping[str, Any], *, url: str | None) -> list[Check]:
    """Judge the address to which Meta posts an app's webhooks, and the subscribed fields.

    `url`: the address of our webhook; None: the address is not compared.
    """
    edit = Sentence("Edit it in the App dashboard: WhatsApp, Configuration, Webhook.")
    listed = answer.get("data")
    if not isinstance(listed, list):
        return [Check(subject, CALLBACK, State.UNKNOWN, Sentence("Meta's answer lists no webhooks"), edit)]
    ours = [each for each in listed if isinstance(each, Mapping) and each.get("object") == _OBJECT]
    if not ours:
        return [Check(subject, CALLBACK, State.MISSING, Sentence("the app has no webhook for WhatsApp"), edit)]
    return [_judge_callback(subject, ours[0], url, edit), _judge_fields(subject, ours[0].get("fields"))]


def _judge_callback(subject: Sentence, webhook: Mapping[str, Any], url: str | None, edit: Sentence) -> Check:
    given = str(webhook.get("callback_url") or "")[:_SHOWN_LENGTH]
    if not given:
        return Check(subject, CALLBACK, State.MISSING, Sentence("Meta posts to no address"), edit)
    if webhook.get("active") is not True:
        return Check(subject, CALLBACK, State.MISSING, Sentence("{url} is not active", url=given), edit)
    if url is not None and given != url[:_SHOWN_LENGTH]:
        text = Sentence("Meta posts to {given}, not to {url}", given=given, url=url)
        return Check(subject, CALLBACK, State.MISSING, text, edit)
    if url is None:
        text = Sentence("Meta posts to {given}: compare this with the public address of your webhooks", given=given)
        return Check(subject, CALLBACK, State.UNKNOWN, text)
    return Check(subject, CALLBACK, State.OK, given)


def _judge_fields(subject: Sentence, listed: object) -> Check:
    """Judge the subscribed fields. `listed`: a list of names, or of objects that have a name and a version."""
    advice = Sentence("Subscribe to them in the App dashboard: WhatsApp, Configuration, Webhook fields.")
    each_one = listed if isinstance(listed, list) else []
    fields = {str(each.get("name") if isinstance(each, Mapping) else each) for each in each_one}
    if lacking := [field for field in NEEDED_FIELDS if field not in fields]:
        text = Sentence("not subscribed to {fields}", fields=lacking)
        return Check(subject, _FIELDS, State.MISSING, text, advice)
    if lacking := [field for field in USEFUL_FIELDS if field not in fields]:
        text = Sentence("not subscribed to {fields}: useful", fields=lacking)
        return Check(subject, _FIELDS, State.UNKNOWN, text, advice)
    return Check(subject, _FIELDS, State.OK, ", ".join((*NEEDED_FIELDS, *USEFUL_FIELDS)))


def judge_template(subject: Sentence, name: Sentence, status: str | None, *, waba_id: str) -> Check:
    """Judge the status of a campaign's template in a WABA. `status` None: the WABA has no such template."""
    if status is not None and read_template_status(status) is TemplateStatus.APPROVED:
        return Check(subject, name, State.OK, Sentence("approved in WABA {waba_id}", waba_id=waba_id))
    advice = Sentence("Look at it, or make it: WhatsApp Manager, Message templates.")
    text = Sentence("is not in WABA {waba_id}", waba_id=waba_id)
    if status is not None:
        text = Sentence("{status} in WABA {waba_id}", status=status[:64], waba_id=waba_id)
    return Check(subject, name, State.MISSING, text, advice)


def judge_processes(queues: Mapping[str, Collection[str]], beats: Collection[str]) -> list[Check]:
    """Judge whether each queue has a worker, and whether beat runs.

    `queues`: by queue, the names of the workers that take tasks from the queue. `beats`: the names of the beat
    processes that answered.
    """
    checks = []
    for queue, role in QUEUES.items():
        workers = sorted(queues.get(queue, ()))
        advice = Sentence("Start the role `{role}` of the Procfile (`make up` starts all).", role=role)
        name = Sentence("queue {queue}", queue=queue)
        if workers:
            checks.append(Check(PROCESSES, name, State.OK, ", ".join(workers)))
        elif queue != FILES:  # only the console needs this role
            checks.append(Check(PROCESSES, name, State.MISSING, Sentence("no worker answers"), advice))
    if beats:
        checks.append(Check(PROCESSES, "beat", State.OK, ", ".join(sorted(beats))))
    else:
        advice = Sentence("Start the role `beat` of the Procfile (`make up` starts all).")
        checks.append(Check(PROCESSES, "beat", State.MISSING, Sentence("no beat ticks"), advice))
    return checks
