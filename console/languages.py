"""Chooses the language of a page: that of the user; for a visitor, the one in the address, that of the person who was
signed in last, or that of the browser.
"""

from __future__ import annotations

from pathlib import Path

import flask_babel
from flask import Flask, g, request

from campaigns.domain.statement import Refusal
from campaigns.store.database import DatabaseError
from console.context import console_session, find_user
from console.texts import ENGLISH, LANGUAGES

FOLDER = Path(__file__).parent / "locale"
DOMAIN = "console"


def set_up_languages(app: Flask) -> None:
    flask_babel.Babel(
        app,
        default_locale=ENGLISH,
        default_domain=DOMAIN,
        default_translation_directories=str(FOLDER),
        locale_selector=choose_language,
    )


def choose_language() -> str:
    if "language" not in g:
        g.language = _find_language()
    return str(g.language)


def _find_language() -> str:
    try:
        user = find_user()
    except (DatabaseError, Refusal):
        user = None
    if user is not None and user.language in LANGUAGES:
        return user.language
    for asked in (request.args.get("language"), console_session().sent_language):
        if asked in LANGUAGES:
            return str(asked)
    return str(request.accept_languages.best_match([each.replace("_", "-") for each in LANGUAGES], ENGLISH)).replace(
        "-", "_"
    )
