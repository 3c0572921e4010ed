from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField

from console.forms.checks import Filled
from console.hints import deferred


class LoginForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    name = StringField(validators=[Filled(deferred("Enter your name."))])
    password = PasswordField(validators=[Filled(deferred("Enter your password."))])
