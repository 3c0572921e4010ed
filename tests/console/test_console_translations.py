"""Each text of the console has a translation, and the catalogue is the one that the source gives."""

from __future__ import annotations

import hashlib
import re

from tests.console.messages import PO, SOURCE, gather
from tests.project.messages import PO as CAMPAIGNS
from tests.project.sources import list_unmarked
from tests.support.catalogues import compile_catalogue, list_untranslated, read_catalogue

PLACES = re.compile(r"%(?:\((\w+)\)s)?")
HOWTO = "run `make messages`, translate the new texts in console/locale, and run it again"


def identify(catalog):
    return {each.id for each in catalog if each.id}


def list_pairs(message):
    if isinstance(message.id, tuple):
        return list(zip(message.id, message.string, strict=True))
    return [(message.id, message.string)]


def test_the_source_has_the_texts_of_the_catalogue_and_no_others():
    assert identify(gather()) == identify(read_catalogue(PO)), HOWTO


def test_each_text_is_translated_and_no_translation_is_a_guess():
    assert list_untranslated(read_catalogue(PO)) == [], HOWTO
    assert [each.id for each in read_catalogue(PO) if each.fuzzy and each.id] == []


def test_no_text_says_only_that_something_stands_elsewhere_on_the_page():
    """A link leads there, or the text says the thing itself."""
    texts = [text for message in read_catalogue(PO) if message.id for text, _ in list_pairs(message)]
    assert [text for text in texts if re.search(r"\bsee (above|below)", text)] == []


def test_a_translation_has_the_places_of_its_text():
    found = 0
    for message in read_catalogue(PO):
        for text, translation in list_pairs(message) if message.id else []:
            assert sorted(PLACES.findall(translation)) == sorted(PLACES.findall(text)), text
            found += bool(PLACES.findall(text))
    assert found > 10


def test_the_compiled_catalogue_is_that_of_the_texts():
    assert PO.with_suffix(".mo").read_bytes() == compile_catalogue(read_catalogue(PO)), HOWTO


def test_templates_have_no_text_outside_the_catalogue():
    """Words between tags would be shown in English to everybody."""
    own = re.compile(r"{#.*?#}|{%.*?%}|{{.*?}}|<script.*?</script>|<[^>]*>", re.DOTALL)
    names = {"Revoada", "·"}
    for template in SOURCE.glob("templates/**/*.html"):
        words = re.findall(r"[^\W\d_]{2,}", own.sub(" ", template.read_text()).replace("&nbsp;", " "))
        assert set(words) <= names, template


def test_attributes_have_no_text_outside_the_catalogue():
    """A screen reader says an `aria-label`, and a browser shows a `title`, as they stand in the template."""
    shown = re.compile(r'\b(?:aria-label|aria-description|alt|title|placeholder|label|summary)="([^"]*)"')
    jinja = re.compile(r"{%.*?%}|{{.*?}}", re.DOTALL)
    templates = {path: jinja.sub("", path.read_text()) for path in SOURCE.glob("templates/**/*.html")}
    assert sum(len(shown.findall(text)) for text in templates.values()) > 20
    assert [
        (path.name, text)
        for path, template in templates.items()
        for text in shown.findall(template)
        if re.search(r"[^\W\d_]{2,}", text)
    ] == []


# No reader of a page sees these: the answer to a probe, the value of a button, the name of a thread, and errors.
_NOT_SHOWN = {"not ready", "dismiss for sure", "live numbers", "the session of a form has ended"}


def test_the_source_has_no_words_outside_the_catalogue():
    """A label, an error of a form or an answer that nobody marked with `_` would be English for everybody."""
    catalogues = (read_catalogue(PO), read_catalogue(CAMPAIGNS))
    known = {text for catalogue in catalogues for each in catalogue if each.id for text, _ in list_pairs(each)}
    found = {text for path in sorted(SOURCE.rglob("*.py")) for text in list_unmarked(path, known)}
    assert found == _NOT_SHOWN


def test_scripts_have_no_words():
    """A page gives its scripts the words that they show."""
    strings = re.compile(r"""(["'`])(?!use strict)(?:(?!\1).)*?[A-Za-z]{2,} [a-z]{2,}(?: [a-z]+)*[.…]?\1""")
    assert strings.search('"Please wait"')
    for script in SOURCE.glob("static/*.js"):
        code = re.sub(r"//.*", "", script.read_text())
        assert [found[0] for found in strings.finditer(code) if " article" not in found[0]] == [], script


def test_vendored_files_are_those_that_were_published():
    folder = SOURCE / "static/vendor"
    listed = {}
    for line in (folder / "VERSIONS").read_text().splitlines():
        if not line.startswith("#"):
            name, package, version, licence, digest = line.split()
            listed[name] = digest
            assert re.fullmatch(r"[0-9.]+", version)
            short = package.rpartition("/")[2].partition(".")[0].removesuffix("css")
            assert (folder / f"{short}.LICENSE").read_text(), licence
    files = {each.name for each in folder.iterdir()}
    assert files == {*listed, "VERSIONS", "htmx.LICENSE", "pico.LICENSE"}
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
