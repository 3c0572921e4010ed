import datetime as dt

import pytest

from tests.webhooks.webhook_bodies import AT, PHONE_NUMBER_ID, WABA_ID, make_body, make_status, make_value
from webhooks.applier.events import AccountEvent, TemplateEvent
from webhooks.applier.parse import parse_event

WHEN = dt.datetime.fromtimestamp(AT, dt.UTC)
TEMPLATE = {
    "event": "paused",
    "message_template_id": 594425479261596,
    "message_template_name": "carnaval",
    "message_template_language": "pt-BR",
    "reason": "NONE",
    "other_info": {"title": "FIRST_PAUSE", "description": "Rests for three hours."},
}


def read_template(**changes):
    event = parse_event(make_body({**TEMPLATE, **changes}, "message_template_status_update", time=AT))
    (template,) = event.template_events
    return template


def read_account(field, value, **entry):
    (account,) = parse_event(make_body(value, field, **{"time": AT, **entry})).account_events
    return account


def test_a_template_event_names_template_event_and_time():
    assert read_template() == TemplateEvent(
        waba_id=WABA_ID,
        template_id="594425479261596",
        name="carnaval",
        language="pt_BR",
        event="PAUSED",
        reason="",
        title="FIRST_PAUSE",
        at=WHEN,
    )


def test_a_rejection_tells_its_reason_wherever_it_stands():
    assert read_template(event="REJECTED", reason="INVALID_FORMAT").reason == "INVALID_FORMAT"
    assert read_template(event="REJECTED", rejection_info={"reason": "Two parameters touch."}).reason == (
        "Two parameters touch."
    )


@pytest.mark.parametrize("key", ["event", "message_template_name", "message_template_language"])
def test_a_template_event_that_says_too_little_is_set_aside(key):
    event = parse_event(make_body({**TEMPLATE, key: None}, "message_template_status_update"))
    assert [aside.reason for aside in event.dead_letters] == [f"entry[0].changes[0].value.{key}: missing"]


def test_an_event_without_a_time_is_read_and_one_with_a_wrong_time_is_set_aside():
    assert parse_event(make_body(TEMPLATE, "message_template_status_update")).template_events[0].at is None
    event = parse_event(make_body(TEMPLATE, "message_template_status_update", time="soon"))
    assert [aside.reason for aside in event.dead_letters] == ['entry[0].changes[0].time: not a number: "soon"']


def test_a_quality_update_is_no_status_update_whatever_its_name():
    value = {"previous_quality_score": "GREEN", "new_quality_score": "YELLOW", "message_template_name": "carnaval"}
    for field in ("message_template_quality_update", "message_template_status_update"):
        account = read_account(field, value)
        assert (account.field, account.event) == ("message_template_quality_update", "YELLOW")


def test_an_account_update_names_event_number_and_time():
    value = {"event": "ACCOUNT_RESTRICTION", "phone_number": "15550001111", "restriction_info": [{"expiration": AT}]}
    assert read_account("account_update", value) == AccountEvent(
        field="account_update",
        event="ACCOUNT_RESTRICTION",
        waba_id=WABA_ID,
        phone_number_id="",
        display_phone_number="15550001111",
        summary=value,
        at=WHEN,
    )


def test_an_event_of_a_partner_names_the_account_it_is_about():
    value = {"event": "PARTNER_REMOVED", "waba_info": {"waba_id": "777"}}
    assert read_account("account_update", value).waba_id == "777"


@pytest.mark.parametrize(
    ("field", "value", "event"),
    [
        ("phone_number_quality_update", {"event": "FLAGGED", "current_limit": "TIER_10K"}, "FLAGGED"),
        ("business_capability_update", {"max_daily_conversations_per_business": "TIER_2K"}, ""),
        ("business_capability_update", {"max_daily_conversations_per_business": 2_000}, ""),
        ("account_review_update", {"decision": "approved"}, "APPROVED"),
        ("account_alerts", {"alert_info": {"alert_type": "OBA_APPROVED"}}, "OBA_APPROVED"),
        ("account_alerts", {"alert_type": "OBA_APPROVED"}, "OBA_APPROVED"),
    ],
)
def test_each_account_field_is_named_by_its_event(field, value, event):
    account = read_account(field, value)
    assert (account.field, account.event, account.summary) == (field, event, value)


def test_an_alert_about_a_number_names_it():
    value = {"entity_type": "PHONE_NUMBER", "entity_id": int(PHONE_NUMBER_ID), "alert_info": {}}
    assert read_account("account_alerts", value).phone_number_id == PHONE_NUMBER_ID


def test_errors_of_a_number_are_an_account_event_and_cost_no_status():
    errors = [{"code": 130429, "title": "Rate limit hit"}]
    event = parse_event(make_body(make_value(make_status(), errors=errors)))
    assert len(event.evidence) == 1
    (account,) = event.account_events
    assert (account.field, account.event, account.phone_number_id) == ("messages", "ERROR", PHONE_NUMBER_ID)
    assert account.summary == {"errors": errors}


def test_a_summary_stays_small():
    value = {"event": "X", "a": "x" * 9_999, "b": [1] * 999, "c": {"d": {"e": {"f": {"g": {"h": 1}}}}}, "i": 10**40}
    summary = read_account("account_update", value).summary
    assert len(summary["a"]) == 300
    assert len(summary["b"]) == 20
    assert summary["c"] == {"d": {"e": {"f": {"g": "…"}}}}
    assert summary["i"] == "1" + "0" * 40
