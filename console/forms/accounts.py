"""The forms about accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flask_wtf import FlaskForm
from wtforms import BooleanField, HiddenField, PasswordField, SelectField, StringField
from wtforms.validators import StopValidation

from campaigns.domain.statement import deferred
from campaigns.domain.users.actor import Actor
from console.forms.checks import Filled, Short
from console.forms.people import MAX_REASON
from console.texts import _

_MOST_DIGITS = 9


class _Whole:
    """Demands a whole number with digits only."""

    def __call__(self, form: FlaskForm, field: StringField) -> None:  # noqa: ARG002  the signature of WTForms
        text = field.data.strip()
        if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
            raise StopValidation(_("Type a whole number with digits only, such as 80."))


class _MetaId:
    """Demands an id of Meta's."""

    def __call__(self, form: FlaskForm, field: StringField) -> None:  # noqa: ARG002  the signature of WTForms
        text = field.data.strip()
        if not (text.isascii() and text.isdigit()):
            raise StopValidation(_("This id has digits only. WhatsApp Manager shows it."))


def _whole(message: str) -> StringField:
    return StringField(validators=[Filled(message), _Whole()])


class WhyForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Asks why an account is activated or deactivated. The answer may be empty."""

    reason = StringField(validators=[Short(MAX_REASON)])

    def add_reason(self, actor: Actor) -> Actor:
        return replace(actor, reason=(self.reason.data or "").strip() or None)


class AccountForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """The columns of an account, without its token. `seen`: which values the page has shown.

    `unchecked`: do not ask Meta whether the token may use the number. `offers_unchecked`: Meta has refused.
    `portfolio`: a name; "" for none.
    """

    offers_unchecked = False
    seen = HiddenField()
    name = StringField(validators=[Filled(deferred("Enter a name for the account."))])
    phone_number_id = StringField(validators=[Filled(deferred("Enter the id of the phone number.")), _MetaId()])
    waba_id = StringField(validators=[Filled(deferred("Enter the id of the WhatsApp Business account.")), _MetaId()])
    messages_per_second = _whole(deferred("Enter the messages per second."))
    failure_limit = _whole(deferred("Enter after how many failures the account stops."))
    portfolio = SelectField(validate_choice=False)
    unchecked = BooleanField()

    def offer_portfolios(self, names: Sequence[str]) -> None:
        """Offer these portfolios. A name that is gone by now is refused when the form is carried out."""
        self.portfolio.choices = ["", *names]

    def read(self) -> dict[str, str | int]:
        """Return the columns of a valid form."""
        return {
            "name": self.name.data.strip(),
            "phone_number_id": self.phone_number_id.data.strip(),
            "waba_id": self.waba_id.data.strip(),
            "messages_per_second": int(self.messages_per_second.data.strip()),
            "failure_limit": int(self.failure_limit.data.strip()),
        }


class TokenForm(FlaskForm):  # type: ignore[misc]
    """A new access token of an account. The other fields are as in `AccountForm`."""

    offers_unchecked = False
    token = PasswordField(validators=[Filled(deferred("Paste the access token."))])
    unchecked = BooleanField()


class NewAccountForm(AccountForm):
    token = PasswordField(validators=[Filled(deferred("Paste the access token."))])
