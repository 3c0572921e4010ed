from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import SelectMultipleField


class DownloadForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """`statuses`: people whose message has one of these statuses are in the file; all people if none is chosen."""

    statuses = SelectMultipleField(validate_choice=False)
