"""The fields with which a person confirms warnings."""

from __future__ import annotations

from collections.abc import Collection

from flask_wtf import FlaskForm
from wtforms import SelectMultipleField, StringField

from console.forms.pace import blame
from console.texts import _


class ConfirmsForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """`sure`: the codes of the confirmed warnings about wrong phones. `agrees`: the values of the confirmed notes."""

    sure = SelectMultipleField(validate_choice=False)
    agrees = SelectMultipleField(validate_choice=False)

    def check_confirms(self, *, notes: Collection[str], doubts: Collection[str]) -> bool:
        """Tell whether the person confirmed all warnings; add an error to each field that does not.

        `notes`: the values of the boxes of all notes. `doubts`: the codes of the warnings about wrong phones.
        """
        if {*doubts} - {*(self.sure.data or ())}:
            blame(self.sure, _("Look at the phones: choose another column, or confirm that they are right."))
        if {*notes} - {*(self.agrees.data or ())}:
            blame(self.agrees, _("Read each note, and tick it."))
        return not self.sure.errors and not self.agrees.errors


class CheckForm(ConfirmsForm):
    """`job`: the id of the job whose result the page shows."""

    job = StringField()
