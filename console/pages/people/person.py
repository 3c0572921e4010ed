"""One person: what the person got, whether the person has opted out, and how an admin erases the person."""

from __future__ import annotations

from dataclasses import replace

from flask import Flask, abort, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.phone.person import is_number, recipient_key
from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.management.listings.people import PersonDetails, show_person
from campaigns.management.suppressions import lift_phones, suppress_phones
from campaigns.privacy.erasure import forget
from console.context import actor, parts, user
from console.errors import find_status
from console.forms.people import EraseForm, PhoneForm, ReasonForm
from console.pages import read_number
from console.pages.people.keys import seal, show_phone, show_words, unseal
from console.rights import demands, sensitive
from console.texts import _, say
from console.typed import keeps_typed

_Answer = str | Response | tuple[str, int]


def register(app: Flask) -> None:
    app.jinja_env.globals.update(phone=show_phone, personal=show_words, seal=seal)
    app.add_url_rule("/people", "people", ask, methods=["GET"])
    app.add_url_rule("/people", "find_person", find, methods=["POST"])
    app.add_url_rule("/people/<sealed>", "person", show, methods=["GET"])
    for name, form, change in (("opt-out", ReasonForm, opt_out), ("opt-in", ReasonForm, opt_in)):
        endpoint = name.replace("-", "_")
        app.add_url_rule(f"/people/<sealed>/{name}", f"ask_{endpoint}", _make_question(endpoint, form), methods=["GET"])
        app.add_url_rule(f"/people/<sealed>/{name}", endpoint, change, methods=["POST"])
    app.add_url_rule("/people/<sealed>/erase", "ask_erase", ask_erase, methods=["GET"])
    app.add_url_rule("/people/<sealed>/erase", "erase", erase, methods=["POST"])


@keeps_typed
@demands(Right.SEE)
def ask() -> str:
    return _render_search(PhoneForm())


@demands(Right.SEE)
def find() -> _Answer:
    """Lead to the page of a person. The form is sent in the body, so that no address has the phone."""
    form = PhoneForm()
    form.region = parts().settings.region
    if not form.validate_on_submit():
        return _render_search(form), 422
    return redirect(url_for("person", sealed=seal(recipient_key(form.number))))


@demands(Right.SEE)
def show(sealed: str) -> str:
    key = unseal(sealed)
    before = request.args.get("before", "")
    number = read_number(before)
    if before and number is None:
        abort(400)
    person = show_person(
        parts().database,
        key,
        secret_key=parts().settings.secret_key,
        before=number,
    )
    return render_template(
        "people/person.html", person=person, sealed=sealed, before=before, done=_read_done(person), user=user()
    )


def _make_question(name: str, make_form: type[ReasonForm]):  # type: ignore[no-untyped-def]  # noqa: ANN202
    @keeps_typed
    @demands(Right.SUPPRESSION_CHANGE)
    def ask_reason(sealed: str) -> str:
        return _render(name, sealed, make_form())

    return ask_reason


@demands(Right.SUPPRESSION_CHANGE)
def opt_out(sealed: str) -> _Answer:
    form, phone = ReasonForm(), _unseal_phone(sealed)
    if not form.validate_on_submit():
        return _render("opt_out", sealed, form), 422
    reason = form.reason.data.strip()
    by = replace(actor(), reason=reason)
    try:
        suppress_phones(parts().database, [phone], actor=by, reason=reason, secret_key=parts().settings.secret_key)
    except Refusal as refusal:
        return _render("opt_out", sealed, form, say(refusal)), find_status(refusal)
    return redirect(url_for("person", sealed=sealed, done="out"))


@demands(Right.SUPPRESSION_CHANGE)
def opt_in(sealed: str) -> _Answer:
    form, phone = ReasonForm(), _unseal_phone(sealed)
    if not form.validate_on_submit():
        return _render("opt_in", sealed, form), 422
    by = replace(actor(), reason=form.reason.data.strip())
    try:
        lift_phones(parts().database, [phone], actor=by, secret_key=parts().settings.secret_key)
    except Refusal as refusal:
        return _render("opt_in", sealed, form, say(refusal)), find_status(refusal)
    return redirect(url_for("person", sealed=sealed, done="in"))


@sensitive
@demands(Right.PERSON_FORGET)
def ask_erase(sealed: str) -> str:
    return _render("erase", sealed, EraseForm())


@sensitive
@demands(Right.PERSON_FORGET)
def erase(sealed: str) -> _Answer:
    form, phone = EraseForm(), _unseal_phone(sealed)
    if not form.validate_on_submit():
        return _render("erase", sealed, form), 422
    by = replace(actor(), reason=form.reason.data.strip())
    try:
        done = forget(parts().database, phone, actor=by, secret_key=parts().settings.secret_key or "")
    except Refusal as refusal:
        return _render("erase", sealed, form, say(refusal)), find_status(refusal)
    # The page of the person would still have the number in its address.
    return render_template("people/erased.html", done=done, user=user())


def _unseal_phone(sealed: str) -> str:
    """Return the phone in an address. A person who is known by a user id only has none."""
    key = unseal(sealed)
    if not is_number(key):
        abort(404, _("No phone number of this person is known, so nothing can be changed here."))
    return key


def _load(sealed: str) -> PersonDetails:
    secret_key = parts().settings.secret_key
    return show_person(parts().database, _unseal_phone(sealed), secret_key=secret_key, limit=1)


def _render(name: str, sealed: str, form: FlaskForm, refusal: Markup | None = None) -> str:
    return render_template(
        f"people/{name}.html", person=_load(sealed), sealed=sealed, form=form, refusal=refusal, user=user()
    )


def _render_search(form: PhoneForm) -> str:
    return render_template("people/search.html", form=form, user=user())


def _read_done(person: PersonDetails) -> str:
    """Return a sentence about the change that led to this page, as long as it is still true."""
    done = request.args.get("done")
    if done == "out" and person.is_opted_out:
        return _("This person gets no messages any more.")
    if done == "in" and not person.is_opted_out:
        return _("This person may get messages again.")
    return ""
