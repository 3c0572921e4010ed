"""Stops the live updates of all open pages of a user, or starts them again."""

from __future__ import annotations

from flask import Flask, abort, redirect, request, url_for
from werkzeug.wrappers import Response

from campaigns.domain.users.rights import Right
from campaigns.management.users.preferences import choose_updates
from console.context import actor, parts, user
from console.rights import demands
from console.security import read_next

_CHOICES = {"on": True, "off": False}


def register(app: Flask) -> None:
    app.add_url_rule("/updates", "choose_updates", choose, methods=["POST"])


@demands(Right.SEE)
def choose() -> Response:
    chosen = _CHOICES.get(request.form.get("updates", ""))
    if chosen is None:
        abort(400)
    choose_updates(parts().database, user().user_id, wants_updates=chosen, actor=actor())
    return redirect(read_next() or url_for("now"))
