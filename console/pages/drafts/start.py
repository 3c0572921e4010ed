"""The last step of a draft: a person looks at the messages and the numbers, and starts the campaign."""

from __future__ import annotations

import datetime as dt

from flask import Flask, abort, redirect, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.campaign import CampaignStatus, Command
from campaigns.domain.statement import Refusal, Severity
from campaigns.domain.users.rights import Right, Role, list_rights
from campaigns.management.campaigns import CampaignChanges, change_campaign
from campaigns.management.drafts.starts import MOST_DAYS_OF_LIMIT, StartFacts
from campaigns.management.files.jobs import demand_read_lists
from campaigns.management.lifecycle import check_departures, ids_to_enqueue, start_campaigns
from campaigns.management.recipients import SHOWN_OVERLAPS
from campaigns.management.reports import show_overview
from campaigns.store.recipients import Overlap
from campaigns.store.users.users import list_users
from console.context import actor, may, parts
from console.errors import find_status
from console.forms.start import MOST_TEST_PHONES, StartForm, TestForm, read_told
from console.pages import CAMPAIGN
from console.pages.drafts.looks import CampaignFacts, look_at
from console.pages.drafts.notes import list_doubts, list_others, shorten
from console.pages.drafts.pace import Forecast, list_days, make_forecast
from console.pages.drafts.steps import LAST_STEP, Draft, list_files, load_draft, render_step
from console.rights import demands
from console.texts import _, advise, plural, say

_Answer = str | Response | tuple[str, int]


