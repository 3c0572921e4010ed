"""Uncertain messages: in which campaigns they are, why, and the retry by which a person may get a message twice."""

from __future__ import annotations

from flask import Flask, abort, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.management.lifecycle import ids_to_enqueue
from campaigns.management.listings.pages import page_uncertain
from campaigns.management.retries import (
    UncertainLook,
    count_waiting_webhooks,
    find_uncertain_nights,
    look_at_uncertain,
    retry_uncertain_messages,
)
from console.context import actor, parts, user
from console.errors import find_status
from console.forms.retries import UncertainForm
from console.pages import CAMPAIGN, read_number
from console.rights import demands
from console.texts import say
from console.views import CampaignView

# A person waits for the page while stored webhooks are applied.
_WAIT_SECONDS = 5.0

_Answer = str | Response | tuple[str, int]


def register(app: Flask) -> None:
    app.add_url_rule("/uncertain", "uncertain", show_campaigns, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/uncertain", "uncertain_messages", show, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/uncertain/retry", "ask_retry_uncertain", ask, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/uncertain/retry", "retry_uncertain", send_again, methods=["POST"])


@demands(Right.SEE)
def show_campaigns() -> str:
    after = read_number(request.args["after"]) if "after" in request.args else None
    if "after" in request.args and after is None:
        abort(400)
    page = page_uncertain(parts().database, after=after)
    return render_template(
        "retries/uncertain.html",
        campaigns=[CampaignView(row) for row in page.rows],
        after=after,
        following=None if page.next_key is None else url_for("uncertain", after=page.next_key),
        unapplied_count=count_waiting_webhooks(parts().database),
        user=user(),
    )


@demands(Right.SEE)
def show(campaign_id: int) -> str:
    look = look_at_uncertain(parts().database, campaign_id)
    return render_template("retries/messages.html", look=look, campaign=CampaignView(look.campaign), user=user())


@demands(Right.CAMPAIGN_RETRY_UNCERTAIN)
def ask(campaign_id: int) -> str:
    look = look_at_uncertain(parts().database, campaign_id)
    return _render(look, _make_form(look))


@demands(Right.CAMPAIGN_RETRY_UNCERTAIN)
def send_again(campaign_id: int) -> _Answer:
    """Send the messages again to whose number the person has agreed, after all stored webhooks are applied."""
    look = look_at_uncertain(parts().database, campaign_id)
    form = _make_form(look)
    if look.count and not form.validate_on_submit():
        return _render(look, form), 422
    try:
        done = retry_uncertain_messages(
            parts().database, campaign_id, actor=actor(), at_most=look.count, wait_seconds=_WAIT_SECONDS
        )
    except Refusal as refusal:
        return _render(look_at_uncertain(parts().database, campaign_id), form, say(refusal)), find_status(refusal)
    if done.move is None:  # webhooks have settled all of them, or an earlier click has sent them again
        look = look_at_uncertain(parts().database, campaign_id)
        return _render(look, _make_form(look)), 409
    parts().enqueue(ids_to_enqueue([done.move]))
    return redirect(url_for("campaign", campaign_id=campaign_id, done="retried"))


def _make_form(look: UncertainLook) -> UncertainForm:
    form = UncertainForm()
    form.wanted_count = str(look.count)
    return form


def _render(look: UncertainLook, form: UncertainForm, refusal: Markup | str = "") -> str:
    nights = []
    if look.count and look.refusal is None:
        quiet = parts().settings.quiet_hours
        nights = find_uncertain_nights(parts().database, look.campaign.id, quiet=quiet)
    return render_template(
        "retries/ask_uncertain.html",
        look=look,
        campaign=CampaignView(look.campaign),
        form=form,
        nights=nights,
        refusal=refusal,
        user=user(),
    )
