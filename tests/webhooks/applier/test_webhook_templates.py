"""Webhooks about templates: what has changed from which value to which, and the campaigns that send the template."""

from __future__ import annotations

import pytest
from psycopg.types.json import Jsonb

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.store.events import insert_events
from tests.store.rows import add_account, add_campaign, add_template, fetch
from tests.webhooks.webhook_bodies import WABA_ID, make_body
from webhooks.applier.apply import apply_events


class Sent(Alerts):
    """Keeps the alerts in a list."""

    def __init__(self):
        super().__init__(None)
        self.alerts = []

    def send(self, kind, text, **facts):
        self.alerts.append((kind, text, facts))


@pytest.fixture
def campaign(database):
    """A campaign that sends `promo:pt_BR` by an account of the WABA, beside one of another WABA and one that ended."""
    account, other = database.run(add_account, waba_id=WABA_ID), database.run(add_account, waba_id="999")
    template_id = database.run(
        add_template, name="promo", language="pt_BR", waba_id=WABA_ID, category="UTILITY",
        quality="GREEN", status_at="2026-01-01T00:00Z",
        components=Jsonb([{"type": "BODY", "text": "Oi {{1}}!"}, {"type": "FOOTER", "text": "Loja"}]),
    )  # fmt: skip
    database.run(add_campaign, accounts=[other], template_id=template_id)
    database.run(add_campaign, "completed", accounts=[account], template_id=template_id)
    return database.run(
        add_campaign, accounts=[account], template_id=template_id, waiting_reason="template", due_at="2099-01-01T00:00Z"
    )


@pytest.fixture
def tell(database, caplog):
    """Applies one webhook about the template; returns its log line, the alerts, and the campaigns to enqueue."""

    def tell_one(field, seconds_ago=0, **value):
        named = {"message_template_name": "promo", "message_template_language": "pt-BR", "message_template_id": 7}
        at = int(fetch(database, "SELECT clock_timestamp()")[0].timestamp()) - seconds_ago
        database.run(insert_events, [make_body(named | value, field, time=at)])
        caplog.clear()
        alerts = Sent()
        applied = apply_events(database, Settings(), alerts)
        lines = [
            each for each in caplog.records if getattr(each, "event", "") in {"account_reported", "template_status"}
        ]
        return lines[0], alerts.alerts, applied.to_enqueue

    caplog.set_level("INFO")
    return tell_one


@pytest.mark.parametrize(
    ("field", "value", "what", "old", "new"),
    [
        ("template_category_update", {"new_category": "MARKETING"}, "category", "UTILITY", "MARKETING"),
        (
            "template_category_update",
            {"new_category": "marketing", "previous_category": "AUTHENTICATION"},
            *("category", "AUTHENTICATION", "MARKETING"),
        ),
        ("message_template_quality_update", {"new_quality_score": "RED"}, "quality", "GREEN", "RED"),
        (
            "message_template_components_update",
            {"message_template_element": "Oi {{1}}, {{2}}!"},
            *("values of each message", "1", "1, 2"),
        ),
        (
            "message_template_components_update",
            {"message_template_element": "Olá {{1}}!"},
            *("text", "as it was", "edited, with the same values"),
        ),
    ],
)
def test_a_change_names_template_old_new_and_campaigns_in_log_and_alert(  # noqa: PLR0917
    campaign, tell, field, value, what, old, new
):
    line, alerts, _ = tell(field, **value)
    text = line.getMessage()
    assert text.startswith(f"Meta reports {field}")
    assert text.endswith(f": template promo:pt_BR, {what} {old} → {new}; campaigns {campaign} send it")
    facts = {"accounts": [1], "template": "promo:pt_BR", "campaigns": [campaign], "old": old, "new": new}
    assert {name: getattr(line, name) for name in facts} | {"accounts": [1]} == facts
    ((kind, told, more),) = alerts
    assert (kind, told, more | {"accounts": [1]}) == ("account_reported", text, facts)


def test_a_paused_template_names_its_old_status_and_the_campaigns_that_stop(campaign, tell):
    line, alerts, _ = tell("message_template_status_update", event="PAUSED", other_info={"title": "FIRST_PAUSE"})
    text = f"Template promo:pt_BR is paused, says Meta (FIRST_PAUSE); it was approved; campaigns {campaign} send it"
    assert (line.levelname, line.getMessage()) == ("WARNING", text)
    ((kind, told, facts),) = alerts
    assert (kind, told) == ("template_status", text)
    assert facts == {"template": "promo:pt_BR", "old": "approved", "new": "paused", "campaigns": [campaign]}
    # A repetition is logged, and nobody is woken by it.
    assert tell("message_template_status_update", event="PAUSED")[1] == []
    line, alerts, enqueued = tell("message_template_status_update", event="APPROVED")
    assert (line.levelname, alerts, campaign in enqueued) == ("INFO", [], True)


