"""Asks for the password again before sensitive acts, and leads back to the page that was wanted."""

from __future__ import annotations

from flask import Flask, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.management.users.sessions import confirm_session
from console.context import console_session, parts, user
from console.errors import find_status
from console.forms.users import PasswordForm
from console.rights import demands
from console.security import read_address, read_next
from console.texts import _, say


def register(app: Flask) -> None:
    app.add_url_rule("/confirm", "confirm", ask, methods=["GET"])
    app.add_url_rule("/confirm", "do_confirm", confirm, methods=["POST"])


@demands(Right.SEE)
def ask() -> str | Response:
    return redirect(_find_next()) if user().is_confirmed else _render(PasswordForm())


@demands(Right.SEE)
def confirm() -> str | Response | tuple[str, int]:
    form = PasswordForm()
    if user().is_confirmed:
        return redirect(_find_next())
    if not form.validate_on_submit():
        return _render(form), 422
    token = console_session().token
    assert token is not None  # the user of a proxy is always confirmed
    try:
        confirm_session(parts().database, parts().hasher, token, form.password.data, address=read_address())
    except Refusal as refusal:
        wrong = Markup.escape(_("The password is wrong.")) if refusal.code == "login_wrong" else say(refusal)
        return _render(form, wrong), find_status(refusal)
    return redirect(_find_next())


def _find_next() -> str:
    return read_next() or url_for("now")


def _render(form: PasswordForm, refusal: Markup | None = None) -> str:
    is_lost = request.values.get("lost") == "yes"
    return render_template(
        "users/confirm.html", form=form, refusal=refusal, next=read_next(), is_lost=is_lost, user=user()
    )
