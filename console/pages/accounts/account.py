"""One account: its state, its replies, rate and quality over time, and its events."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, abort, render_template, request, url_for
from markupsafe import Markup

from campaigns.doctor.accounts import AccountState, describe_accounts
from campaigns.domain.account import missing_accounts
from campaigns.domain.health import health_from_json
from campaigns.domain.users.rights import Right
from campaigns.management.accounts import show_account
from campaigns.management.listings.samples import Span, show_account_timeline
from campaigns.store.accounts import AccountListing, list_accounts
from console.context import parts, user
from console.pages import ACCOUNT, read_number
from console.pages.accounts.events import describe_events
from console.pages.accounts.over_time import draw_account, list_spans
from console.rights import demands
from console.texts import _, plural

_EVENTS = 50


def register(app: Flask) -> None:
    app.add_url_rule(ACCOUNT, "account", show, methods=["GET"])


def load_state(account_id: int) -> AccountState:
    """Return the state of an account. Raises Refusal if there is no such account."""
    found = describe_accounts(parts().database, parts().settings, [account_id], time_zone=user().time_zone)
    if not found:
        raise missing_accounts([str(account_id)], [row.name for row in parts().database.run(list_accounts)])
    return found[0]


@demands(Right.SEE)
def show(account_id: int) -> str:
    return render(account_id)


def render(account_id: int, *, refusal: Markup | str = "") -> str:
    """Return the page of an account. `refusal`: why something was not done."""
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
        done=_read_done(state.row),
        refusal=refusal,
        user=user(),
    )


def _read_done(row: AccountListing) -> str:
    """Return a sentence about the change that led to this page, as long as the account is still as it was changed."""
    is_active, words = _DONE.get(request.args.get("done", ""), (None, str))
    return words() if is_active in {None, row.active} else ""


def _say_activated() -> str:
    count = request.args.get("count", 0, int)
    if count <= 0:
        return _("The account is active.")
    return plural(
        "The account is active, and %(count)s campaign that waited goes on.",
        "The account is active, and %(count)s campaigns that waited go on.",
        count,
    )


# By the value of `done` in the address: whether the account is active if the sentence is true (None: either), and the
# sentence.
_DONE: dict[str, tuple[bool | None, Callable[[], str]]] = {
    "activated": (True, _say_activated),
    "deactivated": (False, lambda: _("The account is inactive. It sends no more messages.")),
    "changed": (None, lambda: _("The account is changed.")),
    "replaced": (None, lambda: _("The token is replaced. If the account is inactive, activate it now.")),
    "added": (True, lambda: _("The account is added and active.")),
    "unchecked": (
        None,
        lambda: _("This is stored. Meta was not asked, or did not answer: read the health of the account now."),
    ),
    "checked": (None, lambda: _("The health below is the one that Meta has just reported.")),
}
