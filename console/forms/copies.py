from __future__ import annotations

from wtforms import SelectMultipleField, StringField

from campaigns.domain.statement import deferred
from console.forms.checks import Filled
from console.forms.drafts import OnceForm


class CopyForm(OnceForm):
    """`statuses`: the people whose message in the other campaign has one of these statuses are copied."""

    name = StringField(validators=[Filled(deferred("Give the campaign a name. Only your team sees it."))])
    statuses = SelectMultipleField(validate_choice=False)
