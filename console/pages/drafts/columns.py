"""The third step of a draft: which column has the phones, what fills each variable, and how the list is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from flask import Flask, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import Field

from campaigns.domain.filling import Parameter, ParameterKind
from campaigns.domain.optout.consent import RefusalChoice
from campaigns.domain.recipients import Choice, RecipientsError, means_phone, names_phone, read_header
from campaigns.domain.template import TemplateError
from campaigns.domain.users.rights import Right
from campaigns.management.drafts.import_warnings import write_variable
from campaigns.management.files.jobs import (
    IMPORTS,
    ListFile,
    find_list,
    read_parameters,
    read_reading,
    request_import,
    request_look,
)
from campaigns.management.files.looks import FileTop, Mismatch, load_look
from campaigns.management.files.sentences import read_refusal
from campaigns.management.layouts import Layout
from campaigns.management.recipients import Reading
from campaigns.sheets.xlsx import HiddenChoice
from campaigns.store.files.jobs import JobRow
from console.context import actor, may, parts
from console.forms.lists import SAME, ColumnsForm, guess_value, make_columns_form
from console.forms.pace import blame
from console.pages import CAMPAIGN
from console.pages.drafts.decisions import list_decisions, read_decision
from console.pages.drafts.parameters import label_parameter
from console.pages.drafts.steps import Draft, load_draft, render_step
from console.rights import demands
from console.texts import _, language, mask_digits, say
from console.typed import is_shown_again, keeps_typed

_Answer = str | Response | tuple[str, int]


@dataclass(frozen=True, slots=True)
class Variable:
    """A parameter of the text with its two fields.

    `excerpt`: the text around it, "" without one. `guess`: the column that Revoada proposes for another reason than its
    name, "" without one. `mismatch`: why the cells of the chosen column do not seem to belong here, "" if they may.
    """

    label: str
    excerpt: str
    column: Field
    text: Field
    guess: str
    mismatch: str


def register(app: Flask) -> None:
    app.add_url_rule(f"{CAMPAIGN}/columns", "draft_columns", show, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/columns", "choose_columns", choose, methods=["POST"])
    app.add_url_rule(f"{CAMPAIGN}/sheet", "choose_sheet", choose_sheet, methods=["POST"])


@keeps_typed
@demands(Right.CAMPAIGN_DRAFT)
def show(campaign_id: int) -> str:
    draft, file = load_draft(campaign_id), find_list(parts().database, campaign_id)
    if file is None or file.look is None or not file.look.is_done:
        return _render_without_look(draft, file)
    look = load_look(parts().database, file.look)
    # The choices of an import are shown again, unless another sheet was looked at since.
    last = file.look if file.imported is None else max(file.look, file.imported, key=lambda job: job.id)
    if look.is_outdated:
        request_look(parts().database, campaign_id, file.upload.id, read_reading(last.request), actor=actor())
        parts().enqueue_file_work()
        return _render_without_look(draft, find_list(parts().database, campaign_id))
    return _render(
        draft, file, look, _read_sent(look, file.look) if is_shown_again() else _propose(look, last, request.args)
    )


@demands(Right.CAMPAIGN_DRAFT)
def choose_sheet(campaign_id: int) -> _Answer:
    """Look at another sheet of the workbook, and read nothing."""
    draft, file = load_draft(campaign_id), find_list(parts().database, campaign_id)
    if file is None or file.look is None or not file.look.is_done:
        return redirect(url_for("draft_columns", campaign_id=draft.row.id))
    look = load_look(parts().database, file.look)
    form = _read_sent(look, file.look)
    if form.look.errors:
        return _render(draft, file, look, form), 409
    if form.sheet.data not in look.sheets:
        form.sheet.errors = [_("Choose the sheet that is the list.")]
        return _render(draft, file, look, form), 422
    reading = Reading(region=parts().settings.region, sheet=form.sheet.data)
    request_look(parts().database, campaign_id, file.upload.id, reading, actor=actor())
    parts().enqueue_file_work()
    return redirect(url_for("draft_columns", campaign_id=campaign_id))


@demands(Right.CAMPAIGN_DRAFT)
def choose(campaign_id: int) -> _Answer:
    """Import the list with the chosen columns: its people take the place of all people of the draft."""
    draft, file = load_draft(campaign_id), find_list(parts().database, campaign_id)
    if file is None or file.look is None or not file.look.is_done:
        return redirect(url_for("draft_columns", campaign_id=campaign_id))
    look = load_look(parts().database, file.look)
    form = _read_sent(look, file.look)
    if form.look.errors:
        return _render(draft, file, look, form), 409
    if "show" in request.form:
        return _render(draft, file, look, form)
    if (decision := read_decision()) is not None:
        for each in list_decisions(file.imported):
            form[each.choice].data = decision.value
    is_valid = form.validate_on_submit()
    if not _check_sheet(form, look, file.look) or not _check(form, look) or not is_valid:
        return _render(draft, file, look, form), 422
    reading = Reading(
        choice=_read_choice(form, look),
        region=form.region.data,
        sheet=read_reading(file.look.request).sheet,
        hidden=HiddenChoice(form.hidden.data),
        refusals=RefusalChoice(form.refusals.data),
        unanswered=RefusalChoice(form.unanswered.data),
        is_mobile_only=form.is_mobile_only.data,
        takes_tests=form.takes_tests.data,
        takes_nulls=form.takes_nulls.data,
        records_refusals=form.records_refusals.data,
    )
    request_import(
        parts().database,
        campaign_id,
        file.upload.id,
        reading,
        actor=actor(),
        replaces=True,
        parameters=_read_parameters(form, look),
        language=language(),
    )
    parts().enqueue_file_work()
    return redirect(url_for("draft_check", campaign_id=campaign_id))


def _read_sent(look: FileTop, job: JobRow) -> ColumnsForm:
    """Return the form that was sent. If its columns are those of another list or sheet, return one with an error."""
    form = make_columns_form(look.names, len(look.parameters), look.sheets)
    if form.look.data != str(job.id):
        form = _propose(look, job)
        form.look.errors = [_("Another list, or another sheet, was chosen meanwhile: these are its columns.")]
    return form


def _propose(look: FileTop, job: JobRow, linked: Mapping[str, str] = MappingProxyType({})) -> ColumnsForm:
    """Return the form with the choices of a job, or else with those that the import would make.

    `linked`: the choice in the address of a link, which wins. `texts.say` writes such links.
    """
    reading, asked = read_reading(job.request), read_parameters(job.request)
    choice = reading.choice
    kept = look.kept
    texts, filled = {**look.given, **asked}, {**look.filled, **kept.mapping, **choice.mapping}
    unrelated = [_find(look, name) for name in choice.unrelated]
    values: dict[str, object] = {
        "sheet": reading.sheet or "",
        "phone": _find(look, choice.phone or kept.phone or look.phone),
        "consent": _find(look, choice.consent or kept.consent or look.consent),
        "region": reading.region,
        "hidden": reading.hidden.value,
        "refusals": reading.refusals.value,
        "unanswered": reading.unanswered.value,
        "is_mobile_only": reading.is_mobile_only,
        "takes_tests": reading.takes_tests,
        "takes_nulls": reading.takes_nulls,
        "records_refusals": reading.records_refusals or job.kind not in IMPORTS,
    }
    values |= {name: linked[name] for name in ("hidden", "refusals", "unanswered", "region") if name in linked}
    if place := _find(look, linked.get("phone")):
        values["phone"] = place
    values["unrelated"] = [*unrelated, *filter(None, [_find(look, linked.get("unrelated"))])]
    # The person has confirmed the guesses of this reading, and those of the list before.
    was_kept = {"phone": kept.phone} | {
        f"variable_{n}": kept.mapping.get(each.name) for n, each in enumerate(look.parameters)
    }
    values["sure"] = [
        f"{name}={place}"
        for name, place in _list_guesses(look).items()
        if job.kind in IMPORTS or look.names[int(place)] == was_kept[name]
    ]
    variable, _sign, column = linked.get("look", "").partition("=")
    if _find(look, column):
        filled[variable] = column
        texts.pop(variable, None)
    for number, each in enumerate(look.parameters):
        text = texts.get(each.name)
        values[f"variable_{number}"] = _find(look, filled.get(each.name)) if text is None else SAME
        values[f"text_{number}"] = text or ""
    return make_columns_form(look.names, len(look.parameters), look.sheets, values)


def _find(look: FileTop, name: str | None) -> str:
    """Return the value of the choice for a column, "" for no column."""
    return str(look.names.index(name)) if name in look.names else ""


def _read_mapping(form: ColumnsForm, look: FileTop) -> dict[str, str]:
    """Return the chosen column of each variable."""
    return {
        each.name: look.names[place]
        for each, (variable, _text) in zip(look.parameters, form.list_variables(), strict=True)
        if (place := _read_place(variable.data, look)) is not None
    }


def _list_guesses(look: FileTop) -> dict[str, str]:
    """Return the columns that Revoada proposes for another reason than their names, by the name of their field."""
    is_named = look.phone is None or names_phone(look.phone) or means_phone(look.phone)
    found = {} if is_named else {"phone": _find(look, look.phone)}
    for number, each in enumerate(look.parameters):
        if each.name in look.by_order:
            found[f"variable_{number}"] = _find(look, look.filled[each.name])
    return found


def _check_guesses(form: ColumnsForm, look: FileTop) -> None:
    """Add an error to each field that still has a guess of Revoada, if the person has not confirmed it."""
    for name, place in _list_guesses(look).items():
        field = form[name]
        if field.data == place and guess_value(field) not in form.sure.data:
            column = look.names[int(place)]
            blame(field, _("Revoada guessed the column “%(column)s”: confirm it, or choose another.", column=column))


def _is_by_order(form: ColumnsForm, look: FileTop) -> bool:
    """Return whether the choices are still those that only the order of the columns proposed."""
    proposed = (look.filled, _find(look, look.phone), _find(look, look.consent))
    return bool(look.by_order) and (_read_mapping(form, look), form.phone.data, form.consent.data) == proposed


def _read_choice(form: ColumnsForm, look: FileTop) -> Choice:
    mapping = _read_mapping(form, look)
    phone, consent = (_read_place(field.data, look) for field in (form.phone, form.consent))
    if _is_by_order(form, look):
        # Nobody has chosen these columns. The import chooses the same, and warns that only their order chose them.
        mapping = {}
    return Choice(
        phone=None if phone is None else look.names[phone],
        consent=None if consent is None else look.names[consent],
        mapping=mapping,
        unrelated=[look.names[place] for each in form.unrelated.data if (place := _read_place(each, look)) is not None],
    )


def _read_place(value: str | None, look: FileTop) -> int | None:
    """Return the position of the chosen column; None if no column is chosen."""
    return int(value) if value and value.isdecimal() and int(value) < len(look.names) else None


def _read_texts(form: ColumnsForm, look: FileTop) -> dict[str, str]:
    """Return the texts that are the same for everybody, by parameter."""
    named = zip(look.parameters, form.list_variables(), strict=True)
    return {each.name: (text.data or "").strip() for each, (variable, text) in named if variable.data == SAME}


def _read_parameters(form: ColumnsForm, look: FileTop) -> Mapping[str, str | None]:
    """Return the changed values for all recipients, as an import takes them."""
    texts = _read_texts(form, look)
    wanted = {each.name: texts.get(each.name) for each in look.parameters}
    optional = {each.name for each in look.parameters if not each.is_required}
    # A required parameter without a value for all has a value in each row, whether the campaign names it or not.
    return {
        name: text
        for name, text in wanted.items()
        if text != look.given.get(name) or (name in optional and name not in look.given)
    }


def _check_sheet(form: ColumnsForm, look: FileTop, job: JobRow) -> bool:
    """Return whether the chosen sheet is the one whose columns the page shows. If not, the field has an error."""
    shown, chosen = read_reading(job.request).sheet, form.sheet.data
    if len(look.sheets) > 1 and chosen != shown:
        words = _("Nothing was read. Choose the sheet that is the list, and press “Show this sheet”.")
        if chosen and shown:
            words = _(
                "Nothing was read: the columns on this page are those of the sheet “%(shown)s”. Press “Show this sheet”"
                " for those of “%(chosen)s”, or choose “%(shown)s” again.",
                shown=shown,
                chosen=chosen,
            )
        blame(form.sheet, words)
    return not form.sheet.errors


def _check(form: ColumnsForm, look: FileTop) -> bool:
    """Return whether the choices fit the list and the text. If not, the fields have the errors."""
    phone = form.phone.data
    if not phone:
        blame(form.phone, _("Choose the column that has the phones."))
    if phone and form.consent.data == phone:
        blame(form.consent, _("This column has the phones already. Choose another one."))
    for each, (variable, text) in zip(look.parameters, form.list_variables(), strict=True):
        if not variable.data:
            words = _(
                "Nothing fills %(variable)s yet: choose a column, or “the same text for everybody”.",
                variable=write_variable(each.name),
            )
            blame(variable, words)
        elif variable.data == phone:
            blame(variable, _("This column has the phones already. Choose another one."))
        elif variable.data == SAME and each.is_required and not (text.data or "").strip():
            blame(text, _("Type the text that everybody gets in place of %(name)s.", name=write_variable(each.name)))
    _check_guesses(form, look)
    if form.errors:
        return False
    try:
        names = look.fill(_read_parameters(form, look)).names
        read_header(look.names, names, _read_choice(form, look))
    except TemplateError as error:
        blame(_find_text(form, look, error), say(error))
    except RecipientsError as error:
        blame(_find_column(form, look, error), say(error))
    return not form.errors


def _find_text(form: ColumnsForm, look: FileTop, error: TemplateError) -> Field:
    """Return the field of the text that an error is about."""
    named = zip(look.parameters, form.list_variables(), strict=True)
    return next((text for each, (_variable, text) in named if each.name == error.values.get("parameter")), form.look)


def _find_column(form: ColumnsForm, look: FileTop, error: RecipientsError) -> Field:
    """Return the field whose column an error is about."""
    fields = [form.phone, *(variable for variable, _text in form.list_variables()), form.consent]
    places = [(field, _read_place(field.data, look)) for field in fields]
    named = [field for field, place in places if place is not None and look.names[place] == error.values.get("name")]
    return named[0] if named else form.look


def _show_message(form: ColumnsForm, look: FileTop, rows: Sequence[Sequence[str]]) -> Layout:
    """Return the message of the first row that will be read, with the choices of the form."""
    if form.hidden.data != HiddenChoice.INCLUDE:
        hidden = look.list_hidden()
        rows = [row for row, is_hidden in zip(rows, hidden, strict=True) if not is_hidden]
    places = {
        each.name: place
        for each, (variable, _text) in zip(look.parameters, form.list_variables(), strict=True)
        if (place := _read_place(variable.data, look)) is not None
    }
    return look.lay_out(_read_texts(form, look), places, rows[0] if rows else [])


def _list_variables(form: ColumnsForm, look: FileTop) -> list[Variable]:
    excerpts, guesses = look.excerpts, _list_guesses(look)
    return [
        Variable(
            write_variable(each.name) if each.kind is ParameterKind.BODY else label_parameter(each),
            excerpts[each.name] if each.kind is ParameterKind.BODY else "",
            column,
            text,
            guesses.get(column.id, ""),
            _find_mismatch(form, look, each, column),
        )
        for each, (column, text) in zip(look.parameters, form.list_variables(), strict=True)
    ]


def _find_mismatch(form: ColumnsForm, look: FileTop, parameter: Parameter, column: Field) -> str:
    place = _read_place(column.data, look)
    region = form.region.data if not form.region.errors and form.region.data else parts().settings.region
    found = None if place is None else look.find_mismatch(parameter, place, region)
    return "" if found is None or place is None else _tell_mismatch(found, look.names[place])


def _tell_mismatch(found: Mismatch, column: str) -> str:
    cell = found.cell if may(Right.PHONES_SEE) else mask_digits(found.cell)
    texts = {
        "dates": _("The text has an amount here, but “%(column)s” has dates: %(cell)s.", column=column, cell=cell),
        "texts": _("The text has an amount here, but “%(column)s” has words: %(cell)s.", column=column, cell=cell),
        "amounts": _("The text has a date here, but “%(column)s” has amounts: %(cell)s.", column=column, cell=cell),
        "no_names": _("The text greets a person here, but “%(column)s” has: %(cell)s.", column=column, cell=cell),
        "no_sign": _(
            "Neither the text nor “%(column)s” has a currency or a percent sign here, so people read: %(cell)s.",
            column=column,
            cell=cell,
        ),
        "sign_twice": _(
            "The text has a currency or a percent sign here, and so has “%(column)s”: %(cell)s.",
            column=column,
            cell=cell,
        ),
        "documents": _("People would read numbers of documents here, such as a CPF: %(cell)s.", cell=cell),
        "phones": _("People would read phones here: %(cell)s.", cell=cell),
    }
    return texts[found.kind]


def _render(draft: Draft, file: ListFile, look: FileTop, form: ColumnsForm) -> str:
    sees_phones = may(Right.PHONES_SEE)
    cells = [[cell if sees_phones else mask_digits(cell) for cell in row] for row in look.rows]
    row_numbers: Sequence[int | None] = look.row_numbers or [None] * len(cells)
    fields = [form.phone, *(variable for variable, _text in form.list_variables())]
    was_read = file.imported is not None and file.look is not None and file.imported.id > file.look.id
    refusal = read_refusal(file.imported) if was_read and not form.errors else None
    return render_step(
        "drafts/columns.html",
        "draft_columns",
        draft,
        file=file,
        look=look,
        form=form,
        shown_sheet=read_reading(file.look.request).sheet if file.look else None,
        rows=list(zip(row_numbers, look.list_hidden(), cells, strict=True)),
        variables=_list_variables(form, look),
        phone_guess=_list_guesses(look).get("phone", ""),
        layout=_show_message(form, look, cells) if look.names else None,
        same=SAME,
        is_workbook=bool(look.sheets),
        was_read=was_read,
        by_order=[f"{write_variable(each)} ← {look.filled[each]}" for each in look.by_order]
        if _is_by_order(form, look)
        else [],
        refusal=refusal,
        decisions=[] if refusal is None else list_decisions(file.imported),
        is_unchosen=not all(field.data for field in fields),
        # A refused import leads to its questions about the people who want no messages.
        asks_consent=was_read or bool(form.refusals.errors or form.unanswered.errors),
    )


def _render_without_look(draft: Draft, file: ListFile | None) -> str:
    job = None if file is None else file.look
    return render_step(
        "drafts/waiting.html", "draft_columns", draft, file=file, job=job, refusal=read_refusal(job), decisions=[]
    )
