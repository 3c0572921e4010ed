"""Gathers the texts of the console, and writes its catalogue: `make messages` runs this module."""

from __future__ import annotations

from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir

from console.languages import DOMAIN, FOLDER
from console.texts import PORTUGUESE
from tests.support.catalogues import update_catalogue

SOURCE = Path(__file__).resolve().parent.parent.parent / "console"
PO = FOLDER / PORTUGUESE / "LC_MESSAGES" / f"{DOMAIN}.po"
_METHODS = [("**.py", "python"), ("templates/**.html", "jinja2.ext.babel_extract")]
_KEYWORDS = {"_": None, "deferred": None, "plural": (1, 2)}
_OPTIONS = {"templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}


def gather() -> Catalog:
    catalog = Catalog(project="Revoada", charset="utf-8")
    found = extract_from_dir(str(SOURCE), method_map=_METHODS, options_map=_OPTIONS, keywords=_KEYWORDS)
    for text in sorted({each[2] for each in found}, key=str):
        catalog.add(text)
    return catalog


if __name__ == "__main__":
    update_catalogue(PO, gather())
