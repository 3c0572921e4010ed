"""The first step of a draft: its template, which decides the language and the values of each message, and its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import Flask, redirect, request, url_for
from werkzeug.wrappers import Response

from campaigns.domain.filling import Parameter, ParameterKind
from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.management.campaigns import CLEAR, CampaignChanges, Clear, change_campaign, draft_campaign
from campaigns.management.drafts.gallery import GalleryFilter, GalleryKey, find_parameters, page_gallery
from console.context import actor, parts, user
from console.errors import find_status
from console.forms.drafts import TextForm, make_text_form
from console.pages import CAMPAIGN, read_number
from console.pages.drafts.parameters import label_parameter
from console.pages.drafts.steps import Draft, digest, find_next, find_other_change, load_draft, render_step
from console.pages.templates.sync import News, read_from_meta
from console.rights import demands
from console.texts import say
from console.typed import keeps_typed

# By the code of a refusal: the field whose value is refused.
_FIELDS = {"campaign_name_invalid": "name"}

_Answer = str | Response | tuple[str, int]


def register(app: Flask) -> None:
    app.add_url_rule("/campaigns/new", "new_campaign", show_new, methods=["GET"])
    app.add_url_rule("/campaigns/new", "make_campaign", make, methods=["POST"])
    app.add_url_rule(f"{CAMPAIGN}/text", "draft_text", show, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/text", "change_text", change, methods=["POST"])
    app.add_url_rule("/campaigns/templates/sync", "sync_templates", sync, methods=["POST"])


@keeps_typed
@demands(Right.CAMPAIGN_DRAFT)
def show_new() -> str:
    return _render(None, TextForm())


@demands(Right.CAMPAIGN_DRAFT)
def make() -> _Answer:
    form, settings = TextForm(), parts().settings
    if _wants_others():
        return _render(None, form)
    if not form.validate_on_submit():
        return _render(None, form), 422
    name, template = form.name.data.strip(), form.template.data
    try:
        made = draft_campaign(
            parts().database,
            CampaignChanges(name=name, template=template),
            actor=actor(),
            time_zone=settings.time_zone,
            quiet_hours=settings.quiet_hours,
            draft_key=form.draft_key(user().name, name, template),
        )
    except Refusal as refusal:
        return _refuse(None, form, refusal)
    return _go_on(load_draft(made.id), is_other_template=True)


@keeps_typed
@demands(Right.CAMPAIGN_DRAFT)
def show(campaign_id: int) -> str:
    draft = load_draft(campaign_id)
    parameters = find_parameters(parts().database, campaign_id)
    given = {f"value_{number}": draft.row.parameters.get(each.name) for number, each in enumerate(parameters)}
    shown = {"name": draft.row.name, "template": _find_template(draft), "shown": _digest(draft, parameters)}
    return _render(draft, make_text_form(parameters, {**shown, **given}), parameters)


@demands(Right.CAMPAIGN_DRAFT)
def change(campaign_id: int) -> _Answer:
    draft, parameters = load_draft(campaign_id), find_parameters(parts().database, campaign_id)
    form, present = make_text_form(parameters), _find_template(draft)
    if not form.template.data:  # the template of the draft is not on the page that was shown
        form.template.data = present
    if _wants_others():
        return _render(draft, form, parameters)
    if other_change := find_other_change(form, _digest(draft, parameters)):
        return _render(draft, form, parameters, News([other_change], is_problem=True)), 409
    if not form.validate_on_submit():
        return _render(draft, form, parameters), 422
    # The values of the form belong to the template that the draft had when the page was shown.
    is_other = form.template.data != present
    changes = CampaignChanges(
        name=form.name.data.strip(),
        template=form.template.data if is_other else None,
        parameters=None if is_other else _read_values(form, parameters, draft),
    )
    try:
        change_campaign(
            parts().database,
            campaign_id,
            changes,
            actor=actor(),
            quiet_hours=parts().settings.quiet_hours,
            approve_above=parts().settings.approve_above,
        )
    except Refusal as refusal:
        return _refuse(draft, form, refusal, parameters)
    return _go_on(load_draft(campaign_id), is_other_template=is_other)


def _digest(draft: Draft, parameters: Sequence[Parameter]) -> str:
    values = [(each.name, draft.row.parameters.get(each.name)) for each in parameters]
    return digest(draft.row.name, _find_template(draft), values)


def _read_values(
    form: TextForm, parameters: Sequence[Parameter], draft: Draft
) -> Mapping[str, str | Clear | None] | None:
    """Return the changed values for all recipients; None if none changed.

    Without such a value, a required parameter has a value in each row of the list, and an optional one has none.
    """
    values: dict[str, str | Clear | None] = {}
    for number, parameter in enumerate(parameters):
        text = (form[f"value_{number}"].data or "").strip()
        if text != (draft.row.parameters.get(parameter.name) or ""):
            values[parameter.name] = text or (None if parameter.is_required else CLEAR)
    return values or None


def _go_on(draft: Draft, *, is_other_template: bool) -> Response:
    """Lead to the next step; but if a new template has a parameter outside its body, to the values for all people."""
    parameters = find_parameters(parts().database, draft.row.id)
    if is_other_template and any(each.kind is not ParameterKind.BODY for each in parameters):
        return redirect(url_for("draft_text", campaign_id=draft.row.id, _anchor="values"))
    return redirect(find_next("draft_text", draft))


@demands(Right.TEMPLATE_SYNC)
def sync() -> _Answer:
    """Read the templates from Meta, and show the page again with what changed and what the person has typed."""
    campaign_id = read_number(request.form.get("campaign_id", ""))
    draft = None if campaign_id is None else load_draft(campaign_id)
    parameters = () if draft is None else find_parameters(parts().database, draft.row.id)
    form = make_text_form(parameters)
    if draft is not None and not form.template.data:
        form.template.data = _find_template(draft)
    news, status = read_from_meta()
    return _render(draft, form, parameters, news), status


def _find_template(draft: Draft) -> str:
    return f"{draft.row.template_name}:{draft.row.language}"


def _refuse(
    draft: Draft | None, form: TextForm, refusal: Refusal, parameters: Sequence[Parameter] = ()
) -> tuple[str, int]:
    names = [each.name for each in parameters]
    field = form[_FIELDS.get(refusal.code, "template")]
    if refusal.code == "parameter_invalid" and refusal.values["parameter"] in names:
        field = form[f"value_{names.index(refusal.values['parameter'])}"]
    field.errors = [*field.errors, say(refusal)]
    return _render(draft, form, parameters), find_status(refusal)


def _render(draft: Draft | None, form: TextForm, parameters: Sequence[Parameter] = (), news: News | None = None) -> str:
    text, language, after = _read_filter()
    gallery = page_gallery(parts().database, GalleryFilter(text=text, language=language), after=after)
    return render_step(
        "drafts/text.html",
        "draft_text",
        draft,
        form=form,
        news=news,
        gallery=gallery,
        following=":".join(gallery.page.next_key) if gallery.page.next_key is not None else "",
        here=_address(draft),
        is_filtered=bool(text or language or after),
        text=text,
        chosen_language=language,
        values=[(form[f"value_{number}"], label_parameter(each)) for number, each in enumerate(parameters)],
        present=_find_template(draft) if draft else "",
    )


def _address(draft: Draft | None) -> str:
    return url_for("new_campaign") if draft is None else url_for("draft_text", campaign_id=draft.row.id)


def _wants_others() -> bool:
    """Return whether a person asks for other templates, and does not yet save the form.

    The Enter key saves the form, also in the field of the filter. So a changed filter is such a question, too.
    """
    text, language, _after = _read_filter()
    return "show" in request.form or request.form.get("filtered", f"{text}:{language}") != f"{text}:{language}"


def _read_filter() -> tuple[str, str, GalleryKey | None]:
    """Return the text and the language by which the templates are chosen, and the template behind which a page begins.

    They are in the form, or in the address of a page.
    """
    given = request.form if request.method == "POST" else request.args
    if request.form.get("show") == "all":
        return "", "", None
    return given.get("text", "").strip(), given.get("language", ""), _read_key(given.get("show", ""))


def _read_key(text: str) -> GalleryKey | None:
    name, _separator, language = text.partition(":")
    return (name, language) if name else None
