"""The demo has settings of its own."""

from __future__ import annotations

from campaigns.language import PORTUGUESE, choose, restoring
from devstack.demo import _set_apart


def test_the_demo_takes_no_setting_from_outside_but_the_languages():
    languages = {"REVOADA_LANGUAGE": "pt_BR", "REVOADA_LOG_LANGUAGE": "pt_BR"}
    settings = dict.fromkeys(["REVOADA_SLOTS", "META_APP_SECRET", "BROKER_URL", "DATABASE_URL_FILE"], "1")
    environment = {"PATH": "/bin"} | settings | languages
    _set_apart(environment)
    assert environment == {"PATH": "/bin"} | languages


def test_the_demo_tells_its_story_in_the_language_of_the_screen():
    environment = {"PATH": "/bin"}
    with restoring():
        choose(PORTUGUESE)
        _set_apart(environment)
    assert environment == {"PATH": "/bin", "REVOADA_LOG_LANGUAGE": "pt_BR"}
