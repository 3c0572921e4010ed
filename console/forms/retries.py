"""The forms that send messages again."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import HiddenField, StringField

from campaigns.domain.statement import deferred
from console.forms.checks import Equals


class RetryForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """`shown`: the number of messages that the page has shown."""

    shown = HiddenField()


class UncertainForm(FlaskForm):  # type: ignore[misc]
    """Asks for the number of the messages, because each person may get the message twice."""

    wanted_count = ""
    count = StringField(
        validators=[Equals(deferred("This is not the number of messages. Type it as it stands above."), "wanted_count")]
    )
