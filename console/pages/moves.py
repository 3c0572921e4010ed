"""Pauses, resumes and cancels a campaign. A page shows the number of messages before a person confirms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from flask import Flask, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.campaign import CampaignStatus, Command, Move, missing_campaign
from campaigns.domain.statement import Refusal
from campaigns.domain.users.actor import Actor
from campaigns.domain.users.rights import Right
from campaigns.management.drafts.starts import Told
from campaigns.management.lifecycle import (
    cancel_campaigns,
    check_departures,
    ids_to_enqueue,
    pause_campaigns,
    resume_campaigns,
)
from campaigns.store.campaigns import list_campaigns
from campaigns.store.database import Database
from console.context import actor, parts, user
from console.errors import find_status
from console.forms.moves import CancelForm, ConfirmForm
from console.forms.start import read_told, write_told
from console.pages.drafts.looks import look_at
from console.rights import demands
from console.texts import _, say
from console.views import CampaignView

# A person waits for the page while the messages of a campaign are cancelled. Afterwards a task cancels the rest.
_CANCEL_SECONDS = 2.0

_Answer = str | Response | tuple[str, int]


@dataclass(frozen=True, slots=True)
class Kind:
    """A command with its use case. `done`: the word that the page of the campaign gets after the change."""

    command: Command
    change: Callable[..., list[Move]]
    right: Right
    done: str


def _resume(
    database: Database, campaign_ids: Sequence[int], *, actor: Actor, told: Mapping[int, Told] = MappingProxyType({})
) -> list[Move]:
    limit = parts().settings.approve_above
    return resume_campaigns(database, campaign_ids, actor=actor, approve_above=limit, told=told)


def _cancel(database: Database, campaign_ids: Sequence[int], *, actor: Actor) -> list[Move]:
    return cancel_campaigns(database, campaign_ids, actor=actor, seconds=_CANCEL_SECONDS)


KINDS = (
    Kind(Command.PAUSE, pause_campaigns, Right.CAMPAIGN_PAUSE, "paused"),
    Kind(Command.RESUME, _resume, Right.CAMPAIGN_RESUME, "resumed"),
    Kind(Command.CANCEL, _cancel, Right.CAMPAIGN_CANCEL, "cancelled"),
)


def register(app: Flask) -> None:
    for kind in KINDS:
        rule = f"/campaigns/<int(max={2**63 - 1}):campaign_id>/{kind.command}"
        app.add_url_rule(rule, f"confirm_{kind.command}", _make_question(kind), methods=["GET"])
        app.add_url_rule(rule, f"{kind.command}", _make_change(kind), methods=["POST"])


def _make_question(kind: Kind) -> Callable[[int], _Answer]:
    @demands(kind.right)
    def ask(campaign_id: int) -> _Answer:
        campaign = _load(campaign_id)
        return _render(kind, campaign, _make_form(kind, campaign))

    return ask


def _make_change(kind: Kind) -> Callable[[int], _Answer]:
    @demands(kind.right)
    def change(campaign_id: int) -> _Answer:
        campaign = _load(campaign_id)
        form = _make_form(kind, campaign)
        if not form.validate_on_submit():
            return _render(kind, campaign, form), 422
        told = read_told(request.form.get("told", ""), campaign_id, parts().settings)
        if kind.command is Command.RESUME and told is None:
            # A campaign that is not paused is refused. It may have been paused since it was loaded.
            check_departures(parts().database, Command.RESUME, [campaign_id])
            text = _("This page was too old. Look at the campaign again.")
            return _render(kind, _load(campaign_id), form, text), 422
        given = {"told": {campaign_id: told}} if kind.command is Command.RESUME else {}
        try:
            moves = kind.change(parts().database, [campaign_id], actor=actor(), **given)
        except Refusal as refusal:
            if not _tells(kind, campaign):
                raise
            # Somebody has changed the campaign since the question, so the page asks again with the present facts.
            return _render(kind, _load(campaign_id), form, say(refusal)), find_status(refusal)
        parts().enqueue(ids_to_enqueue(moves))
        return redirect(url_for("campaign", campaign_id=campaign_id, done=kind.done))

    return change


def _tells(kind: Kind, campaign: CampaignView) -> bool:
    """Whether the page tells facts that the change checks again."""
    return kind.command is Command.RESUME and campaign.row.status == CampaignStatus.PAUSED


def _load(campaign_id: int) -> CampaignView:
    rows = parts().database.run(list_campaigns, [campaign_id])
    if not rows:
        raise missing_campaign(campaign_id)
    return CampaignView(rows[0])


def _make_form(kind: Kind, campaign: CampaignView) -> ConfirmForm | CancelForm:
    if kind.command is not Command.CANCEL:
        return ConfirmForm()
    form = CancelForm()
    form.campaign_name = campaign.row.name
    return form


def _render(kind: Kind, campaign: CampaignView, form: ConfirmForm | CancelForm, refusal: Markup | str = "") -> str:
    look = look_at(campaign.row.id) if _tells(kind, campaign) else None
    (action,) = (each for each in campaign.actions if each.endpoint == f"confirm_{kind.command}")
    return render_template(
        f"{kind.command}.html",
        command=kind.command,
        campaign=campaign,
        form=form,
        refusal=refusal,
        obstacle=action.obstacle,
        look=look,
        told=write_told(look.start.told) if look else "",
        quiet=parts().settings.quiet_hours,
        user=user(),
    )
