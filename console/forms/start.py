"""The forms with which a person tests, approves and starts a draft."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from flask_wtf import FlaskForm
from wtforms import StringField

from campaigns.config import Settings
from campaigns.domain.phone.foreign import may_be_foreign
from campaigns.domain.phone.number import make_phone_reader
from campaigns.domain.phone.written import PhoneError
from campaigns.domain.text.reasons import translate_reason
from campaigns.language import load
from campaigns.management.drafts.starts import Told
from console.forms.confirms import ConfirmsForm
from console.forms.pace import blame
from console.forms.people import ask_country
from console.texts import _, language, number

MOST_TEST_PHONES = 5


class StartForm(ConfirmsForm):
    """`told`: the facts of the page, as `write_told` wrote them. `count`: the number of messages, typed by a person."""

    told = StringField()
    count = StringField()

    def check(self, send_count: int, *, must_count: bool, notes: Collection[str], doubts: Collection[str]) -> bool:
        """Tell whether the person confirmed the start; add an error to each field that does not."""
        confirms = self.check_confirms(notes=notes, doubts=doubts)
        if must_count and re.sub(r"[\s.,]", "", self.count.data or "") != str(send_count):
            blame(self.count, _("Type the number of messages: %(count)s.", count=number(send_count)))
        return confirms and not self.count.errors

    def tell(self, told: Told) -> None:
        """Put the present facts into the form. If they are not those of the person's page, its answers are cleared."""
        shown, self.told.data = self.told.data, write_told(told)
        if shown != self.told.data:
            self.sure.data, self.agrees.data, self.count.data = [], [], ""


class TestForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """`phones`: phones with commas, semicolons or line breaks between them. `known`: the number of tests so far."""

    __test__ = False  # pytest would take the class for a test

    phones = StringField()
    known = StringField()

    def read_phones(self, region: str) -> list[str]:
        """Return the phones in E.164. Adds an error to the field for each text that is no certain phone."""
        texts = [text.strip() for text in re.split(r"[,;\n]", self.phones.data or "") if text.strip()]
        if not 0 < len(texts) <= MOST_TEST_PHONES:
            blame(self.phones, _("Give 1 to %(most)s phones, with commas between them.", most=MOST_TEST_PHONES))
            return []
        read, found = make_phone_reader(region, takes_tests=True), []
        for text in texts:
            try:
                found.append(read(text))
                if may_be_foreign(text, found[-1], region):
                    blame(self.phones, f"{text}: {ask_country(found[-1])}")
            except PhoneError as error:
                blame(self.phones, f"{text} {translate_reason(str(error), load(language()))}.")
        return list(dict.fromkeys(found))


def write_told(told: Told) -> str:
    """Return the facts that a page tells a person, for the form of that page."""
    facts = {
        "digest": told.digest.hex(),
        "pace": told.pace_digest.hex(),
        "messages": told.message_count,
        "nights": told.night_count,
        "reached": told.reached,
    }
    return json.dumps(facts)


def read_told(text: str, campaign_id: int, settings: Settings) -> Told | None:
    """Return the facts that a page told; None if the text is not one of `write_told`."""
    try:
        found = json.loads(text)
        return Told(
            digest=bytes.fromhex(found["digest"]),
            pace_digest=bytes.fromhex(found["pace"]),
            message_count=int(found["messages"]),
            night_count=int(found["nights"]),
            reached={int(key): int(value) for key, value in found["reached"].items()},
            quiet=settings.quiet_hours,
            days=settings.overlap_days,
            together=[campaign_id],
        )
    # A deep text ends in a RecursionError, and the number Infinity in an OverflowError.
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
