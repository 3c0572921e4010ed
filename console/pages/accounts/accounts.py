"""All accounts: which number is in trouble, and what to do about it."""

from __future__ import annotations

from flask import Flask, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from campaigns.doctor.accounts import describe_accounts
from campaigns.domain.health import health_from_json
from campaigns.domain.users.rights import Right
from campaigns.management.accounts import show_account
from console.context import may, parts, user
from console.pages import read_number
from console.rights import demands

_ROWS = 50
_CAMPAIGNS = 3
# The page of each act that a hint names.
_ACTS = {"activate": "ask_activate_account", "change": "ask_change_account", "token": "ask_replace_token"}


def register(app: Flask) -> None:
    app.jinja_env.globals.update(health_from_json=health_from_json)
    app.add_url_rule("/accounts", "accounts", show_accounts, methods=["GET"])
    app.add_url_rule("/accounts/named", "named_account", find_account, methods=["GET"])


@demands(Right.SEE)
def show_accounts() -> str:
    after = read_number(request.args.get("after", "0"))
    if after is None:
        abort(400)
    found = describe_accounts(
        parts().database,
        parts().settings,
        after=after,
        limit=_ROWS + 1,
        time_zone=user().time_zone,
        campaign_limit=_CAMPAIGNS,
    )
    shown = found[:_ROWS]
    following = url_for("accounts", after=shown[-1].row.id) if len(found) > _ROWS else None
    return render_template("accounts/accounts.html", accounts=shown, after=after, following=following, user=user())


@demands(Right.SEE)
def find_account() -> Response:
    """Lead to the page of the account whose name or id is in the address, because a hint knows no more.

    Who may change accounts is led to what the hint advises. Raises Refusal.
    """
    found = show_account(parts().database, request.args.get("name", ""), event_limit=1)
    endpoint = _ACTS.get(request.args.get("act", "")) if may(Right.ACCOUNT_CHANGE) else None
    return redirect(url_for(endpoint or "account", account_id=found.account.id))
