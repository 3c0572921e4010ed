from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import HiddenField, StringField

from campaigns.domain.statement import deferred
from console.forms.checks import Equals


class ConfirmForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A button; the token against forged requests is its only field."""


class CancelForm(FlaskForm):  # type: ignore[misc]
    """Asks for the name of the campaign, because a cancelled campaign cannot go on."""

    campaign_name = ""
    name = StringField(
        validators=[
            Equals(deferred("This is not the name of the campaign. Type it as it stands above."), "campaign_name")
        ]
    )


class ManyForm(ConfirmForm):
    """The campaigns that the page has shown: their ids, with commas between them."""

    wanted_count = ""
    ids = HiddenField()


class CancelManyForm(ManyForm):
    """Asks for the number of the campaigns, because cancelled campaigns cannot go on."""

    count = StringField(
        validators=[Equals(deferred("This is not the number of campaigns. Type it as shown above."), "wanted_count")]
    )
