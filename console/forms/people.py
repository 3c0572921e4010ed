"""The forms about people who get messages."""

from __future__ import annotations

from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import BooleanField, StringField
from wtforms.validators import StopValidation

from campaigns.domain.phone.foreign import may_be_foreign
from campaigns.domain.phone.written import PhoneError
from campaigns.domain.statement import deferred
from campaigns.management.suppressions import read_phone
from console.forms.checks import Filled, Short
from console.texts import _

MAX_REASON = 500


def _reason(message: str) -> StringField:
    return StringField(validators=[Filled(message), Short(MAX_REASON)])


def ask_country(number: str) -> str:
    """Return the refusal of a typed phone that may be one of another country. `number`: what was read, in E.164."""
    return _(
        "Without a country code, this phone would be %(number)s. Type %(number)s if that is right, or the phone with +"
        " and its country code.",
        number=number,
    )


class PhoneForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A phone in any spelling. `number`: the phone in E.164, after the form is valid."""

    region = ""
    number = ""
    phone = StringField(validators=[Filled(deferred("Enter a phone number."))])

    def validate_phone(self, field: StringField) -> None:
        try:
            self.number = read_phone(field.data.strip(), self.region)
        except PhoneError:
            raise StopValidation(
                _(
                    "This is not a phone number. Type it with the area code, or with + and the country code, such as"
                    " +55 11 98765-4321."
                )
            ) from None


class OptOutForm(PhoneForm):
    """A person who wants no messages any more, and why. A phone that may be one of another country is refused."""

    def validate_phone(self, field: StringField) -> None:
        super().validate_phone(field)
        if may_be_foreign(field.data, self.number, self.region):
            raise StopValidation(ask_country(self.number))

    reason = _reason(deferred("Say why, for example “asked by e-mail”."))


class ReasonForm(FlaskForm):  # type: ignore[misc]
    reason = _reason(deferred("Say why, for example “asked by e-mail”."))


class EraseForm(ReasonForm):
    """Asks for a tick as well, because an erased person cannot be brought back."""

    sure = BooleanField(false_values=("", "no", False))

    def validate_sure(self, field: BooleanField) -> None:
        if not field.data:
            raise StopValidation(_("Tick the box: an erased person cannot be brought back."))


class OptOutFileForm(ReasonForm):
    """A small file of people who want no messages.

    `column`: the heading of the column of phones. `sheet`: the name of a sheet of a workbook. Both may be empty.
    """

    file = FileField()
    column = StringField()
    sheet = StringField()

    def validate_file(self, field: FileField) -> None:
        if not field.data or not field.data.filename:
            raise StopValidation(_("Choose a file."))
