"""REVOADA_LOG_LANGUAGE translates the sentences about campaigns and accounts, and nothing else of the log."""

from __future__ import annotations

import json
import logging

import pytest

from campaigns.config import Settings, read_settings
from campaigns.doctor.health import _log_health
from campaigns.domain.health import Health
from campaigns.domain.message import Status
from campaigns.domain.pacing import Reason
from campaigns.domain.statement import Sentence, Word
from campaigns.logs import configure_logging, event
from campaigns.sending.settlement import report_deactivation
from campaigns.store.accounts import StreakResult

_log = logging.getLogger("campaigns.sending")


@pytest.fixture
def write(capsys):
    """Logs in Portuguese; returns the lines as JSON."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]

    def write(log):
        configure_logging(Settings(log_language="pt_BR", log_format="json"))
        log()
        return json.loads(capsys.readouterr().err)

    yield write
    root.setLevel(level)
    root.handlers[:] = handlers


def test_a_sentence_of_the_story_is_in_portuguese_and_its_event_and_keys_are_not(write):
    line = write(
        lambda: _log.info("Starting campaign %s: %s", 7, "Body", extra=event("campaign_started", campaign_id=7))
    )
    assert line["message"] == "Iniciando a campanha 7: Body"
    assert (line["event"], line["campaign_id"], line["level"]) == ("campaign_started", 7, "INFO")


def test_a_name_with_percent_signs_is_no_format(write):
    line = write(lambda: _log.info("Starting campaign %s: %s", 7, "20% off %s", extra=event("campaign_started")))
    assert line["message"] == "Iniciando a campanha 7: 20% off %s"


def test_the_sentences_of_a_wait_and_of_failures_translate_their_words(write):
    text = Sentence(
        "Campaign {campaign} waits until {until}: {reason}", campaign=7, until="09:00", reason=Reason.WINDOW
    )
    assert write(lambda: _log.info(text, extra=event("campaign_waiting")))["message"] == (
        "A campanha 7 espera até 09:00: janela de horário"
    )
    failed = Sentence(
        "{outcome}, {code} {meaning}", outcome=Status.FAILED, code=190, meaning=Word("access token is missing")
    )
    line = write(lambda: _log.warning("%s messages of campaign %s: %s", 3, 7, failed, extra=event("failures")))
    assert line["message"] == "3 mensagens da campanha 7: com falha, 190 falta o token de acesso"


def test_the_health_of_an_account_is_told_in_portuguese(write):
    line = write(lambda: _log_health(1, Health(quality="GREEN")))
    assert (line["event"], line["message"]) == ("health_ok", "Saúde da conta 1 OK (GREEN)")


def test_health_that_is_not_ideal_is_told_in_portuguese(write):
    line = write(lambda: _log_health(1, Health(quality="YELLOW", can_send="LIMITED")))
    assert line["message"].startswith("[INFO] Saúde da conta 1 não está ideal: qualidade YELLOW, pode enviar LIMITED; ")


@pytest.mark.parametrize(
    ("category", "name", "text"),
    [
        (None, "account_deactivated", "Conta 1 desativada depois de 1 falhas de envio seguidas: 190 falta o token"),
        (
            "MARKETING",
            "account_category_deactivated",
            "A conta 1 (sales) não envia mais templates MARKETING, depois de 1 falhas de envio seguidas: 190",
        ),
    ],
)
def test_a_deactivation_is_told_in_portuguese_and_its_alert_in_english(write, category, name, text):
    failure = {"code": 190, "title": "access token is missing", "details": "", "fbtrace_id": "", "message_id": 1}
    alerts = Sent()
    result = StreakResult(1, "sales", category, (failure,), is_inactive=True)
    line = write(lambda: report_deactivation(result, alerts))
    assert line["event"] == name
    assert line["message"].startswith(text)
    ((kind, told),) = alerts.sent
    assert kind == name
    assert "consecutive send failures: 190" in told


class Sent:
    """Keeps alerts."""

    def __init__(self):
        self.sent = []

    def send(self, kind, text, **_bound):
        self.sent.append((kind, text))


def test_every_other_sentence_stays_english(write):
    line = write(lambda: _log.info("Another tick is running", extra=event("tick_skipped")))
    assert line["message"] == "Another tick is running"
    assert write(lambda: _log.info("Starting campaign %s: %s", 7, "x"))["message"] == "Starting campaign 7: x"


def test_the_language_of_the_log_is_english_unless_it_is_set():
    assert read_settings({"REVOADA_LANGUAGE": "pt_BR", "LANG": "pt_BR"}).log_language == "en"
    assert read_settings({"REVOADA_LOG_LANGUAGE": "pt-br"}).log_language == "pt_BR"
