"""The demo has settings of its own."""

from __future__ import annotations

from campaigns.language import PORTUGUESE, choose, restoring
from devstack.demo import _set_apart


def test_the_demo_takes_few_settings_from_outside():
    kept = {"REVOADA_LANGUAGE": "pt_BR", "REVOADA_LOG_LANGUAGE": "pt_BR"}
    kept |= {"REVOADA_METRICS_PORT": "9100", "REVOADA_EGRESS_NETWORKS": "127.0.0.1"}
    settings = dict.fromkeys(["REVOADA_SLOTS", "META_APP_SECRET", "BROKER_URL", "DATABASE_URL_FILE"], "1")
    environment = {"PATH": "/bin"} | settings | kept
    _set_apart(environment)
    assert environment == {"PATH": "/bin"} | kept


def test_the_demo_tells_its_story_in_the_language_of_the_screen():
    environment = {"PATH": "/bin"}
    with restoring():
        choose(PORTUGUESE)
        _set_apart(environment)
    assert environment == {"PATH": "/bin", "REVOADA_LOG_LANGUAGE": "pt_BR"}
