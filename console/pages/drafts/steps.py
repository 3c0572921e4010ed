"""The steps in which a person makes a campaign, and the settings that each step still lacks.

Each step has an address of its own. A person may take the steps in any order, leave the draft and return to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, abort, g, redirect, render_template, url_for
from werkzeug.wrappers import Response

from campaigns.domain.campaign import CampaignStatus, missing_campaign
from campaigns.domain.template import TemplateStatus
from campaigns.domain.users.rights import Right
from campaigns.store.accounts import load_campaign_accounts
from campaigns.store.campaigns import CampaignListing, list_campaigns
from campaigns.store.database import Connection
from campaigns.store.files.jobs import NewerList, find_newer_list
from campaigns.store.recipients import list_imported_files
from console.context import parts, user
from console.forms.drafts import DraftForm
from console.pages import CAMPAIGN
from console.rights import demands
from console.texts import _


@dataclass(frozen=True, slots=True)
class Draft:
    """`account_ids`: the accounts that send the campaign.

    `newer_list`: a list that was uploaded, and whose people are not in the draft.
    """

    row: CampaignListing
    account_ids: list[int]
    newer_list: NewerList | None


@dataclass(frozen=True, slots=True)
class Step:
    """A step as the header shows it. `address`: None while there is no draft.

    `missing`: what the step lacks, in words; "" if it lacks nothing. `is_last`: the step ends the draft.
    """

    endpoint: str
    label: str
    address: str | None
    missing: str
    is_last: bool


def register(app: Flask) -> None:
    app.add_url_rule(f"{CAMPAIGN}/draft", "draft", open_draft)


@demands(Right.CAMPAIGN_DRAFT)
def open_draft(campaign_id: int) -> Response:
    """Lead to the first step that lacks something, or to the last step if none does."""
    steps = list_steps(load_draft(campaign_id))
    return redirect(next((each for each in steps if each.missing), steps[-1]).address or url_for("new_campaign"))


def load_draft(campaign_id: int, *, done: str = "no-draft") -> Draft:
    """Return a draft. Ends the request with the page of the campaign if the campaign is no draft. Raises Refusal.

    `done`: the word by which the page of the campaign says why it is shown.
    """

    def load(connection: Connection) -> Draft:
        rows = list_campaigns(connection, [campaign_id])
        if not rows:
            raise missing_campaign(campaign_id)
        account_ids = sorted(load_campaign_accounts(connection, [campaign_id])[campaign_id])
        return Draft(rows[0], account_ids, find_newer_list(connection, campaign_id))

    draft = parts().database.run(load)
    if draft.row.status != CampaignStatus.DRAFT:
        abort(redirect(url_for("campaign", campaign_id=campaign_id, done=done)))
    g.draft_id = campaign_id  # hints lead to the steps of this draft
    return draft


def list_files(campaign_id: int) -> list[str]:
    """Return the files whose people are in a draft, workbooks with the sheet that was read."""
    files = parts().database.run(list_imported_files, campaign_id)
    return [_name_list(each.name, None if each.facts is None else each.facts.sheet) for each in files]


def _name_list(name: str, sheet: str | None) -> str:
    return _("%(file)s, sheet %(sheet)s", file=name, sheet=sheet) if sheet else name


def digest(*values: object) -> str:
    """Return a short text that stands for the values that a page shows."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def find_other_change(form: DraftForm, present: str) -> str:
    """Return why a form is not saved if somebody has saved other values since its page was shown; else "".

    `present`: the digest of what the page shows now. The form gets it, so that its next sending is saved.
    """
    shown, form.shown.data = form.shown.data, present
    if not shown or shown == present:
        return ""
    return _("Somebody has saved other values since this page was shown. Yours are below, and are not saved.")


def list_steps(draft: Draft | None) -> list[Step]:
    """Return all steps. Without a draft, only the first step is possible."""
    found = []
    for endpoint, (label, find_missing) in _STEPS.items():
        address = None if draft is None else url_for(endpoint, campaign_id=draft.row.id)
        missing = "" if draft is None else find_missing(draft)
        found.append(Step(endpoint, label(), address, missing, endpoint == LAST_STEP))
    return found


def find_next(endpoint: str, draft: Draft) -> str:
    """Return the address of the step that follows a step."""
    steps = list_steps(draft)
    place = next(place for place, each in enumerate(steps) if each.endpoint == endpoint)
    return steps[min(place + 1, len(steps) - 1)].address or url_for("new_campaign")


def render_step(template: str, endpoint: str, draft: Draft | None, **values: object) -> str:
    """Render the page of a step. `endpoint`: that of the step."""
    page = {"current": endpoint, "draft": draft, "steps": list_steps(draft), "name_list": _name_list}
    return render_template(template, **page, user=user(), **values)


def _find_missing_text(draft: Draft) -> str:
    return "" if draft.row.template_status == TemplateStatus.APPROVED else _("Meta does not send this template now")


def _find_missing_people(draft: Draft) -> str:
    return "" if draft.row.recipient_count or draft.row.is_standing else _("nobody is on the list yet")


def _find_unread_list(draft: Draft) -> str:
    if draft.newer_list is None:
        return _find_missing_people(draft)
    name = _name_list(draft.newer_list.name, draft.newer_list.sheet)
    return _("the people of %(name)s are not in the campaign", name=name)


def _find_missing_accounts(draft: Draft) -> str:
    return "" if draft.account_ids else _("no account is saved yet")


LAST_STEP = "draft_start"
# By endpoint: the name of the step, and the function that says what a draft lacks there.
_STEPS: dict[str, tuple[Callable[[], str], Callable[[Draft], str]]] = {
    "draft_text": (lambda: _("Text"), _find_missing_text),
    "draft_list": (lambda: _("List"), _find_missing_people),
    "draft_columns": (lambda: _("Columns"), _find_unread_list),
    "draft_check": (lambda: _("Check"), _find_unread_list),
    "draft_pace": (lambda: _("Accounts and pace"), _find_missing_accounts),
    LAST_STEP: (lambda: _("Look and start"), lambda _draft: ""),
}
