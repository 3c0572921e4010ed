"""One account: its state, its replies, rate and quality over time, and its events."""

from __future__ import annotations

from flask import Flask, abort, render_template, request, url_for

from campaigns.doctor.accounts import AccountState, describe_accounts
from campaigns.domain.account import missing_accounts
from campaigns.domain.health import health_from_json
from campaigns.domain.users.rights import Right
from campaigns.management.accounts import show_account
from campaigns.management.listings.samples import Span, show_account_timeline
from console.context import parts, user
from console.pages import ACCOUNT, read_number
from console.pages.accounts.events import describe_events
from console.pages.accounts.over_time import draw_account, list_spans
from console.rights import demands

_EVENTS = 50


def register(app: Flask) -> None:
    app.add_url_rule(ACCOUNT, "account", show, methods=["GET"])


def load_state(account_id: int) -> AccountState:
    """Return the state of an account. Raises Refusal if there is no such account."""
    found = describe_accounts(parts().database, parts().settings, [account_id], time_zone=user().time_zone)
    if not found:
        raise missing_accounts([str(account_id)])
    return found[0]


@demands(Right.SEE)
def show(account_id: int) -> str:
    span, before = request.args.get("span", Span.DAY), request.args.get("before", "")
    before_id = read_number(before)
    if span not in set(Span) or (before and before_id is None):
        abort(400)
    state = load_state(account_id)
    events = show_account(parts().database, state.row.name, event_limit=_EVENTS + 1, before=before_id).events
    older = None
    if len(events) > _EVENTS:
        older = url_for("account", account_id=account_id, span=span, before=events[_EVENTS - 1].id, _anchor="events")
    timeline = show_account_timeline(parts().database, account_id, Span(span))
    return render_template(
        "accounts/account.html",
        account=state,
        health=health_from_json(state.row.health),
        over_time=draw_account(timeline, state.row),
        spans=list_spans(),
        span=span,
        events=describe_events(events[:_EVENTS]),
        older=older,
        is_older=bool(before),
        user=user(),
    )
