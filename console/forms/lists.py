"""The forms of the steps List and Columns of a draft."""

from __future__ import annotations

from collections.abc import Sequence

from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import BooleanField, Field, Form, SelectChoice, SelectField, SelectMultipleField, StringField
from wtforms.validators import StopValidation

from campaigns.domain.optout.consent import RefusalChoice
from campaigns.domain.phone.regions import read_region
from campaigns.sheets.xlsx import HiddenChoice
from console.texts import _

# The choice of a variable that has one text for all people, in place of the position of a column.
SAME = "same"


class _HasFile:
    def __call__(self, form: Form, field: Field) -> None:  # noqa: ARG002  the signature of WTForms
        if not field.data or not field.data.filename:
            raise StopValidation(_("Choose a file."))


class _IsRegion:
    def __call__(self, form: Form, field: Field) -> None:  # noqa: ARG002
        try:
            field.data = read_region((field.data or "").strip())
        except ValueError:
            raise StopValidation(_("Give the two letters of a country, such as BR.")) from None


class ListForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    file = FileField(validators=[_HasFile()])


class ColumnsForm(FlaskForm):  # type: ignore[misc]
    """Which columns are used, and how the list is read. A column is named by its position, as a text.

    `make_columns_form` adds two fields for each parameter of the text: `variable_0` and so on, a column or SAME, and
    `text_0` and so on, the text for all people. `look`: the id of the job that found the columns. `sheet`: the sheet
    that the select shows, "" if none is chosen. `unrelated`: columns whose words say nothing about messages. `sure`:
    the guesses of Revoada that the person confirms, each as `field=column`, see `guess_value`.
    """

    look = StringField()
    sheet = SelectField(default="")
    phone = SelectField(default="")
    consent = SelectField(default="")
    unrelated = SelectMultipleField()
    sure = SelectMultipleField(validate_choice=False)
    region = StringField(validators=[_IsRegion()])
    hidden = SelectField()
    refusals = SelectField()
    records_refusals = BooleanField()
    unanswered = SelectField(default=RefusalChoice.REFUSE.value)
    is_mobile_only = BooleanField()
    takes_tests = BooleanField()
    takes_nulls = BooleanField()

    def list_variables(self) -> list[tuple[Field, Field]]:
        """Return the two fields of each parameter: its column or SAME, and its text."""
        found: list[tuple[Field, Field]] = []
        while (name := f"variable_{len(found)}") in self:
            found.append((self[name], self[f"text_{len(found)}"]))
        return found


def guess_value(field: Field) -> str:
    """Return the value of the box that confirms the guess in a field: its name and its column."""
    return f"{field.id}={field.data}"


def make_columns_form(
    names: Sequence[str], variable_count: int, sheets: Sequence[str], values: dict[str, object] | None = None
) -> ColumnsForm:
    """Return the form for columns with these names, in a workbook with these sheets. `values`: the values of the
    fields, in place of those that a person has sent.
    """
    columns = [SelectChoice(str(position), name) for position, name in enumerate(names) if name]
    to_choose = SelectChoice("", _("choose a column"))
    variable_choices = [to_choose, SelectChoice(SAME, _("the same text for everybody")), *columns]
    fields: dict[str, Field] = {}
    for number in range(variable_count):
        fields[f"variable_{number}"] = SelectField(choices=variable_choices, default="")
        fields[f"text_{number}"] = StringField()
    given = {} if values is None else {"formdata": None, "data": values}
    form: ColumnsForm = type("ColumnsForm", (ColumnsForm,), fields)(**given)
    form.sheet.choices = [SelectChoice("", _("choose a sheet")), *map(SelectChoice, sheets)]
    form.phone.choices = [to_choose, *columns]
    form.consent.choices = [SelectChoice("", _("no column")), *columns]
    form.unrelated.choices = columns
    for field, values_of in (
        (form.hidden, HiddenChoice),
        (form.refusals, RefusalChoice),
        (form.unanswered, RefusalChoice),
    ):
        field.choices = [
            SelectChoice(values_of.REFUSE.value, _("stop and tell me, if there are any")),
            SelectChoice(values_of.SKIP.value, _("leave them out")),
            SelectChoice(values_of.INCLUDE.value, _("read them like the others")),
        ]
    return form
