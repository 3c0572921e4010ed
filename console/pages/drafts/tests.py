"""Sends test messages of a draft to a few own phones, and shows what becomes of them."""

from __future__ import annotations

from flask import Flask, redirect, render_template, url_for
from werkzeug.wrappers import Response

from campaigns.domain.message import ACCEPTED
from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.management.test_sends import look_at_test, start_test, withdraw_test
from console.context import actor, parts, user
from console.errors import find_status
from console.forms.moves import ConfirmForm
from console.forms.pace import blame
from console.forms.start import StartForm, TestForm
from console.pages import CAMPAIGN
from console.pages.drafts.start import render
from console.pages.drafts.steps import load_draft
from console.rights import demands
from console.texts import _, say
from console.typed import is_shown_again, keeps_typed

_Answer = str | Response | tuple[str, int]


def register(app: Flask) -> None:
    app.add_url_rule(f"{CAMPAIGN}/test", "test_phones", show_phones, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/test", "confirm_test", ask, methods=["POST"])
    app.add_url_rule(f"{CAMPAIGN}/test/send", "test_phones_again", show_phones, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/test/send", "start_test", send, methods=["POST"])
    app.add_url_rule(f"{CAMPAIGN}/result", "test", show, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/withdraw", "withdraw_test", withdraw, methods=["POST"])


@keeps_typed
@demands(Right.CAMPAIGN_TEST)
def show_phones(campaign_id: int) -> _Answer:
    """Show the phones of a form that arrived without a valid session. They are asked about again before a test."""
    if not is_shown_again():
        return redirect(url_for("draft_start", campaign_id=campaign_id))
    return render(load_draft(campaign_id), StartForm(formdata=None), test_form=TestForm())


@demands(Right.CAMPAIGN_TEST)
def ask(campaign_id: int) -> _Answer:
    """Name the phones to which a test would go. Nothing is sent yet."""
    draft, form = load_draft(campaign_id), TestForm()
    form.validate_on_submit()
    phones = form.read_phones(parts().settings.region)
    if form.phones.errors:
        return render(draft, StartForm(formdata=None), test_form=form), 422
    return render_template("drafts/test_question.html", draft=draft, form=form, phones=phones, user=user())


@demands(Right.CAMPAIGN_TEST)
def send(campaign_id: int) -> _Answer:
    draft, form = load_draft(campaign_id), TestForm()
    form.validate_on_submit()
    phones, known = form.read_phones(parts().settings.region), form.known.data or ""
    if not form.phones.errors:
        try:
            test_id = start_test(
                parts().database,
                campaign_id,
                phones,
                actor=actor(),
                secret_key=parts().settings.secret_key,
                known_count=int(known) if known.isdecimal() else 0,
                word=_("test"),
            )
        except Refusal as refusal:
            blame(form.phones, say(refusal))
            return render(draft, StartForm(formdata=None), test_form=form), find_status(refusal)
        parts().enqueue([test_id])
        return redirect(url_for("test", campaign_id=test_id))
    return render(draft, StartForm(formdata=None), test_form=form), 422


@demands(Right.CAMPAIGN_TEST)
def show(campaign_id: int) -> str:
    """Show a test as it is now. The page loads itself again until each message has an outcome."""
    result = look_at_test(parts().database, campaign_id)
    return render_template("drafts/test.html", result=result, accepted=ACCEPTED, form=ConfirmForm(), user=user())


@demands(Right.CAMPAIGN_TEST)
def withdraw(campaign_id: int) -> Response:
    withdraw_test(parts().database, campaign_id, actor=actor())
    return redirect(url_for("test", campaign_id=campaign_id))
