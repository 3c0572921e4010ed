"""The demo has settings of its own."""

from __future__ import annotations

from devstack.demo import _remove_settings


def test_the_demo_takes_no_setting_from_outside_but_the_languages():
    languages = {"REVOADA_LANGUAGE": "pt_BR", "REVOADA_LOG_LANGUAGE": "pt_BR"}
    environment = {"PATH": "/bin", "REVOADA_SLOTS": "1", "META_APP_SECRET": "x", "BROKER_URL": "x"} | languages
    _remove_settings(environment)
    assert environment == {"PATH": "/bin"} | languages
