"""The glossary has each word that pages and commands show for a status, a reason or a role, in both languages."""

from __future__ import annotations

import re

import flask_babel
import pytest

from campaigns.config import Settings
from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.message import Status
from campaigns.domain.optout.recognition import Source
from campaigns.domain.pacing import Reason
from campaigns.domain.template import TemplateStatus
from campaigns.domain.users.rights import Role
from campaigns.domain.verdict import FAULTS
from campaigns.language import PORTUGUESE, load
from campaigns.management.listings.recipients import Group
from campaigns.secrets import make_key
from console import texts
from console.app import make_app
from console.context import Parts
from tests.console.messages import PO as CONSOLE
from tests.project.messages import PO as CAMPAIGNS
from tests.project.test_docs import PROJECT, read_tables, words
from tests.support.catalogues import read_catalogue

GLOSSARY = (PROJECT / "docs/glossary.md").read_text()
PORTUGUESE_WORDS = load(PORTUGUESE)


@pytest.fixture(scope="module")
def app():
    return make_app(Parts(Settings(secret_key=make_key()), None, None, None, None, None))


def read_section(title):
    return GLOSSARY.split(f"## {title} · ")[1].split("\n## ")[0]


def write_status(value):
    return PORTUGUESE_WORDS.translate_word(value)


def keep(value):
    return str(value)


@pytest.mark.parametrize(
    ("title", "values", "write_in_portuguese", "write_on_page"),
    [
        ("Status of a campaign", CampaignStatus, write_status, texts.status_word),
        ("Why a campaign waits", Reason, write_status, texts.reason_words),
        ("Status of a message", Status, write_status, texts.message_word),
        ("People of a campaign", Group, keep, texts.group_words),
        (
            "Whose fault an error is",
            dict.fromkeys(FAULTS.values()),
            PORTUGUESE_WORDS.translate,
            texts.fault_words,
        ),
        ("How a person has opted out", Source, write_status, texts.source_words),
        (
            "Status of a template",
            TemplateStatus,
            write_status,
            lambda status: texts.word(status.replace("_", " ")),
        ),
        ("Roles of users", Role, keep, lambda role: texts.role_labels()[role]),
    ],
)
def test_a_table_has_the_words_that_commands_and_pages_show(app, title, values, write_in_portuguese, write_on_page):
    def write(value, language):
        with app.test_request_context(), flask_babel.force_locale(language):
            return write_on_page(value)

    expected = [
        (
            [*dict.fromkeys([str(value), write_in_portuguese(value)])],
            *(write(value, language) for language in texts.LANGUAGES),
        )
        for value in values
    ]
    section = read_section(title)
    (first,) = re.findall(r"^\| ([a-z ]+) \| page", section, re.MULTILINE)
    found = read_tables(section, first, "page", "página", "meaning", "significado")
    assert [(words(row[first]), row["page"], row["página"]) for row in found] == expected


def test_each_word_of_the_field_is_translated_as_the_catalogues_do():
    pairs = [
        (text, translation)
        for path in (CAMPAIGNS, CONSOLE)
        for each in read_catalogue(path)
        if each.id
        for text, translation in (
            zip(each.id, each.string, strict=True) if isinstance(each.id, tuple) else [(each.id, each.string)]
        )
    ]

    def is_used(english, portuguese):
        first, second = (re.compile(rf"\b{re.escape(word)}\b", re.IGNORECASE) for word in (english, portuguese))
        return any(first.search(text) and second.search(translation) for text, translation in pairs)

    rows = read_tables(GLOSSARY, "English", "português")
    assert [row for row in rows if not is_used(row["English"], row["português"])] == []


def test_each_meaning_is_one_or_two_sentences_in_each_language():
    cells = [line.strip("| ").split(" | ")[-2:] for line in GLOSSARY.splitlines() if line.startswith("| ")]
    sentences = [cell for row in cells for cell in row if cell not in {"meaning", "significado"}]
    assert len(sentences) > 200
    assert [each for each in sentences if not re.fullmatch(r"[A-ZÀ-Ú][^.]+\.( [A-ZÀ-Ú][^.]+\.){0,2}", each)] == []
