"""Signs people in and out."""

from __future__ import annotations

from flask import Flask, g, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.management.users.sessions import end_session, log_in
from console.context import actor, console_session, find_user, is_by_proxy, parts, user
from console.errors import find_status
from console.forms.login import LoginForm
from console.rights import demands, public
from console.security import read_address, read_next
from console.texts import say


def register(app: Flask) -> None:
    app.add_url_rule("/login", "login", show_login, methods=["GET"])
    app.add_url_rule("/login", "log_in", do_login, methods=["POST"])
    app.add_url_rule("/logout", "log_out", do_logout, methods=["POST"])


@public
def show_login() -> str | Response:
    form = LoginForm()
    if find_user() is not None:
        return redirect(read_next() or url_for("now"))
    return _render(form)


@public
def do_login() -> str | Response | tuple[str, int]:
    form = LoginForm()
    if not form.validate_on_submit():
        return _render(form), 422
    try:
        opened = log_in(parts().database, parts().hasher, form.name.data, form.password.data, address=read_address())
    except Refusal as refusal:
        return _render(form, say(refusal)), find_status(refusal)
    console_session().token = opened.token
    return redirect(read_next() or url_for("now"))


@demands(Right.SEE)
def do_logout() -> Response | str:
    """Sign out in this browser. A user whom a proxy has signed in signs out there."""
    if is_by_proxy():
        return render_template("by_proxy.html", user=user())
    token = console_session().token
    assert token is not None
    end_session(parts().database, token, actor=actor())
    console_session().token = None
    g.user = None
    return redirect(url_for("login"))


def _render(form: LoginForm, refusal: Markup | None = None) -> str:
    return render_template(
        "login.html",
        form=form,
        refusal=refusal,
        next=read_next(),
        has_new_password=request.args.get("done") == "password",
        ended=request.args.get("ended"),
        user=None,
    )