def test_an_edited_body_replaces_ours_and_ends_the_wait_for_the_template(campaign, database, tell):
    _, _, enqueued = tell("message_template_components_update", message_template_element="Oi {{1}},\n{{2}}! 😀")
    assert campaign in enqueued
    body = {"type": "BODY", "text": "Oi {{1}},\n{{2}}! 😀"}
    assert fetch(database, "SELECT components FROM templates") == [[body, {"type": "FOOTER", "text": "Loja"}]]
    _, _, enqueued = tell("message_template_components_update", message_template_element="Oi {{1}},\n{{2}}! 😀")
    assert enqueued == []


def test_a_late_report_of_an_older_edit_does_not_replace_a_newer_text(campaign, database, tell):
    field, text = "message_template_components_update", "SELECT components -> 0 ->> 'text' FROM templates"
    tell(field, message_template_element="B {{1}}")
    _, _, enqueued = tell(field, seconds_ago=60, message_template_element="A {{1}}")
    assert (fetch(database, text), enqueued) == (["B {{1}}"], [])


def test_a_repeated_text_is_newer_than_an_edit_in_between(campaign, database, tell):
    field, text = "message_template_components_update", "SELECT components -> 0 ->> 'text' FROM templates"
    tell(field, seconds_ago=120, message_template_element="A {{1}}")
    tell(field, message_template_element="A {{1}}")
    tell(field, seconds_ago=60, message_template_element="B {{1}}")
    assert fetch(database, text) == ["A {{1}}"]


def test_an_edit_that_is_older_than_the_last_read_changes_nothing(campaign, database, tell):
    fetch(database, "UPDATE templates SET components_at = clock_timestamp() + interval '1 minute'")
    _, _, enqueued = tell("message_template_components_update", message_template_element="Velho")
    assert enqueued == []
    assert fetch(database, "SELECT components -> 0 ->> 'text' FROM templates") == ["Oi {{1}}!"]


@pytest.mark.parametrize("text", ["Oi {{1}}!", "Velho"])
def test_an_edit_that_changes_no_stored_text_is_not_told_as_a_change(campaign, database, tell, text):
    if text == "Velho":
        fetch(database, "UPDATE templates SET components_at = clock_timestamp() + interval '1 minute'")
    line, alerts, _ = tell("message_template_components_update", message_template_element=text)
    assert line.getMessage().endswith(
        f": template promo:pt_BR, the stored text stays as it is; campaigns {campaign} send it"
    )
    assert not hasattr(line, "new")
    assert alerts[0][1] == line.getMessage()


REPORTS = {
    "message_template_components_update": {"message_template_element": "Oi {{1}}, {{2}}!"},
    "message_template_status_update": {"event": "PAUSED"},
    "template_category_update": {"new_category": "MARKETING"},
    "message_template_quality_update": {"new_quality_score": "RED"},
}


@pytest.mark.parametrize("field", REPORTS)
@pytest.mark.parametrize("others", ["none", "with a template of its own", "without a template of its own"])
def test_a_report_of_one_waba_changes_a_template_for_all_only_if_it_is_the_only_one(database, tell, field, others):
    """`template add` adds such a template. It stands for each WABA that has no template of this name of its own."""
    columns = {"name": "promo", "language": "pt_BR", "components": Jsonb([{"type": "BODY", "text": "Oi {{1}}!"}])}
    template_id = database.run(add_template, waba_id="", category="UTILITY", status_at="2026-01-01T00:00Z", **columns)
    database.run(add_account, waba_id=WABA_ID)
    if others != "none":
        database.run(add_account, waba_id="999")
    if others == "with a template of its own":
        database.run(add_template, waba_id="999", **columns)
    read = "SELECT to_jsonb(t) - 'status_at' FROM templates t WHERE id = %s"
    before = fetch(database, read, template_id)
    if field != "message_template_status_update" or others != "without a template of its own":
        tell(field, **REPORTS[field])
    else:  # such a report is not even logged
        with pytest.raises(IndexError):
            tell(field, **REPORTS[field])
    assert (fetch(database, read, template_id) == before) is (others == "without a template of its own")


def test_a_template_that_no_campaign_sends_says_so(database, tell):
    database.run(add_account, waba_id=WABA_ID)
    line, _, _ = tell("template_category_update", new_category="MARKETING")
    assert line.getMessage().endswith("template promo:pt_BR, category unknown → MARKETING; no campaign sends it now")
