"""What a webhook proves about one message."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from campaigns.domain.callback import CallbackData
from campaigns.domain.message import Status


@dataclass(frozen=True, slots=True)
class Evidence:
    """One status of one message, as Meta reported it.

    `status` is one of sent, delivered, read, failed. `at` is Meta's time (UTC). `callback` is None where Meta sent no
    callback data, or none that we can read; then `wamid` is what is left to match by. `recipient` is the `wa_id` of
    the person (digits), "" where Meta names none.
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
