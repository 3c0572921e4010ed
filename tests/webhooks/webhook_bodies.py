"""Webhook bodies for the tests, composed from the protocol page."""

import json
from typing import Any

APP_SECRET = "an app secret"
VERIFY_TOKEN = "a verify token"
WABA_ID = "300100200"
PHONE_NUMBER_ID = "500600700"
AT = 1_790_000_000


def make_status(**changes: Any) -> dict[str, Any]:
    """A status; a change to None takes the key away."""
    status = {
        "id": "wamid.HBgLNTU=",
        "status": "delivered",
        "timestamp": str(AT),
        "recipient_id": "5511900000001",
        "biz_opaque_callback_data": "r1.0badcafe.34.2",
        **changes,
    }
    return {key: value for key, value in status.items() if value is not None}


def make_value(*statuses: Any, **more: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": "15550001111", "phone_number_id": PHONE_NUMBER_ID}
    return {"messaging_product": "whatsapp", "metadata": metadata, "statuses": list(statuses), **more}


def make_body(value: Any, field: Any = "messages", **entry: Any) -> bytes:
    entry = {"id": WABA_ID, "changes": [{"field": field, "value": value}], **entry}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def make_statuses_body(*statuses: Any) -> bytes:
    return make_body(make_value(*statuses))
