"""The prices of messages: those in force, those of each day, and the example of a price list."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

from flask import Flask, abort, render_template, request
from flask.wrappers import Response

from campaigns.domain.prices.price_list import Category, write_example
from campaigns.domain.users.rights import Right
from campaigns.management.prices.cards import CardState, show_cards
from console.context import parts, user
from console.rights import demands
from console.texts import _, local_day

_STATES: Mapping[CardState, Callable[[], str]] = {
    CardState.COMING: lambda: _("not yet in force"),
    CardState.IN_FORCE: lambda: _("in force"),
    CardState.REPLACED: lambda: _("replaced by newer prices"),
}


def register(app: Flask) -> None:
    app.add_url_rule("/settings/prices", "prices", show, methods=["GET"])
    app.add_url_rule("/settings/prices/example.csv", "example_prices", download_example, methods=["GET"])


@demands(Right.SEE)
def show() -> str:
    chosen = read_day(request.args.get("day", ""))
    shown = show_cards(parts().database, today=find_today(), chosen=chosen)
    if chosen is not None and not shown.rows:
        abort(404, _("There are no prices with this first day. Somebody may have removed them."))
    return render_template(
        "settings/prices.html",
        shown=shown,
        chosen=chosen,
        categories=list(Category),
        states={state: words() for state, words in _STATES.items()},
        done=_read_done(),
        user=user(),
    )


@demands(Right.SEE)
def download_example() -> Response:
    headers = {"Content-Disposition": 'attachment; filename="prices.csv"'}
    return Response(write_example(find_today()), mimetype="text/csv", headers=headers)


def find_today() -> dt.date:
    """Return the present day on the clock of the reader."""
    return dt.datetime.now(ZoneInfo(user().time_zone)).date()


def read_day(text: str) -> dt.date | None:
    """Return the day in an address; None if there is none. A text that is no day is no page."""
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        abort(404)


def _read_done() -> str:
    if request.args.get("done") == "loaded":
        return _("The prices are loaded.")
    if request.args.get("done") == "removed":
        day = read_day(request.args.get("removed", ""))
        return _("The prices from %(day)s on are removed.", day=local_day(day)) if day else ""
    return ""
