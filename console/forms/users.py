"""The forms about users and their passwords."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from flask_wtf import FlaskForm
from wtforms import BooleanField, PasswordField, SelectField, StringField
from wtforms.validators import StopValidation

from campaigns.domain.statement import deferred
from campaigns.domain.users.rights import Role
from campaigns.management.users.users import LANGUAGES
from console.context import user
from console.forms.checks import Filled
from console.texts import _

ZONES = tuple(sorted(each for each in available_timezones() if "/" in each or each == "UTC"))


class Chosen:
    """Demands one of the choices of a field."""

    def __call__(self, form: FlaskForm, field: SelectField) -> None:  # noqa: ARG002  the signature of WTForms
        if field.data not in field.choices:
            field.errors[:] = []
            raise StopValidation(_("Choose one of the list."))


class _Select(SelectField):  # type: ignore[misc]  # WTForms has no types
    """A choice that `Chosen` checks, with words in the language of the person."""

    def pre_validate(self, form: FlaskForm) -> None:
        """Leave the check to `Chosen`."""


class _ZoneSelect(_Select):
    """A choice of a time zone. It also offers the present zone of the person, such as Portugal."""

    def __init__(self, **options: Any) -> None:
        zones = {*ZONES, user().time_zone}
        super().__init__(choices=sorted(zones), validators=[Chosen()], **options)


def _select(choices: tuple[str, ...]) -> SelectField:
    return _Select(choices=[str(each) for each in choices], validators=[Chosen()])


def _repeats_password(form: FlaskForm, field: PasswordField) -> None:
    if field.data != form.password.data:
        raise StopValidation(_("The two passwords differ. Type the same password twice."))


class PasswordForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """The password of the person who is signed in."""

    password = PasswordField(validators=[Filled(deferred("Enter your password."))])


class NewPasswordForm(FlaskForm):  # type: ignore[misc]
    """A new password, typed twice."""

    password = PasswordField(validators=[Filled(deferred("Enter the new password."))])
    again = PasswordField(validators=[Filled(deferred("Enter the new password again.")), _repeats_password])


class SettingsForm(FlaskForm):  # type: ignore[misc]
    """`wants_updates`: the numbers of open pages change by themselves."""

    language = _select(LANGUAGES)
    time_zone = _ZoneSelect()
    wants_updates = BooleanField()


class RoleForm(FlaskForm):  # type: ignore[misc]
    role = _select(tuple(Role))


class UserForm(FlaskForm):  # type: ignore[misc]
    """A new user. An empty password: a proxy signs the user in."""

    name = StringField(validators=[Filled(deferred("Enter the name of the user."))])
    role = _select(tuple(Role))
    language = _select(LANGUAGES)
    time_zone = _ZoneSelect()
    password = PasswordField()
    again = PasswordField(validators=[_repeats_password])
