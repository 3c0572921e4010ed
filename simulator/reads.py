"""Answers reads of the Graph API: a number's health, a token, an app's webhooks, a WABA's apps and templates."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from simulator.catalogue import RefusalError
from simulator.checks import find_variables
from simulator.config import APP, Account, Template
from simulator.outcomes import BROKEN, Kind
from simulator.replies import Reply, break_reply, encode_json
from simulator.state import State

Query = Mapping[str, str]
_DEFAULT_FIELDS = ("id", "display_phone_number", "verified_name", "quality_rating")
_DEFAULT_PAGE = 25
# The default fields of Meta. They contain neither the quality nor the reason of a rejection.
_TEMPLATE_FIELDS = ("id", "name", "language", "status", "category", "parameter_format", "components")

_APP_FIELDS = (
    *("messages", "message_template_status_update", "template_category_update", "phone_number_quality_update"),
    *("account_update", "user_preferences", "user_id_update"),
)


def read_health(state: State, number: str, query: Query) -> Reply:
    """Answer `GET /{phone_number_id}?fields=…` by the account's `health` script."""
    account = state.find_account(number, "get")
    state.ledger.health_requests[number] += 1
    delay = state.latency_of(number)
    step = state.health_step(number, account)
    if step.kind is Kind.ERROR:
        raise RefusalError(step.code)
    known = _describe_number(number, account, step.kind if step.kind not in BROKEN else Kind.GREEN)
    fields = [name for name in query.get("fields", "").split(",") if name] or _DEFAULT_FIELDS
    unknown = next((name for name in fields if name not in known), None)
    if step.kind is Kind.UNKNOWN_FIELD:
        unknown = fields[-1]
    if unknown is not None:
        raise RefusalError(100, " ", message=f"(#100) Tried accessing nonexisting field ({unknown})")
    payload = encode_json(200, {name: known[name] for name in fields} | {"id": number})
    return break_reply(step, payload, delay)


def _describe_number(number: str, account: Account, quality: Kind) -> dict[str, Any]:
    can_send = "LIMITED" if quality is Kind.RED else "AVAILABLE"
    limited = {"additional_info": ["Your phone number has a low quality rating."]} if quality is Kind.RED else {}
    return {
        "id": number,
        "display_phone_number": account.display_phone_number,
        "verified_name": account.verified_name,
        "status": "CONNECTED",
        "quality_rating": quality.value,
        "quality_score": {"score": quality.value},
        "throughput": {"level": "STANDARD"},
        "platform_type": "CLOUD_API",
        "name_status": "APPROVED",
        "code_verification_status": "VERIFIED",
        "account_mode": "LIVE",
        "messaging_limit_tier": "TIER_2K",
        "whatsapp_business_manager_messaging_limit": "TIER_2K",
        "health_status": {
            "can_send_message": can_send,
            "entities": [
                {"entity_type": "PHONE_NUMBER", "id": number, "can_send_message": can_send, **limited},
                {"entity_type": "WABA", "id": account.waba_id, "can_send_message": "AVAILABLE"},
                {"entity_type": "BUSINESS", "id": "506914307656634", "can_send_message": "AVAILABLE"},
                {"entity_type": "APP", "id": APP, "can_send_message": "AVAILABLE"},
            ],
        },
        **account.health_fields,
    }


def read_token(state: State, query: Query) -> Reply:
    """Answer `GET /debug_token?input_token=…`: a token of the script is valid and never expires, others are invalid."""
    step = state.debug_token_step()
    if step.kind is Kind.ERROR:
        raise RefusalError(step.code)
    token = query.get("input_token")
    if not token:
        raise RefusalError(100, " ", message="(#100) The parameter input_token is required")
    is_valid = not state.config.tokens or token.encode() in state.config.tokens
    known: dict[str, Any] = {
        "app_id": APP,
        "type": "SYSTEM_USER",
        "application": "Muster App",
        "data_access_expires_at": 0,
        "expires_at": 0,
        "is_valid": is_valid,
        "scopes": ["whatsapp_business_management", "whatsapp_business_messaging"] if is_valid else [],
    }
    if not is_valid:
        known["error"] = {"code": 190, "message": "Invalid OAuth access token - Cannot parse access token"}
    payload = encode_json(200, {"data": known | state.config.token_fields})
    return break_reply(step, payload, state.latency_of(""))


