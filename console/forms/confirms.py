"""The fields with which a person confirms warnings."""

from __future__ import annotations

from collections.abc import Collection

from flask_wtf import FlaskForm
from wtforms import BooleanField, SelectMultipleField, StringField

from console.forms.pace import blame
from console.texts import _


class ConfirmsForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """`sure`: the codes of the warnings that are confirmed one by one. `agrees`: the person has read the notes."""

    sure = SelectMultipleField(validate_choice=False)
    agrees = BooleanField()

    def check_confirms(self, *, must_agree: bool, doubts: Collection[str]) -> bool:
        """Tell whether the person confirmed all warnings; add an error to each field that does not.

        `doubts`: the codes of the warnings that are confirmed one by one.
        """
        if {*doubts} - {*(self.sure.data or ())}:
            blame(self.sure, _("Look at the phones: choose another column, or confirm that they are right."))
        if must_agree and not self.agrees.data:
            blame(self.agrees, _("Read the notes, and confirm that you have read them."))
        return not self.sure.errors and not self.agrees.errors


class CheckForm(ConfirmsForm):
    """`job`: the id of the job whose result the page shows."""

    job = StringField()
