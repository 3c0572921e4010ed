"""Sends the failed messages of one class again. A page states the numbers before a person confirms."""

from __future__ import annotations

from flask import Flask, abort, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.domain.verdict import Retry
from campaigns.management.lifecycle import ids_to_enqueue
from campaigns.management.retries import ALL_NAME, RetryLook, find_classes, look_at_retry, retry_failed
from console.context import actor, parts, user
from console.errors import find_status
from console.forms.retries import RetryForm
from console.pages import CAMPAIGN, read_number
from console.rights import demands
from console.texts import _, say
from console.views import CampaignView

_Answer = str | Response | tuple[str, int]


def register(app: Flask) -> None:
    app.add_url_rule(f"{CAMPAIGN}/retry", "ask_retry", ask, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/retry", "retry", send_again, methods=["POST"])


@demands(Right.CAMPAIGN_RETRY)
def ask(campaign_id: int) -> str:
    return _render(_look(campaign_id), RetryForm())


@demands(Right.CAMPAIGN_RETRY)
def send_again(campaign_id: int) -> _Answer:
    look, form = _look(campaign_id), RetryForm()
    if not form.validate_on_submit():
        return _render(look, form), 422
    shown = read_number(form.shown.data or "")
    if shown is None or look.count > shown:
        text = _("More messages have failed since the page was shown. Look at the numbers, and confirm them.")
        return _render(look, form, text), 409
    try:
        done = retry_failed(parts().database, campaign_id, find_classes(_read_class()), actor=actor())
    except Refusal as refusal:
        return _render(_look(campaign_id), form, say(refusal)), find_status(refusal)
    if done.move is None:  # an earlier click has sent them again
        return _render(_look(campaign_id), form), 409
    parts().enqueue(ids_to_enqueue([done.move]))
    return redirect(url_for("campaign", campaign_id=campaign_id, done="retried"))


def _read_class() -> str:
    """Return the class in the address; without one, the name of all classes."""
    name = request.args.get("class", "") or ALL_NAME
    if name not in {ALL_NAME, *Retry}:
        abort(400)
    return name


def _look(campaign_id: int) -> RetryLook:
    quiet = parts().settings.quiet_hours
    return look_at_retry(parts().database, campaign_id, find_classes(_read_class()), quiet=quiet)


def _render(look: RetryLook, form: RetryForm, refusal: Markup | str = "") -> str:
    form.shown.data = str(look.count)
    classes = [each for each in Retry if any(line.retry is each for line in (*look.again, *look.left))]
    return render_template(
        "retries/failed.html",
        look=look,
        campaign=CampaignView(look.campaign),
        form=form,
        refusal=refusal,
        chosen=_read_class(),
        classes=[*classes, ALL_NAME] if len(classes) > 1 else [],
        user=user(),
    )