def read_subscribed_apps(state: State, waba: str) -> Reply:
    """Answer `GET /{waba_id}/subscribed_apps`."""
    step = state.subscribed_apps_step()
    if step.kind is Kind.ERROR:
        raise RefusalError(step.code)
    apps = [
        {"id": app, "name": "Muster App", "link": f"https://www.facebook.com/games/?app_id={app}"}
        for app in state.config.subscribed_app_ids
    ]
    payload = encode_json(200, {"data": [{"whatsapp_business_api_data": app} for app in apps]})
    return break_reply(step, payload, state.latency_of(waba))


def read_app_webhooks(state: State, app: str, authorization: bytes) -> Reply:
    """Answer `GET /{app_id}/subscriptions`. Meta requires the app's own token, which is its id and its secret."""
    step = state.app_webhooks_step()
    if step.kind is Kind.ERROR:
        raise RefusalError(step.code)
    scheme, _, token = authorization.decode("latin-1").partition(" ")
    named, _, secret = token.partition("|")
    if scheme.lower() != "bearer" or not secret:
        raise RefusalError(15, " ", message="(#15) This method must be called with an app access_token.")
    if (named, app) != (APP, APP) or secret != (state.config.webhooks.app_secret or secret):
        raise RefusalError(190, message="Invalid OAuth access token signature.")
    webhook = {
        "object": "whatsapp_business_account",
        "callback_url": state.config.webhooks.callback_url,
        "active": True,
        "fields": [{"name": name, "version": "v24.0"} for name in _APP_FIELDS],
    }
    payload = encode_json(200, {"data": [webhook | state.config.app_webhook_fields]})
    return break_reply(step, payload, state.latency_of(""))


def read_templates(state: State, waba: str, query: Query, base_url: str) -> Reply:
    """Answer `GET /{waba_id}/message_templates`; `base_url` is the address for `paging.next`."""
    step = state.list_step(waba)
    if step.kind is Kind.ERROR:
        raise RefusalError(step.code)
    chosen = [template for template in state.config.templates if _is_requested(template, waba, query)]
    limit = query.get("limit", str(_DEFAULT_PAGE))
    if not limit.isdecimal() or limit == "0":
        raise RefusalError(100, "Param limit must be a positive integer.")
    start = _decode_cursor(query["after"]) if "after" in query else 0
    page = chosen[start : start + int(limit)]
    fields = [name for name in query.get("fields", "").split(",") if name] or _TEMPLATE_FIELDS
    described = [_describe_template(template) for template in page]
    unknown = next((name for name in fields if described and name not in described[0]), None)
    if unknown is not None:
        raise RefusalError(100, " ", message=f"(#100) Tried accessing nonexisting field ({unknown})")
    answer: dict[str, Any] = {"data": [{name: each[name] for name in ("id", *fields)} for each in described]}
    if step.kind is Kind.REPEAT:
        cursor = _encode_cursor(start)
        answer["paging"] = {"cursors": {"before": cursor, "after": cursor}, "next": f"{base_url}?after={cursor}"}
    elif page:
        after = _encode_cursor(start + len(page))
        answer["paging"] = {"cursors": {"before": _encode_cursor(start), "after": after}}
        if start + len(page) < len(chosen):
            answer["paging"]["next"] = f"{base_url}?{urlencode({**query, 'limit': limit, 'after': after})}"
    return break_reply(step, encode_json(200, answer), state.latency_of(waba))


def _is_requested(template: Template, waba: str, query: Query) -> bool:
    return (
        template.waba_id in ("", waba)
        and query.get("name", "") in template.name
        and query.get("language", template.language) == template.language
        and query.get("status", template.status) == template.status
    )


def _encode_cursor(offset: int) -> str:
    return base64.b64encode(str(offset).encode()).decode().rstrip("=") + "ZD"


def _decode_cursor(cursor: str) -> int:
    encoded = cursor.removesuffix("ZD")
    try:
        return int(base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True))
    except (binascii.Error, ValueError) as error:
        raise RefusalError(131059) from error


def _describe_template(template: Template) -> dict[str, Any]:
    named = any(not variable.isdecimal() for variable in find_variables(template.body))
    identity = binascii.crc32(f"{template.waba_id} {template.name} {template.language}".encode())
    body = [{"type": "BODY", "text": template.body}] if template.body else []
    return {
        "id": f"59442547{identity:010}",
        "name": template.name,
        "language": template.language,
        "status": template.status,
        "category": template.category,
        "parameter_format": "NAMED" if named else "POSITIONAL",
        "quality_score": {"score": template.quality, "date": 1789000000},
        "rejected_reason": "NONE",
        "components": [*body, *template.components],
    }
