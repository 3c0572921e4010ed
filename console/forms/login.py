from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, StringField

from campaigns.domain.statement import deferred
from console.forms.checks import Filled


class LoginForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """`typed`: the fields of a form whose session had ended, as `write_fields` wrote them."""

    name = StringField(validators=[Filled(deferred("Enter your name."))])
    password = PasswordField(validators=[Filled(deferred("Enter your password."))])
    typed = HiddenField()
