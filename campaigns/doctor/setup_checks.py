"""What the answers of Meta and of our own processes say about a setup: there, missing, or not to be known."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from campaigns.broker.queues import QUEUES

SCOPES = ("whatsapp_business_messaging", "whatsapp_business_management")
# What the app subscribes to. Without the first nothing is heard of deliveries, opt-outs and templates that are paused;
# the others report on accounts, and on people's new user ids.
NEEDED_FIELDS = ("messages", "message_template_status_update", "user_preferences")
USEFUL_FIELDS = ("template_category_update", "phone_number_quality_update", "account_update", "user_id_update")

_APP_ID = re.compile(r"[0-9]{1,32}")
_OBJECT = "whatsapp_business_account"
# A token that ends sooner than this is worth a word while there is time.
_SOON = dt.timedelta(days=7)
_SHOWN_LENGTH = 256
_MOST_SECONDS = 253_402_300_799  # the last second that a datetime knows

_RENEW = (
    "Make a token of a system user with both permissions (business.facebook.com, Settings, System users), "
    "then `revoada account set ACCOUNT --token-stdin`."
)


class SetupError(ValueError):
    """What shall be looked at does not exist. The message is one sentence for a person."""


class State(StrEnum):
    OK = "ok"
    MISSING = "missing"  # it will not work like this
    UNKNOWN = "unknown"  # could not be looked at, or only a person can tell


@dataclass(frozen=True, slots=True)
class Check:
    """One piece of a setup. `advice`: what to do and where, for what is missing."""

    subject: str
    name: str
    state: State
    text: str
    advice: str = ""


def judge_token(subject: str, answer: Mapping[str, Any], *, waba_id: str, now: dt.datetime) -> list[Check]:
    """Judge an answer of `debug_token`: whether it is valid, how long, and what it may do with this WABA."""
    data = answer.get("data")
    if not isinstance(data, Mapping) or not isinstance(data.get("is_valid"), bool):
        return [Check(subject, "token", State.UNKNOWN, "Meta's answer says nothing of it", _RENEW)]
    if not data["is_valid"]:
        return [Check(subject, "token", State.MISSING, "expired, revoked or unreadable", _RENEW)]
    scopes = data.get("scopes")
    granted = set(map(str, scopes)) if isinstance(scopes, list) else set()
    if lacking := [scope for scope in SCOPES if scope not in granted]:
        permissions = Check(subject, "permissions", State.MISSING, f"lacks {', '.join(lacking)}", _RENEW)
    elif strange := _find_foreign(data.get("granular_scopes"), waba_id):
        text = f"{', '.join(strange)} not for WABA {waba_id}"
        advice = "Assign the WABA to the system user: business.facebook.com, Settings, WhatsApp accounts, People."
        permissions = Check(subject, "permissions", State.MISSING, text, advice)
    else:
        permissions = Check(subject, "permissions", State.OK, ", ".join(SCOPES))
    return [_judge_expiry(subject, data.get("expires_at"), now), permissions]


def _judge_expiry(subject: str, expires_at: object, now: dt.datetime) -> Check:
    if not isinstance(expires_at, int) or not 0 <= expires_at <= _MOST_SECONDS:
        return Check(subject, "token", State.OK, "valid, Meta does not say until when")
    if not expires_at:
        return Check(subject, "token", State.OK, "valid, without an end")
    at = dt.datetime.fromtimestamp(expires_at, dt.UTC)
    text = f"valid until {at:%Y-%m-%d %H:%M} UTC"
    if at <= now:
        return Check(subject, "token", State.MISSING, f"expired on {at:%Y-%m-%d %H:%M} UTC", _RENEW)
    if at - now < _SOON:
        return Check(subject, "token", State.UNKNOWN, f"{text}: soon, sends fail then", _RENEW)
    return Check(subject, "token", State.OK, text)


def _find_foreign(granular: object, waba_id: str) -> list[str]:
    """Return the needed scopes that are limited to other WABAs. Without targets a scope holds for all."""
    strange = []
    for each in granular if isinstance(granular, list) else []:
        if isinstance(each, Mapping) and each.get("scope") in SCOPES:
            targets = each.get("target_ids")
            if isinstance(targets, list) and targets and waba_id not in map(str, targets):
                strange.append(str(each["scope"]))
    return strange


def read_app_id(answer: Mapping[str, Any]) -> str | None:
    """Return the app that a token belongs to, None where the answer does not say."""
    data = answer.get("data")
    app_id = str(data.get("app_id")) if isinstance(data, Mapping) else ""
    return app_id if _APP_ID.fullmatch(app_id) else None


# field → name, good words, words that only a person can judge, what to do
_NUMBER_FIELDS = (
    ("status", "number", {"CONNECTED"}, set[str](), "Look at the number: WhatsApp Manager, Phone numbers."),
    (
        *("platform_type", "registration", {"CLOUD_API"}, set[str]()),
        "Register the number for the Cloud API: App dashboard, WhatsApp, API setup.",
    ),
    # The code of the verification ends after days; a number that is registered does not need it any more.
    (
        *("code_verification_status", "verification", {"VERIFIED"}, {"EXPIRED"}),
        "Verify the number by SMS or call: WhatsApp Manager, Phone numbers.",
    ),
    (
        *("name_status", "display name", {"APPROVED", "AVAILABLE_WITHOUT_REVIEW"}, {"PENDING_REVIEW", "NONE"}),
        "Hand in a display name that Meta accepts: WhatsApp Manager, Phone numbers, Profile.",
    ),
)


def judge_number(subject: str, answer: Mapping[str, Any]) -> list[Check]:
    """Judge how a phone number is registered."""
    checks = []
    for field, name, good, doubtful, advice in _NUMBER_FIELDS:
        word = answer.get(field)
        if not isinstance(word, str):
            checks.append(Check(subject, name, State.UNKNOWN, "Meta does not say", advice))
        elif word in good:
            checks.append(Check(subject, name, State.OK, word))
        else:
            state = State.UNKNOWN if word in doubtful else State.MISSING
            checks.append(Check(subject, name, state, word[:64], advice))
    return checks


def judge_subscription(subject: str, answer: Mapping[str, Any], *, app_id: str | None) -> Check:
    """Judge whether the token's app (None: any app) gets the webhooks of a WABA."""
    advice = "Subscribe the app to the WABA: POST /WABA_ID/subscribed_apps with the account's token."
    listed = answer.get("data")
    if not isinstance(listed, list):
        return Check(subject, "webhook subscription", State.UNKNOWN, "Meta's answer lists no apps", advice)
    apps = [each.get("whatsapp_business_api_data") for each in listed if isinstance(each, Mapping)]
    ids = {str(app.get("id")) for app in apps if isinstance(app, Mapping)}
    if not ids:
        return Check(subject, "webhook subscription", State.MISSING, "no app gets the WABA's webhooks", advice)
    if app_id is not None and app_id not in ids:
        text = f"only other apps get the WABA's webhooks, not {app_id}"
        return Check(subject, "webhook subscription", State.MISSING, text, advice)
    return Check(subject, "webhook subscription", State.OK, f"app {app_id or ', '.join(sorted(ids))}")


