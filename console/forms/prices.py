"""The forms about prices."""

from __future__ import annotations

import base64
import binascii

from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import HiddenField, StringField
from wtforms.validators import StopValidation

from console.forms.checks import Short
from console.forms.people import MAX_REASON
from console.texts import _

# A price list has one row per market, so a larger file is another one.
MAX_BYTES = 300_000


class PriceFileForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """`content`: the bytes of the file, after the form is valid."""

    content = b""
    file = FileField()

    def validate_file(self, field: FileField) -> None:
        if not field.data or not field.data.filename:
            raise StopValidation(_("Choose a file."))
        self.content = field.data.stream.read(MAX_BYTES + 1)
        if len(self.content) > MAX_BYTES:
            raise StopValidation(_("This file is too large for a price list."))


class LoadPricesForm(FlaskForm):  # type: ignore[misc]
    """A price list that a page has shown. The browser keeps the file meanwhile: `encoded` has its bytes in base64.

    `name`: of the file. `seen`: the digest of the changes that the page has shown.
    """

    encoded = HiddenField()
    name = HiddenField(validators=[Short(MAX_REASON)])
    seen = HiddenField()
    reason = StringField(validators=[Short(MAX_REASON)])

    def read_content(self) -> bytes | None:
        """Return the bytes of the file; None if no page of ours has sent the form."""
        try:
            return base64.b64decode(self.encoded.data or "", validate=True)
        except (binascii.Error, ValueError):
            return None


class RemovePricesForm(FlaskForm):  # type: ignore[misc]
    reason = StringField(validators=[Short(MAX_REASON)])
