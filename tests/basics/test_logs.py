from __future__ import annotations

import json
import logging
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.config import Settings
from campaigns.logs import configure_logging, event, mask_phone


@pytest.fixture
def configure():
    """Configures as the settings say; puts everything back afterwards."""
    root = logging.getLogger()
    others = [logging.getLogger(name) for name in ("urllib3", "kombu", "celery.redirected")]
    others += [logging.getLogger(name) for name in ("celery.app.trace", "celery.worker.strategy")]
    before = [(logger, logger.level, logger.handlers[:]) for logger in (root, *others)]
    yield lambda **settings: configure_logging(Settings(**settings))
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


def lines(capsys):
    return capsys.readouterr().err.splitlines()


def tell(text="Starting campaign 34: Black Friday", name="campaign_started", **bound):
    logging.getLogger("campaigns.sending").info(text, extra=event(name, **bound))


def test_a_line_of_text_tells_when_what_and_about_which(configure, capsys):
    configure()
    tell(campaign_id=34, accounts=[1, 2])
    (line,) = lines(capsys)
    time, rest = line.split(" ", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time)
    assert rest == "INFO campaign_started Starting campaign 34: Black Friday campaign_id=34 accounts=[1, 2]"


def test_a_line_of_json_holds_the_same(configure, capsys):
    configure(log_format="json")
    tell("Promoção Verão", campaign_id=34, accounts=[1, 2])
    (line,) = lines(capsys)
    record = json.loads(line)
    assert record.pop("time").endswith("Z")
    assert record == {
        "level": "INFO",
        "event": "campaign_started",
        "message": "Promoção Verão",
        "campaign_id": 34,
        "accounts": [1, 2],
    }


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_record_of_someone_else_goes_by_the_name_of_its_logger(configure, capsys, log_format):
    configure(log_format=log_format)
    logging.getLogger("some.library").warning("all is %s", "well")
    (line,) = lines(capsys)
    assert "some.library" in line
    assert "all is well" in line


def test_an_error_in_json_is_one_line_with_its_traceback(configure, capsys):
    configure(log_format="json")
    bound = event("run_failed", campaign_id=3)
    logging.getLogger("campaigns").error("Campaign 3 failed", exc_info=ValueError("broken"), extra=bound)
    (line,) = lines(capsys)
    record = json.loads(line)
    assert (record["event"], record["campaign_id"]) == ("run_failed", 3)
    assert record["exception"].endswith("ValueError: broken")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_line_break_in_a_text_of_others_does_not_make_a_second_line(configure, capsys, log_format):
    configure(log_format=log_format)
    tell("131026 Undeliverable\n2026-11-27T09:00:00.000Z INFO account_deactivated Account 1 deactivated")
    assert len(lines(capsys)) == 1


def test_the_level_is_that_of_the_settings(configure, capsys):
    configure(log_level="WARNING")
    tell()
    assert lines(capsys) == []
    configure(log_level="DEBUG")
    logging.getLogger("campaigns.sending").debug("Sending message #1", extra=event("sending"))
    assert len(lines(capsys)) == 1


def test_to_configure_twice_does_not_tell_twice(configure, capsys):
    configure()
    configure()
    tell()
    assert len(lines(capsys)) == 1


@pytest.mark.parametrize("name", ["urllib3.connectionpool", "kombu", "celery.app.trace"])
def test_lines_of_libraries_that_show_urls_and_tasks_stay_out(configure, capsys, name):
    configure(log_level="DEBUG")
    logging.getLogger(name).info("http://hooks.example/secret")
    assert lines(capsys) == []


DETAIL = 'Failing row contains (5, +5511987654321, {"Maria Silva","Rua Augusta 9"}, 2026-11-27).'
POSTGRES = RuntimeError(f'null value in column "status" of relation "messages"\nDETAIL:  {DETAIL}\nCONTEXT:  COPY')


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_row_that_postgres_quotes_is_told(configure, capsys, log_format):
    configure(log_format=log_format)
    logging.getLogger("campaigns").error("Settling stopped: %s", POSTGRES, exc_info=POSTGRES)
    text = capsys.readouterr().err
    assert "null value in column" in text
    assert not [word for word in ("98765", "Maria", "Augusta") if word in text]


def test_a_line_of_json_stays_json_whatever_is_cut_out_of_it(configure, capsys):
    configure(log_format="json")
    logging.getLogger("campaigns").error("Settling stopped: %s", POSTGRES, extra=event("x", phone="+5511987654321"))
    (line,) = lines(capsys)
    assert json.loads(line)["phone"] == "+5511…21"


@pytest.mark.parametrize("log_format", ["text", "json"])
@given(
    phone=st.from_regex(r"\+[1-9][0-9]{9,14}", fullmatch=True), around=st.sampled_from(["{}", "({}),", "'{}'", "x{}."])
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_phone_number_is_told_whoever_logs_it(configure, capsys, log_format, phone, around):
    configure(log_format=log_format)
    tell(around.format(phone), to=phone)
    assert phone[:-2] not in capsys.readouterr().err


def test_a_masked_phone_keeps_country_area_and_the_last_two_digits():
    assert mask_phone("+5511987654321") == "+5511…21"


@pytest.mark.parametrize("phone", ["", "+", "+49", "+491234", "1234567"])
def test_what_is_too_short_to_be_masked_is_not_shown(phone):
    assert mask_phone(phone) == "…"


@given(phone=st.from_regex(r"\+[1-9][0-9]{10,14}", fullmatch=True))
def test_a_masked_phone_hides_at_least_five_digits(phone):
    masked = mask_phone(phone)
    assert phone not in masked
    assert len(phone) - len(masked.replace("…", "")) >= 5
