"""Moves the bodies of the inbox to the targets that get them."""

from __future__ import annotations

from campaigns.store.database import Connection, Database
from campaigns.store.forwards import forwards
from campaigns.store.forwards.forwards import RoutedBody
from webhooks.forwarder.select import Webhook

# One call moves at most this many sets of bodies. The task that comes next moves the rest.
_MAX_SETS = 50


def route_bodies(database: Database) -> None:
    """Move the bodies of the inbox, set by set, each set in one transaction."""
    for _ in range(_MAX_SETS):
        if not database.run(_route_set):
            return


def _route_set(connection: Connection) -> int:
    received = forwards.take_inbox(connection)
    filters = forwards.list_filters(connection) if received else []
    routed: list[RoutedBody] = []
    for body in received:
        webhook = Webhook(body.body)
        routed += [
            RoutedBody(chosen.id, body, selection.phone_number_ids, selection.body)
            for chosen in filters
            if (selection := webhook.select(chosen)) is not None
        ]
    if routed:
        forwards.insert_forward_bodies(connection, routed)
    return len(received)
