"""Builds the requests of one slice: what each message sends, and by which account."""

from __future__ import annotations

import logging

from campaigns.domain.callback import CallbackData, write_callback
from campaigns.domain.filling import fill
from campaigns.domain.template import TemplateError, template_from_components
from campaigns.logs import event
from campaigns.sending.accounts import AccountPool
from campaigns.sending.leases import Lease
from campaigns.sending.settlement import InFlight
from campaigns.store.leases import LeaseRow
from campaigns.whatsapp.mailbox import Request
from campaigns.whatsapp.payloads import Encoder, make_encoder

_log = logging.getLogger("campaigns.sending")


class RequestBuilder:
    """Knows the template as the campaign fills it. `fits` is False if it is not the one the campaign was made for."""

    def __init__(
        self, row: LeaseRow, pool: AccountPool, lease: Lease, *, graph_api_url: str, installation: str
    ) -> None:
        self._pool, self._lease = pool, lease
        self._graph_api_url, self._installation = graph_api_url, installation
        self._encode = _make_encoder(row)

    @property
    def fits(self) -> bool:
        return self._encode is not None

    def build(self, in_flight: InFlight) -> Request:
        """Return the request of a claimed message. Raises TemplateError if its variables cannot be sent."""
        message, account = in_flight.message, in_flight.account
        assert self._encode is not None  # nothing is granted unless the template fits
        callback = write_callback(CallbackData(self._installation, message.id, message.send_no))
        return Request(
            key=in_flight,
            url=f"{self._graph_api_url}/{account.phone_number_id}/messages",
            headers=[f"Authorization: Bearer {self._pool.access_token(account)}", "Content-Type: application/json"],
            body=self._encode(message.phone, message.variables, callback),
            permit=self._lease,
        )


def _make_encoder(row: LeaseRow) -> Encoder | None:
    """Return what writes the bodies; None if the template is no longer the one that the campaign was made for."""
    try:
        filling = fill(template_from_components(row.template_name, row.language, row.components), row.parameters)
        if filling.names != row.columns:
            raise TemplateError(f"The template takes {filling.names} of each row, the recipients bring {row.columns}.")  # noqa: TRY301
        return make_encoder(filling)
    except TemplateError as error:
        bound = event("template_misfit", campaign_id=row.id, template_id=row.template_id)
        _log.warning("Campaign %s cannot be sent as its template is now: %s", row.id, error, extra=bound)
        return None
