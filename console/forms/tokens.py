from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import SelectMultipleField, StringField
from wtforms.validators import StopValidation

from campaigns.domain.statement import deferred
from campaigns.domain.users.tokens import MAX_DAYS
from console.forms.checks import Filled
from console.texts import _

_MOST_DIGITS = 4


def _is_days(form: FlaskForm, field: StringField) -> None:  # noqa: ARG001  the signature of WTForms
    text = (field.data or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and 1 <= int(text) <= MAX_DAYS):
        raise StopValidation(_("Enter a number of days from 1 to %(most)s.", most=MAX_DAYS))


def _has_one(form: FlaskForm, field: SelectMultipleField) -> None:  # noqa: ARG001  the signature of WTForms
    if not field.data:
        raise StopValidation(_("Choose at least one."))


class NewTokenForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A new token of the API. `networks`: addresses and networks with spaces between them; empty: from everywhere."""

    name = StringField(validators=[Filled(deferred("Enter a name, such as that of the program."))])
    scopes = SelectMultipleField(validate_choice=False, validators=[_has_one])
    networks = StringField()
    days = StringField(validators=[_is_days])
