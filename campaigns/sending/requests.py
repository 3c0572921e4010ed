"""Builds the HTTP requests of one slice from its claimed messages."""

from __future__ import annotations

import logging

from campaigns.domain.filling import fill, find_misfit
from campaigns.domain.template import TemplateError, template_from_components
from campaigns.logs import event
from campaigns.sending.accounts import AccountPool
from campaigns.sending.leases import Lease
from campaigns.sending.settlement import InFlight
from campaigns.store.accounts import AccountRow
from campaigns.store.leases import LeaseRow
from campaigns.whatsapp.callback import CallbackData, write_callback
from campaigns.whatsapp.mailbox import Request
from campaigns.whatsapp.payloads import Encoder, make_encoder

_log = logging.getLogger("campaigns.sending")


class RequestBuilder:
    """Builds the request of each message from the campaign's template."""

    def __init__(
        self, row: LeaseRow, pool: AccountPool, lease: Lease, *, graph_api_url: str, installation: str
    ) -> None:
        self._pool, self._lease = pool, lease
        self._graph_api_url, self._installation = graph_api_url, installation
        self._encode = _make_encoder(row)
        # By phone number id and token: the address and the header lines of the requests.
        self._targets: dict[tuple[str, bytes], tuple[str, list[str]]] = {}

    @property
    def fits(self) -> bool:
        """Return whether the template still takes the variables with which the campaign was created."""
        return self._encode is not None

    def build(self, in_flight: InFlight) -> Request:
        """Return the request of a claimed message. Raises TemplateError if the message's variables cannot be sent."""
        message, account = in_flight.message, in_flight.account
        assert self._encode is not None  # no token is granted unless the template fits
        callback = write_callback(CallbackData(self._installation, message.id, message.send_no))
        url, headers = self._find_target(account)
        return Request(in_flight, url, headers, self._encode(message.phone, message.variables, callback), self._lease)

    def _find_target(self, account: AccountRow) -> tuple[str, list[str]]:
        """Return the address and the header lines of the requests of an account."""
        target = self._targets.get((account.phone_number_id, account.token))
        if target is None:
            token = self._pool.access_token(account)
            target = (
                f"{self._graph_api_url}/{account.phone_number_id}/messages",
                [f"Authorization: Bearer {token}", "Content-Type: application/json"],
            )
            self._targets[account.phone_number_id, account.token] = target
        return target


def _make_encoder(row: LeaseRow) -> Encoder | None:
    """Return the encoder of request bodies; None if the template has changed and does not fit the campaign any more."""
    try:
        template = template_from_components(row.template_name, row.language, row.components)
        if misfit := find_misfit(template, row.parameters, row.columns):
            raise misfit
        return make_encoder(fill(template, row.parameters))
    except TemplateError as error:
        bound = event("template_misfit", campaign_id=row.id, template_id=row.template_id)
        _log.warning("Campaign %s does not fit its changed template: %s", row.id, error, extra=bound)
        return None