def register(app: Flask) -> None:
    app.add_url_rule(f"{CAMPAIGN}/start", LAST_STEP, show, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/start", "start", start, methods=["POST"])
    app.add_url_rule(f"{CAMPAIGN}/start/leave-out", "leave_out_got", leave_out_got, methods=["POST"])


@demands(Right.CAMPAIGN_DRAFT)
def show(campaign_id: int) -> str:
    return render(load_draft(campaign_id), StartForm())


@demands(Right.CAMPAIGN_START)
def start(campaign_id: int) -> _Answer:
    draft, form, settings = load_draft(campaign_id, done="no-start"), StartForm(), parts().settings
    form.validate_on_submit()
    look = look_at(campaign_id, is_start=True).start
    told = read_told(form.told.data or "", campaign_id, parts().settings)
    if told is None:
        return render(draft, form, _("This page was too old. Look at the campaign again.")), 422
    if not look.send_count:
        return render(draft, form, _("Nobody on the list gets a message as things stand.")), 422
    doubts = [each.code for each in list_doubts(look.warnings)]
    if not form.check(look.send_count, must_count=_must_count(look), notes=_list_notes(look), doubts=doubts):
        return render(draft, form), 422
    try:
        moves = start_campaigns(
            parts().database,
            [campaign_id],
            actor=actor(),
            approve_above=settings.approve_above,
            told={campaign_id: told},
        )
    except Refusal as refusal:
        # A second click, or a person in another tab, may have started the campaign since this request began.
        return render(load_draft(campaign_id, done="no-start"), form, say(refusal)), find_status(refusal)
    parts().enqueue(ids_to_enqueue(moves))
    done = "scheduled" if moves[0].new is CampaignStatus.SCHEDULED else "started"
    return redirect(url_for("campaign", campaign_id=campaign_id, done=done))


@demands(Right.CAMPAIGN_DRAFT)
def leave_out_got(campaign_id: int) -> _Answer:
    """Give the draft a limit of one message per person, so that it skips the people who got a message lately.

    A draft that has a limit by now keeps it.
    """
    draft, settings = load_draft(campaign_id), parts().settings
    days = request.form.get("days", 0, int)
    if not 0 < days <= MOST_DAYS_OF_LIMIT:
        abort(400)
    if draft.row.max_per_person is None:
        try:
            change_campaign(
                parts().database,
                campaign_id,
                CampaignChanges(max_per_person=1, within_days=days),
                actor=actor(),
                quiet_hours=settings.quiet_hours,
                approve_above=settings.approve_above,
            )
        except Refusal as refusal:
            return render(draft, StartForm(formdata=None), say(refusal)), find_status(refusal)
    return redirect(url_for(LAST_STEP, campaign_id=campaign_id, _anchor="who"))


def render(draft: Draft, form: StartForm, refusal: Markup | str = "", test_form: TestForm | None = None) -> str:
    """Render the page. `refusal`: why the campaign did not start. `test_form`: the form of a test that was refused."""
    look, campaign_id = look_at(draft.row.id), draft.row.id
    forecast = make_forecast(campaign_id)
    overview = show_overview(parts().database, campaign_id)
    tests = overview.tests
    form.tell(look.start.told)
    return render_step(
        "drafts/start.html",
        LAST_STEP,
        draft,
        form=form,
        look=look,
        accounts=[each.name for each in overview.accounts],
        files=list_files(campaign_id),
        refusal=refusal,
        obstacles=_list_obstacles(look, forecast),
        must_count=_must_count(look.start),
        notes=_list_notes(look.start),
        doubts=list_doubts(look.start.warnings),
        limit_days=look.start.count_days_of_limit(_find_end(look.start, forecast)),
        starters=_list_starters(),
        forecast=forecast,
        week=list_days(draft.row),
        approve_above=parts().settings.approve_above,
        quiet=parts().settings.quiet_hours,
        tests=tests,
        test_form=test_form or TestForm(data={"known": str(len(tests))}),
        most_test_phones=MOST_TEST_PHONES,
    )


def _find_end(look: StartFacts, forecast: Forecast) -> dt.datetime:
    """Return about when the last message leaves; the present time if this is not known."""
    ends_at = forecast.found.ends_at if forecast.found is not None else None
    return ends_at or look.departure.at or look.departure.now


def _must_count(look: StartFacts) -> bool:
    return look.send_count > parts().settings.confirm_above


def _list_notes(look: StartFacts) -> dict[str, str]:
    """Return the facts that a person confirms, each in few words, by the value of its box.

    A value has no number, because numbers of people change each second while another campaign sends. The start itself
    refuses numbers that have grown.
    """
    warnings = [each for each in list_others(look.warnings) if each.severity is not Severity.NOTE]
    notes = {f"{each.code} {place}": shorten(each) for place, each in enumerate(warnings)}
    notes |= {f"got {each.campaign_id}": _tell_got(each) for each in look.got[:SHOWN_OVERLAPS]}
    if (more := len(look.got) - SHOWN_OVERLAPS) > 0:
        notes["more_got"] = plural(
            "%(count)s more campaign that people of this list already got",
            "%(count)s more campaigns that people of this list already got",
            more,
        )
    notes |= {f"coming {each.campaign_id}": _tell_coming(each) for each in look.coming[:SHOWN_OVERLAPS]}
    if (more := len(look.coming) - SHOWN_OVERLAPS) > 0:
        notes["more_coming"] = plural(
            "%(count)s more campaign that people of this list will also get",
            "%(count)s more campaigns that people of this list will also get",
            more,
        )
    if look.night:
        count = look.night.night_count
        notes["night"] = plural("%(count)s person for whom it is night", "%(count)s people for whom it is night", count)
    return notes


def _tell_got(other: Overlap) -> str:
    return plural(
        "%(count)s person who already got campaign %(id)s (%(name)s)",
        "%(count)s people who already got campaign %(id)s (%(name)s)",
        other.got_count,
        id=other.campaign_id,
        name=other.name,
    )


def _tell_coming(other: Overlap) -> str:
    return plural(
        "%(count)s person who will also get campaign %(id)s (%(name)s)",
        "%(count)s people who will also get campaign %(id)s (%(name)s)",
        other.waiting_count,
        id=other.campaign_id,
        name=other.name,
    )


def _list_obstacles(look: CampaignFacts, forecast: Forecast) -> list[Markup | str]:
    """Return why no message of the campaign can leave, for any person who starts it; [] if messages can leave.

    A missing approval is no such reason.
    """
    try:
        parts().database.run(demand_read_lists, look.start.campaign)
        if not look.approval.is_missing:
            above = parts().settings.approve_above
            check_departures(parts().database, Command.START, [look.start.campaign.id], approve_above=above)
    except Refusal as refusal:
        return [say(refusal)]
    if forecast.refusal is not None:
        return [say(forecast.refusal)]
    errors = [each for each in look.start.departure.obstacles if each.severity is Severity.ERROR]
    if errors:
        return [Markup(" ").join([say(each), advise(each)]) for each in errors]
    if not look.start.send_count:
        if look.start.capped_count:
            return [_("Nobody on the list gets it as things stand: “Who gets it, and who does not” has the reasons.")]
        return [
            _("Nobody on the list may get it: all have opted out or are on the list of people who get no messages.")
        ]
    return []


def _list_starters() -> list[str]:
    """Return the users who may start campaigns, for a person who may not; [] for a person who may."""
    if may(Right.CAMPAIGN_START):
        return []
    users = [each for each in parts().database.run(list_users) if each.disabled_at is None]
    return [each.name for each in users if Right.CAMPAIGN_START in list_rights(Role(each.role))]
