"""Checks of fields, with messages in the language of the person."""

from __future__ import annotations

from wtforms import Field, Form
from wtforms.validators import StopValidation

from console.texts import _


class Filled:
    """Demands a value. `message`: the error, as an English text of the catalogue."""

    def __init__(self, message: str) -> None:
        self.message = message

    def __call__(self, form: Form, field: Field) -> None:  # noqa: ARG002  the signature of WTForms
        if not (field.data or "").strip():
            field.errors[:] = []
            raise StopValidation(_(self.message))


class Equals:
    """Demands the text that is in an attribute of the form. Repeated spaces do not count."""

    def __init__(self, message: str, attribute: str) -> None:
        self.message, self.attribute = message, attribute

    def __call__(self, form: Form, field: Field) -> None:
        if " ".join((field.data or "").split()) != " ".join(getattr(form, self.attribute).split()):
            raise StopValidation(_(self.message))


class Short:
    """Demands at most `most` characters."""

    def __init__(self, most: int) -> None:
        self.most = most

    def __call__(self, form: Form, field: Field) -> None:  # noqa: ARG002  the signature of WTForms
        if len(field.data or "") > self.most:
            raise StopValidation(_("This text is too long. It may have %(most)s characters.", most=self.most))
