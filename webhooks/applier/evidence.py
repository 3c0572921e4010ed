"""Defines `Evidence`, the report of a webhook about one message."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from campaigns.domain.message import Status
from campaigns.whatsapp.callback import CallbackData


# Evidence is never changed. It is not frozen, because Python takes three times as long to make a frozen object, and
# each status makes several. The same holds for the other types that this package makes for each status.
@dataclass(slots=True)
class Evidence:
    """One status of one message, as Meta reported it.

    `status` is sent, delivered, read or failed. `at` is Meta's time (UTC). `callback` is None if Meta sent no callback
    data that we can read; then only `wamid` identifies the message. `recipient` is the person's `wa_id` (digits), or
    "" if Meta sent none.
    """

    status: Status
    wamid: str
    at: dt.datetime
    phone_number_id: str
    waba_id: str
    callback: CallbackData | None
    recipient: str = ""
    error_code: int | None = None
    error_title: str = ""
    error_details: str = ""
    pricing_category: str = ""
    pricing_model: str = ""
    is_billable: bool | None = None
