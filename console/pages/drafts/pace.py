"""The step of a draft at which a person chooses its accounts, its speed, its hours and its limits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import available_timezones

from flask import Flask, redirect, request, url_for
from werkzeug.wrappers import Response

from campaigns.domain.campaign import Departure
from campaigns.domain.health import health_from_json
from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.management.campaigns import CampaignChanges, change_campaign, find_departure_of_change
from campaigns.management.drafts.senders import Sender, list_senders
from campaigns.management.preview import CampaignPreview, preview_campaign
from campaigns.store.campaigns import CampaignListing
from console.context import actor, parts
from console.errors import find_status
from console.forms.pace import FIELDS, PaceForm, blame, write_fields
from console.pages import CAMPAIGN
from console.pages.drafts.steps import Draft, digest, find_next, find_other_change, load_draft, render_step
from console.rights import demands
from console.texts import say
from console.typed import keeps_typed

_HOURS = 24

_Answer = str | Response | tuple[str, int]


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the week in the picture of the hours. `number`: 1 is Monday. `spans`: pairs of begin and length, in
    hours.
    """

    number: int
    spans: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a draft would be sent. `refusal`: why there is no forecast; then `found` is None."""

    found: CampaignPreview | None
    refusal: Refusal | None

    @property
    def departure(self) -> Departure | None:
        return self.found.departure if self.found else None


def register(app: Flask) -> None:
    app.add_url_rule(f"{CAMPAIGN}/pace", "draft_pace", show, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/pace", "change_pace", change, methods=["POST"])


@keeps_typed
@demands(Right.CAMPAIGN_DRAFT)
def show(campaign_id: int) -> str:
    draft = load_draft(campaign_id)
    senders = list_senders(parts().database, campaign_id)
    # If the draft has no accounts, the form preselects all accounts that would send it.
    chosen = [each.account.name for each in senders if each.is_chosen or (not draft.account_ids and each.may_send)]
    return _render(draft, PaceForm(data=write_fields(draft.row, chosen) | {"shown": _digest(draft)}), senders)


@demands(Right.CAMPAIGN_DRAFT)
def change(campaign_id: int) -> _Answer:
    draft, form, settings = load_draft(campaign_id), PaceForm(), parts().settings
    form.validate_on_submit()
    senders = list_senders(parts().database, campaign_id)
    changes = form.read_changes(draft.row, has_senders=bool(senders))
    if "show" in request.form:
        return _render(draft, form, senders, typed=None if form.has_errors else _foretell(campaign_id, changes))
    if other_change := find_other_change(form, _digest(draft)):
        return _render(draft, form, senders, other_change), 409
    if form.has_errors:
        return _render(draft, form, senders), 422
    try:
        change_campaign(
            parts().database,
            campaign_id,
            changes,
            actor=actor(),
            quiet_hours=settings.quiet_hours,
            approve_above=settings.approve_above,
        )
    except Refusal as refusal:
        blame(form[FIELDS.get(refusal.code, "accounts")], say(refusal))
        return _render(draft, form, list_senders(parts().database, campaign_id)), find_status(refusal)
    if "stay" in request.form:
        return redirect(url_for("draft_pace", campaign_id=campaign_id, saved=1, _anchor="forecast"))
    return redirect(find_next("draft_pace", load_draft(campaign_id)))


def _foretell(campaign_id: int, changes: CampaignChanges) -> Departure | None:
    """Return when the first message may leave with the values that are typed; None if they are refused."""
    quiet_hours = parts().settings.quiet_hours
    try:
        return find_departure_of_change(parts().database, campaign_id, changes, actor=actor(), quiet_hours=quiet_hours)
    except Refusal:
        return None  # it is told when the person saves the values


def make_forecast(campaign_id: int) -> Forecast:
    try:
        return Forecast(preview_campaign(parts().database, campaign_id, rows=0), None)
    except Refusal as refusal:
        return Forecast(None, refusal)


def _digest(draft: Draft) -> str:
    return digest(write_fields(draft.row, []), draft.account_ids)


def _render(
    draft: Draft,
    form: PaceForm,
    senders: Sequence[Sender],
    other_change: str = "",
    typed: Departure | None = None,
) -> str:
    """`typed`: when the first message may leave with the values that are typed."""
    return render_step(
        "drafts/pace.html",
        "draft_pace",
        draft,
        form=form,
        senders=senders,
        qualities={each.account.id: health_from_json(each.account.health).quality for each in senders},
        week=list_days(draft.row),
        forecast=make_forecast(draft.row.id) if draft.row.recipient_count else None,
        other_change=other_change,
        typed=typed,
        is_saved="saved" in request.args,
        following=find_next("draft_pace", draft),
        zones=sorted(available_timezones()),
    )


def list_days(row: CampaignListing) -> list[Day]:
    """Return the hours of each day of the week in which a campaign sends, without holidays."""
    opens, closes = _to_hours(row.window_from), _to_hours(row.window_to) or _HOURS
    spans: dict[int, list[tuple[float, float]]] = {number: [] for number in range(1, 8)}
    for number in row.weekdays:
        if row.window_from is None:
            spans[number].append((0, _HOURS))
        elif opens < closes:
            spans[number].append((opens, closes - opens))
        else:  # over midnight
            spans[number].append((opens, _HOURS - opens))
            spans[number % 7 + 1].insert(0, (0, closes))
    return [Day(number, found) for number, found in spans.items()]


def _to_hours(time: dt.time | None) -> float:
    return 0 if time is None else time.hour + time.minute / 60
