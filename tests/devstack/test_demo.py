"""The demo has settings of its own."""

from __future__ import annotations

from campaigns.language import PORTUGUESE, choose, restoring
from devstack.demo import ACCOUNTS, _set_apart, _simulator_script


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


def test_each_account_of_the_demo_has_a_phone_number_of_its_own():
    script = _simulator_script("http://127.0.0.1:8000", "secret")
    assert len({account["display_phone_number"] for account in script["accounts"].values()}) == len(ACCOUNTS)
