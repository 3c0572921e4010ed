"""The forms of the steps of a draft."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence

from flask_wtf import FlaskForm
from wtforms import StringField

from campaigns.domain.filling import Parameter
from campaigns.domain.statement import deferred
from console.forms.checks import Filled


class OnceForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A form that makes one draft, however often a browser sends it. `once`: a random text of the page."""

    once = StringField(default=lambda: secrets.token_urlsafe(16))

    def draft_key(self, maker: str, *values: str) -> bytes | None:
        """Return the key of the draft that `maker` makes with these values; None if the form has no random text.

        A person who goes back and changes a value makes another draft.
        """
        once = self.once.data or ""
        return hashlib.sha256("\0".join([once, maker, *values]).encode()).digest() if len(once) >= _SHORTEST else None


# A text of fewer characters may be that of another form, too.
_SHORTEST = 16


class DraftForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A form that changes a draft. `shown`: the digest of what the page showed; empty: the form does not say."""

    shown = StringField()


class AudienceForm(FlaskForm):  # type: ignore[misc]
    """People of the earlier campaign `source`. `common`: conditions of the page's list; empty: those of `who` count.

    `uncertain`: the number of people whose message is uncertain that the page has shown, if the person takes them, too.
    """

    source = StringField(validators=[Filled(deferred("Choose a campaign."))])
    common = StringField()
    who = StringField()
    uncertain = StringField()

    @property
    def conditions(self) -> str:
        return self.common.data or (self.who.data or "").strip()


class TextForm(OnceForm, DraftForm):
    """`template`: name and language, as `CampaignChanges.template` takes them."""

    template = StringField(validators=[Filled(deferred("Choose a template."))])
    name = StringField(validators=[Filled(deferred("Give the campaign a name. Only your team sees it."))])


def make_text_form(parameters: Sequence[Parameter], values: Mapping[str, object] | None = None) -> TextForm:
    """Return the form with a field for each parameter of the template, `value_0` and so on.

    `values`: the values of the fields before a person changes them.
    """
    fields = {f"value_{number}": StringField() for number in range(len(parameters))}
    form: TextForm = type("TextForm", (TextForm,), fields)(data=values)
    return form
