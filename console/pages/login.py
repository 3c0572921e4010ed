"""Signs people in and out."""

from __future__ import annotations

from flask import Flask, g, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.management.users.sessions import end_session, log_in
from campaigns.management.users.users import UserChanges, change_user
from campaigns.metrics.counts import counts
from campaigns.store.users.sessions import SessionUser
from console.context import actor, console_session, find_user, is_by_proxy, parts, user
from console.errors import find_status
from console.forms.login import LoginForm
from console.rights import demands, find_wanted, public
from console.security import read_address, read_next
from console.texts import LANGUAGES, say
from console.typed import SessionEndedError, find_owner, load_fields, write_fields


def register(app: Flask) -> None:
    app.add_url_rule("/login", "login", show_login, methods=["GET"])
    app.add_url_rule("/login", "log_in", do_login, methods=["POST"])
    app.register_error_handler(SessionEndedError, ask_again)
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
        counts.add("revoada_logins_total", "limited" if refusal.code == "login_limited" else "wrong")
        return _render(form, say(refusal)), find_status(refusal)
    counts.add("revoada_logins_total", "signed_in")
    session, owner = console_session(), str(opened.user.user_id)
    session.token, session.owner = opened.token, owner
    _keep_language(opened.user)
    page, fields = read_next(), load_fields(form.typed.data or "")
    if page and find_owner(fields) == owner:
        return render_template("typed.html", page=page, fields=fields, user=None)
    return redirect(page or url_for("now"))


def _keep_language(signed_in: SessionUser) -> None:
    """Write the language that a person has chosen on the page of the login into the profile."""
    chosen = request.args.get("language")
    if chosen in LANGUAGES and chosen != signed_in.language:
        g.user = signed_in
        change_user(parts().database, signed_in.name, UserChanges(language=chosen), actor=actor())


def ask_again(error: SessionEndedError) -> tuple[str, int]:
    """Ask to sign in. The page carries the fields of the form that was sent."""
    form = LoginForm(formdata=None, data={"typed": write_fields(error.fields)})
    return _render(form, wanted=find_wanted()), 401


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


def _render(form: LoginForm, refusal: Markup | None = None, *, wanted: str | None = None) -> str:
    """`wanted`: the page that follows; None: the one that the request names."""
    return render_template(
        "login.html",
        form=form,
        refusal=refusal,
        next=read_next() if wanted is None else wanted,
        has_new_password=request.args.get("done") == "password",
        ended=request.args.get("ended"),
        chosen_language=request.args.get("language"),
        user=None,
    )
