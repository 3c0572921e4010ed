"""Changes of accounts: add, change, token, activate, deactivate, and the health that is read now."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from flask import Flask, redirect, render_template, url_for
from flask_wtf import FlaskForm
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.doctor.accounts import AccountState
from campaigns.doctor.health import check_now
from campaigns.domain.account import strip_token
from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.management.access import try_access, try_change
from campaigns.management.accounts import (
    WAITS_FOR_ACCOUNT,
    activate_account,
    add_account,
    change_account,
    check_changes,
    check_new_account,
    deactivate_account,
)
from campaigns.store.accounts import AccountListing
from campaigns.store.portfolios import list_portfolios
from console.context import actor, parts, user
from console.errors import find_status
from console.forms.accounts import AccountForm, NewAccountForm, TokenForm, WhyForm
from console.pages import ACCOUNT
from console.pages.accounts.account import load_state, render
from console.rights import demands, sensitive
from console.texts import _, say
from console.typed import keeps_typed

_Answer = str | Response | tuple[str, int]
_DEFAULTS = {"messages_per_second": 80, "failure_limit": 5}
# The field of a form to which a refusal belongs.
_FIELDS = {
    "account_name_invalid": "name",
    "account_exists": "name",
    "phone_number_id_taken": "phone_number_id",
    "portfolio_missing": "portfolio",
    "token_invalid": "token",
    "secret_key_missing": "token",
}


def register(app: Flask) -> None:
    app.add_url_rule("/accounts/new", "new_account", ask_account, methods=["GET"])
    app.add_url_rule("/accounts/new", "add_account", add, methods=["POST"])
    app.add_url_rule(f"{ACCOUNT}/change", "ask_change_account", ask_change, methods=["GET"])
    app.add_url_rule(f"{ACCOUNT}/change", "change_account", change, methods=["POST"])
    app.add_url_rule(f"{ACCOUNT}/token", "ask_replace_token", ask_token, methods=["GET"])
    app.add_url_rule(f"{ACCOUNT}/token", "replace_token", replace_token, methods=["POST"])
    app.add_url_rule(f"{ACCOUNT}/activate", "ask_activate_account", ask_activate, methods=["GET"])
    app.add_url_rule(f"{ACCOUNT}/activate", "activate_account", activate, methods=["POST"])
    app.add_url_rule(f"{ACCOUNT}/deactivate", "ask_deactivate_account", ask_deactivate, methods=["GET"])
    app.add_url_rule(f"{ACCOUNT}/deactivate", "deactivate_account", deactivate, methods=["POST"])
    app.add_url_rule(f"{ACCOUNT}/check", "check_account", check, methods=["POST"])


@sensitive
@demands(Right.ACCOUNT_CHANGE)
def ask_account() -> str:
    return _render_form(NewAccountForm(data=_DEFAULTS))


@sensitive
@demands(Right.ACCOUNT_CHANGE)
def add() -> _Answer:
    form = NewAccountForm()
    if not form.validate_on_submit():
        return _render_form(form), 422
    settings, warning = parts().settings, None
    given: dict[str, Any] = form.read()
    name, token = given.pop("name"), strip_token(form.token.data)
    given |= {"token": token, "secret_key": settings.secret_key, "portfolio": form.portfolio.data or None}
    try:
        check_new_account(parts().database, name, **given)
        if not form.unchecked.data:
            warning = try_access(settings, account=name, phone_number_id=given["phone_number_id"], token=token)
        account_id = add_account(parts().database, name, actor=actor(), **given)
    except Refusal as refusal:
        return _render_form(form, refusal=_blame(form, refusal)), find_status(refusal)
    return _finish(account_id, "unchecked" if form.unchecked.data or warning else "added")


@keeps_typed
@demands(Right.ACCOUNT_CHANGE)
def ask_change(account_id: int) -> str:
    row = load_state(account_id).row
    shown = _list_columns(row) | {"portfolio": row.portfolio or "", "seen": _digest(row)}
    return _render_form(AccountForm(data=shown), row)


@demands(Right.ACCOUNT_CHANGE)
def change(account_id: int) -> _Answer:
    row, form = load_state(account_id).row, AccountForm()
    if not form.validate_on_submit():
        return _render_form(form, row), 422
    if form.seen.data != _digest(row):
        form.seen.data = _digest(row)
        text = _("Somebody has changed this account since the page was shown. Compare the values, and send them again.")
        return _render_form(form, row, refusal=text), 409
    before = _list_columns(row)
    changes = {column: value for column, value in form.read().items() if value != before[column]}
    portfolio = form.portfolio.data or None
    if not changes and portfolio == row.portfolio:
        return _render_form(form, row, refusal=_("You have changed no value.")), 422
    number, warning = changes.get("phone_number_id"), None
    try:
        if number is not None and not form.unchecked.data:
            warning = _try(row, changes, number=str(number))
        _carry_out(row, changes, is_moved=portfolio != row.portfolio, portfolio=portfolio)
    except Refusal as refusal:
        return _render_form(form, row, refusal=_blame(form, refusal)), find_status(refusal)
    return _finish(account_id, "unchecked" if warning or (number and form.unchecked.data) else "changed")


@sensitive
@demands(Right.ACCOUNT_CHANGE)
def ask_token(account_id: int) -> str:
    return _render("token", load_state(account_id), TokenForm())


@sensitive
@demands(Right.ACCOUNT_CHANGE)
def replace_token(account_id: int) -> _Answer:
    state, form = load_state(account_id), TokenForm()
    if not form.validate_on_submit():
        return _render("token", state, form), 422
    changes, warning = {"token": strip_token(form.token.data)}, None
    try:
        if not form.unchecked.data:
            warning = _try(state.row, changes, token=changes["token"])
        _carry_out(state.row, changes)
    except Refusal as refusal:
        return _render("token", state, form, _blame(form, refusal)), find_status(refusal)
    return _finish(account_id, "unchecked" if warning or form.unchecked.data else "replaced")


@keeps_typed
@demands(Right.ACCOUNT_CHANGE)
def ask_activate(account_id: int) -> str:
    return _render("activate", load_state(account_id), WhyForm())


@demands(Right.ACCOUNT_CHANGE)
def activate(account_id: int) -> _Answer:
    state, form = load_state(account_id), WhyForm()
    if not form.validate_on_submit():
        return _render("activate", state, form), 422
    _row, enqueued = activate_account(parts().database, state.row.name, actor=form.add_reason(actor()))
    parts().enqueue(enqueued)
    return redirect(url_for("account", account_id=account_id, done="activated", count=len(enqueued)))


@keeps_typed
@demands(Right.ACCOUNT_CHANGE)
def ask_deactivate(account_id: int) -> str:
    return _render("deactivate", load_state(account_id), WhyForm())


@demands(Right.ACCOUNT_CHANGE)
def deactivate(account_id: int) -> _Answer:
    state, form = load_state(account_id), WhyForm()
    if not form.validate_on_submit():
        return _render("deactivate", state, form), 422
    deactivate_account(parts().database, state.row.name, actor=form.add_reason(actor()))
    return _finish(account_id, "deactivated")


@demands(Right.ACCOUNT_CHECK)
def check(account_id: int) -> _Answer:
    """Ask Meta for the health of an account. A person may ask at any time; sending does not depend on the answer."""
    row = load_state(account_id).row
    error = check_now(parts().database, parts().settings, row.id, row.name)
    if error is None:
        return _finish(account_id, "checked")
    return render(account_id, refusal=Markup("{} {}").format(_("The health could not be read:"), say(error))), 503


def _try(
    row: AccountListing, changes: Mapping[str, Any], *, number: str | None = None, token: str | None = None
) -> bool:
    """Ask Meta before a token or a phone number id is stored; return whether Meta gave no answer. Raises Refusal."""
    database, settings = parts().database, parts().settings
    check_changes(database, row.name, changes, secret_key=settings.secret_key)
    return try_change(database, settings, row.id, phone_number_id=number, token=token) is not None


def _carry_out(row: AccountListing, changes: Mapping[str, Any], **move: Any) -> None:
    by, key = actor(), parts().settings.secret_key
    _row, enqueued = change_account(parts().database, row.name, changes, actor=by, secret_key=key, **move)
    parts().enqueue(enqueued)


def _list_columns(row: AccountListing) -> dict[str, str | int]:
    """Return the columns that a form shows."""
    columns = ("name", "phone_number_id", "waba_id", "messages_per_second", "failure_limit")
    return {column: getattr(row, column) for column in columns}


def _digest(row: AccountListing) -> str:
    """Return a value that is another one as soon as somebody has changed the account."""
    return hashlib.sha256(repr((_list_columns(row), row.portfolio)).encode()).hexdigest()[:16]


def _blame(form: FlaskForm, refusal: Refusal) -> Markup | str:
    """Put a refusal at its field; return it if it has none on this form."""
    name = _FIELDS.get(refusal.code) or str(refusal.values.get("column", ""))
    if refusal.code == "meta_refuses":
        form.offers_unchecked = True
        name = "token" if "token" in form else "phone_number_id"
    if name not in form:
        return say(refusal)
    form[name].errors = [say(refusal)]
    return ""


def _finish(account_id: int, done: str) -> Response:
    return redirect(url_for("account", account_id=account_id, done=done))


def _render_form(form: AccountForm, row: AccountListing | None = None, *, refusal: Markup | str = "") -> str:
    form.offer_portfolios([each.name for each in parts().database.run(list_portfolios)])
    return render_template("accounts/form.html", form=form, row=row, refusal=refusal, user=user())


def _render(name: str, state: AccountState, form: FlaskForm, refusal: Markup | str = "") -> str:
    return render_template(
        f"accounts/{name}.html",
        account=state,
        row=state.row,
        waiting=[each for each in state.campaigns if each.waiting_reason in WAITS_FOR_ACCOUNT],
        sent=[each for each in state.campaigns if each.open_count],
        form=form,
        refusal=refusal,
        back=url_for("account", account_id=state.row.id),
        user=user(),
    )
