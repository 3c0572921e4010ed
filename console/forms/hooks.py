"""The forms of hooks: a new hook, its types of events, and the time from which events are sent again."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import SelectMultipleField, StringField
from wtforms.validators import StopValidation

from campaigns.domain.hooks.events import PERSONAL_TYPES, EventType
from campaigns.domain.statement import deferred
from console.forms.checks import Filled
from console.texts import _


class _AnyFilled:
    """Demands at least one choice."""

    def __call__(self, form: FlaskForm, field: SelectMultipleField) -> None:  # noqa: ARG002  the signature of WTForms
        if not field.data or not set(field.data) <= set(EventType):
            field.errors[:] = []
            raise StopValidation(_("Choose at least one event."))


class _Types(SelectMultipleField):  # type: ignore[misc]  # WTForms has no types
    """The chosen events. `_AnyFilled` checks them, with words in the language of the person."""

    def pre_validate(self, form: FlaskForm) -> None:
        """Leave the check to `_AnyFilled`."""


class TypesForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    types = _Types(
        choices=[each.value for each in EventType],
        default=[each.value for each in EventType if each not in PERSONAL_TYPES],
        validators=[_AnyFilled()],
    )


class HookForm(TypesForm):
    url = StringField(validators=[Filled(deferred("Enter the address of the receiver."))])


class ReplayForm(FlaskForm):  # type: ignore[misc]
    """`start`: a wall-clock time in the zone of the user."""

    start = StringField(validators=[Filled(deferred("Enter the time of the first event."))])
