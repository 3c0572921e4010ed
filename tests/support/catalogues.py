"""Reads, writes and compiles a catalogue of translations."""

from __future__ import annotations

import io
from pathlib import Path

from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from campaigns.language import PORTUGUESE


def read_catalogue(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=PORTUGUESE)


def compile_catalogue(catalog: Catalog) -> bytes:
    file = io.BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def update_catalogue(path: Path, texts: Catalog) -> None:
    """Add new texts to the catalogue, drop texts that are gone, and compile it. A changed text is a new text."""
    catalog = read_catalogue(path)
    dates = catalog.creation_date, catalog.revision_date
    catalog.update(texts, no_fuzzy_matching=True)
    catalog.creation_date, catalog.revision_date = dates
    with path.open("wb") as file:
        write_po(file, catalog, width=118, sort_output=True, no_location=True, ignore_obsolete=True)
    path.with_suffix(".mo").write_bytes(compile_catalogue(read_catalogue(path)))
    for text in list_untranslated(catalog):
        print(f"not translated: {text}")


def list_untranslated(catalog: Catalog) -> list[str]:
    """List the texts that have no translation, or lack the translation of a plural form."""
    return [
        str(each.id)
        for each in catalog
        if each.id and not (all(each.string) if isinstance(each.string, tuple) else each.string)
    ]