def judge_app(subject: str, answer: Mapping[str, Any], *, url: str | None) -> list[Check]:
    """Judge where an app has its webhooks of WABAs posted to, and which it gets. `url`: the address that is ours."""
    edit = "Edit it in the App dashboard: WhatsApp, Configuration, Webhook."
    listed = answer.get("data")
    if not isinstance(listed, list):
        return [Check(subject, "callback URL", State.UNKNOWN, "Meta's answer lists no webhooks", edit)]
    ours = [each for each in listed if isinstance(each, Mapping) and each.get("object") == _OBJECT]
    if not ours:
        return [Check(subject, "callback URL", State.MISSING, "the app has no webhook for WhatsApp", edit)]
    return [_judge_callback(subject, ours[0], url, edit), _judge_fields(subject, ours[0].get("fields"))]


def _judge_callback(subject: str, webhook: Mapping[str, Any], url: str | None, edit: str) -> Check:
    told = str(webhook.get("callback_url"))[:_SHOWN_LENGTH]
    if webhook.get("active") is not True:
        return Check(subject, "callback URL", State.MISSING, f"{told} is not active", edit)
    if url is not None and told != url[:_SHOWN_LENGTH]:
        return Check(subject, "callback URL", State.MISSING, f"Meta posts to {told}, not to {url}", edit)
    return Check(subject, "callback URL", State.OK, told)


def _judge_fields(subject: str, listed: object) -> Check:
    """Judge the fields that are subscribed to: names, or objects with a name and a version."""
    advice = "Subscribe to them in the App dashboard: WhatsApp, Configuration, Webhook fields."
    each_one = listed if isinstance(listed, list) else []
    fields = {str(each.get("name") if isinstance(each, Mapping) else each) for each in each_one}
    if lacking := [field for field in NEEDED_FIELDS if field not in fields]:
        return Check(subject, "fields", State.MISSING, f"not subscribed to {', '.join(lacking)}", advice)
    if lacking := [field for field in USEFUL_FIELDS if field not in fields]:
        return Check(subject, "fields", State.UNKNOWN, f"not subscribed to {', '.join(lacking)}: useful", advice)
    return Check(subject, "fields", State.OK, ", ".join((*NEEDED_FIELDS, *USEFUL_FIELDS)))


def judge_template(subject: str, name: str, status: str | None, *, waba_id: str) -> Check:
    """Judge what a WABA says of a template that a campaign sends."""
    if status == "APPROVED":
        return Check(subject, name, State.OK, f"approved in WABA {waba_id}")
    advice = "Look at it, or make it: WhatsApp Manager, Message templates."
    text = f"is not in WABA {waba_id}" if status is None else f"{status[:64]} in WABA {waba_id}"
    return Check(subject, name, State.MISSING, text, advice)


def judge_processes(queues: Mapping[str, Collection[str]], beats: Collection[str]) -> list[Check]:
    """Judge who answered: `queues` are the workers of each queue."""
    checks = []
    for queue, role in QUEUES.items():
        workers = sorted(queues.get(queue, ()))
        advice = f"Start the role `{role}` of the Procfile (`make up` starts all)."
        if workers:
            checks.append(Check("processes", f"queue {queue}", State.OK, ", ".join(workers)))
        else:
            checks.append(Check("processes", f"queue {queue}", State.MISSING, "no worker answers", advice))
    if beats:
        checks.append(Check("processes", "beat", State.OK, ", ".join(sorted(beats))))
    else:
        advice = "Start the role `beat` of the Procfile (`make up` starts all)."
        checks.append(Check("processes", "beat", State.MISSING, "no beat ticks", advice))
    return checks
