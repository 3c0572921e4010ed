"""Each text for people has a translation, and the catalogues are those that the source gives."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from string import Formatter

import pytest

from campaigns.doctor.campaign_checks import _WAITS
from tests.project.messages import PO, gather
from tests.project.sources import list_statements, list_unmarked
from tests.support.catalogues import compile_catalogue, list_untranslated, read_catalogue

_PERCENT = re.compile(r"%(?:\(\w+\))?[.\d]*[a-z]")
HOWTO = "run `make messages`, translate the new texts in campaigns/locale, and run it again"


@pytest.fixture(scope="module")
def translations():
    return read_catalogue(PO)


def identify(catalog):
    return {(each.id, each.context) for each in catalog if each.id}


def list_forms(message):
    """The pairs of an English text and its translation: two for a text that has a plural."""
    if isinstance(message.id, tuple):
        return list(zip(message.id, message.string, strict=True))
    return [(message.id, message.string)]


def list_places(text):
    """List the places of a text. A date may be written in the order of its language."""
    return sorted(
        (name, spec.replace("%d/%m/%Y", "%Y-%m-%d"), conversion)
        for _, name, spec, conversion in Formatter().parse(text)
        if name is not None
    )


def test_the_source_has_the_texts_of_the_catalogue_and_no_others(translations):
    assert identify(gather()) == identify(translations), HOWTO


def test_each_text_is_translated_and_no_translation_is_a_guess(translations):
    assert list_untranslated(translations) == [], HOWTO
    assert [each.id for each in translations if each.fuzzy and each.id] == []


def test_each_wait_that_the_doctor_tells_is_in_the_catalogue(translations):
    known = {text for each in translations if each.id for text, _ in list_forms(each)}
    assert [text for wait in _WAITS.values() for text in (wait.text, wait.advice) if text not in known] == []


def test_commands_have_no_sentence_outside_the_catalogue(project, translations):
    known = {text for each in translations if each.id for text, _ in list_forms(each)}
    paths = [path for folder in ("campaigns/cli", "devstack") for path in sorted((project / folder).rglob("*.py"))]
    texts = [text for path in paths for text in list_unmarked(path, known)]
    assert [text for text in texts if re.match("[A-Z][a-z]*[ ,]", text) and "{{" not in text] == []


def test_a_verb_behind_a_number_has_two_forms():
    """`1 of 19 are missing` is wrong, so a text in which a verb follows a number is a plural."""
    number = r"\{\w+(?::,)?\} of (?:the )?\{[\w:,]+\}(?: \w+)?|\{\w+:,\}(?: \w+)?"
    verb = re.compile(rf"(?:{number}) (?:are|is|were|was|have|has|waits?|stays?|goe?s?)\b")
    found = [each.id for each in gather() if isinstance(each.id, str) and not each.context and verb.search(each.id)]
    assert found == []
    assert verb.search("{missing} of {checks} are missing.")
    assert verb.search("{shared:,} of {recipients} are also in campaign {id}.")


def test_a_translation_has_the_places_of_its_text(translations):
    for message in translations:
        if message.id and not message.python_format:
            for text, translation in list_forms(message):
                assert list_places(translation) == list_places(text), text


def test_a_translation_of_a_log_sentence_has_its_values_in_the_same_order(translations):
    found = 0
    for message in translations:
        if message.id and message.context == "log":
            assert _PERCENT.findall(message.string) == _PERCENT.findall(message.id), message.id
            found += 1
    assert found >= 8


def test_a_translation_begins_and_ends_with_the_spaces_of_its_text(translations):
    for message in translations:
        for text, translation in list_forms(message) if message.id else []:
            assert (translation[:1].isspace(), translation[-1:].isspace()) == (text[:1].isspace(), text[-1:].isspace())


def test_commands_and_options_in_a_text_stay_as_they_are(translations):
    """A translation changes only the placeholders, such as FILE, of a command in backticks, because people type it."""
    typed = re.compile(r"`[^`]*`|(?<![\w-])--[a-z-]+")
    placeholders = {each.id: each.string for each in translations if each.context == "metavar" and each.id.isalpha()}
    pattern = re.compile(rf"(?<![\w-])({'|'.join(placeholders)})(?![\w-])")
    for message in translations:
        for text, translation in list_forms(message) if message.id else []:
            expected = [pattern.sub(lambda found: placeholders[found[1]], each) for each in typed.findall(text)]
            assert sorted(typed.findall(translation)) == sorted(expected), text


def test_the_placeholders_in_a_translation_are_translated(translations):
    names = {each.id for each in translations if each.context == "metavar" and each.string != each.id}
    for message in translations:
        for _text, translation in list_forms(message) if message.id and message.context != "metavar" else []:
            assert not names & set(re.findall(r"(?<![\w-])[A-Z]+(?![\w-])", translation)), translation


def test_the_compiled_catalogue_is_that_of_the_texts(translations):
    assert PO.with_suffix(".mo").read_bytes() == compile_catalogue(translations), HOWTO


def test_the_plural_of_none_is_the_plural(translations):
    assert translations.plural_expr == "(n != 1)"


def test_the_texts_of_each_statement_can_be_read_from_the_source(project):
    """A text that is computed, or passed on, would not be found for the catalogue."""
    hidden = {str(each.path) for each in list_statements(project) if not each.texts}
    # Each of these has one function whose parameter is a text, the copy of a sentence with other values, or the
    # empty advice of a failure.
    passing_on = {
        *("cli/hints.py", "cli/remote_control.py", "config.py"),
        *("domain/campaign.py", "domain/failures.py", "domain/statement.py", "domain/text/reasons.py"),
        "management/files/sentences.py",
    }
    assert hidden == {f"campaigns/{name}" for name in passing_on}


# The makers of a sentence. Their keywords are the values of its places.
_SENTENCES = {"_", "plural", "Sentence", "Refusal", "Finding", "conflict", "_add_finding", "warn", "SettingsError"} | {
    "ForgettingError", "RecipientsError", "TemplateError",
}  # fmt: skip


def list_bare_words(node):
    """List the texts with words that an expression may give as the value of a place, outside a `Word` or a sentence."""
    match node:
        case ast.Constant(str() as text) if re.search("[a-z]{3}", text):
            yield text
        case ast.JoinedStr(parts) | ast.BoolOp(values=parts) | ast.List(parts) | ast.Tuple(parts):
            yield from (text for part in parts for text in list_bare_words(part))
        case ast.IfExp(body=one, orelse=other):
            yield from (*list_bare_words(one), *list_bare_words(other))
        case ast.ListComp(part) | ast.GeneratorExp(part):
            yield from list_bare_words(part)
        case ast.Call(ast.Attribute(attr="join"), arguments):
            yield from (text for part in arguments for text in list_bare_words(part))


def list_values(tree):
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        if (call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")) in _SENTENCES:
            yield from (text for keyword in call.keywords for text in list_bare_words(keyword.value))


@pytest.mark.parametrize(
    "source",
    [
        'Sentence("{a}", a="no media")', 'Refusal("x", "{a}", a=name or "unnamed")', '_("{a}", a=f"row {number}")',
        'Sentence("{a}", a=[*found, "any"])', '_("{a}", a=", ".join(f"{each} (optional)" for each in names))',
    ],
)  # fmt: skip
def test_a_word_that_is_the_value_of_a_place_is_found(source):
    assert [*list_values(ast.parse(source))] != []
    assert [*list_values(ast.parse('_("{a}", a=Word("no media"), b=Sentence("any"), c=name or "")'))] == []


def test_each_word_that_is_the_value_of_a_place_can_be_translated(project):
    """`_` translates the text of a sentence, but not a plain string that takes a place in it."""
    paths = [path for package in ("campaigns", "devstack") for path in sorted((project / package).rglob("*.py"))]
    found = [(path.name, text) for path in paths for text in list_values(ast.parse(path.read_text("utf-8")))]
    assert found == []


@pytest.mark.parametrize(
    ("program", "module"),
    [
        ("import webhooks.receiver.app", "babel"),
        ("from campaigns.cli.root import main; main(['migrate', '-h'], standalone_mode=False)", "babel.dates"),
    ],
)
def test_neither_the_receiver_nor_an_english_command_loads_the_formats_of_babel(program, module):
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {program}; print({module!r} in sys.modules)"],
        env={"LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("False\n"), done.stdout
