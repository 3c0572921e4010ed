"""Trusted, in cooldown, on probation: what a slice may send after a refusal, and what ends the restriction."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import pytest

from campaigns.domain.failures import find_failure
from campaigns.domain.pacing import Reason, Wait
from campaigns.domain.template import TemplateStatus
from campaigns.domain.verdict import Accepted, Rejected, Unknown
from campaigns.sending.template_probation import TemplateChange, TemplateProbation
from tests.store.rows import add_account, add_template, fetch

NOW = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)
RETRY_SECONDS = 300.0
COOLDOWN = Wait(Reason.TEMPLATE, NOW + dt.timedelta(seconds=RETRY_SECONDS))
ACCEPTED, UNKNOWN = Accepted("wamid.1"), Unknown("timeout")
PAUSED, BAD_VARIABLE = Rejected(find_failure(132015)), Rejected(find_failure(132000))


def make(status="approved", blocked_until=None, waiting_reason=None, template_id=1):
    row = SimpleNamespace(
        template_id=template_id,
        template_status=status,
        template_blocked_until=blocked_until,
        waiting_reason=waiting_reason,
    )
    return TemplateProbation(row, retry_seconds=RETRY_SECONDS, now=lambda: NOW)


def reply(probation, *verdicts, until=None, account_id=7):
    """Let replies of an account be judged and noted, as the settlement does; return what they say of the template."""
    replies = [(account_id, verdict) for verdict in verdicts]
    change = probation.decide(replies)
    probation.apply(change, replies, until=until)
    return change


def is_on_probation(probation):
    return (probation.limit(50, in_flight=0), probation.limit(50, in_flight=1)) == (1, 0)


def test_an_approved_template_limits_nothing():
    probation = make()
    assert (probation.cooldown(), probation.limit(50, in_flight=49)) == (None, 50)
    assert reply(probation, ACCEPTED, UNKNOWN) == TemplateChange()


@pytest.mark.parametrize("begun", [{"status": "paused"}, {"waiting_reason": Reason.TEMPLATE}])
def test_after_a_cooldown_one_message_at_a_time_is_tried_until_one_is_accepted(begun):
    probation = make(**begun)
    assert is_on_probation(probation)
    assert reply(probation, UNKNOWN) == TemplateChange()
    assert is_on_probation(probation)
    assert reply(probation, ACCEPTED) == TemplateChange(accepted_by=frozenset({7}))
    assert probation.limit(50, in_flight=10) == 50


def test_a_template_that_is_not_approved_is_not_sent_before_its_cooldown_is_over():
    later = NOW + dt.timedelta(seconds=1)
    assert make("paused", blocked_until=later).cooldown() == Wait(Reason.TEMPLATE, later)
    assert make("paused", blocked_until=NOW).cooldown() is None


def test_a_refusal_begins_a_cooldown_and_outweighs_acceptances_of_the_same_set():
    probation = make()
    until = NOW + dt.timedelta(seconds=60)
    assert reply(probation, ACCEPTED, PAUSED, ACCEPTED, until=until) == TemplateChange(
        refusal=(7, TemplateStatus.PAUSED)
    )
    assert probation.cooldown() == Wait(Reason.TEMPLATE, until)
    assert is_on_probation(probation)


def test_twenty_variable_errors_in_a_row_begin_a_cooldown_and_any_other_reply_ends_the_row():
    probation = make()
    reply(probation, *[BAD_VARIABLE] * 19, ACCEPTED, *[BAD_VARIABLE] * 19)
    assert probation.cooldown() is None
    reply(probation, BAD_VARIABLE)
    assert probation.cooldown() == COOLDOWN
    assert is_on_probation(probation)


def test_messages_that_another_account_sends_do_not_end_a_row_of_variable_errors():
    """The template may have been edited in the WABA of one account only."""
    probation = make()
    for _ in range(19):
        reply(probation, BAD_VARIABLE)
        reply(probation, ACCEPTED, account_id=8)
    assert probation.cooldown() is None
    reply(probation, BAD_VARIABLE)
    assert probation.cooldown() == COOLDOWN


def test_after_an_acceptance_on_probation_a_few_wrong_rows_stop_nothing():
    """Otherwise each wrong row of the list would cost a cooldown for as long as the slice lasts."""
    probation = make(waiting_reason=Reason.TEMPLATE)
    reply(probation, ACCEPTED)
    reply(probation, *[BAD_VARIABLE] * 19)
    assert probation.cooldown() is None
    assert not is_on_probation(probation)


def test_on_probation_the_first_variable_error_begins_the_next_cooldown():
    probation = make(waiting_reason=Reason.TEMPLATE)
    reply(probation, BAD_VARIABLE)
    assert probation.cooldown() == COOLDOWN


def test_a_list_that_does_not_fit_the_template_waits():
    probation = make()
    probation.start_cooldown()
    assert probation.cooldown() == COOLDOWN


@pytest.mark.parametrize(("code", "status"), [(132015, "paused"), (132016, "disabled"), (132001, "missing")])
def test_a_refusal_is_written_with_the_status_that_it_implies(database, code, status):
    account_id, template_id = database.run(add_account), database.run(add_template, status="approved")
    probation = make(template_id=template_id)
    change = probation.decide([(account_id, Rejected(find_failure(code)))])
    until = database.run(probation.write, change)
    assert fetch(database, "SELECT status, blocked_until FROM templates") == [(status, until)]
    # A second refusal of requests that were out together does not lengthen the cooldown.
    assert database.run(probation.write, change) == COOLDOWN.until
    assert fetch(database, "SELECT blocked_until FROM templates") == [until]


def test_a_settlement_that_is_rolled_back_leaves_the_probation_as_it_was(database):
    """The state moves in `note`, after the commit: else the template would stay blocked in Postgres."""
    template_id = database.run(add_template, status="paused")
    account_id = database.run(add_account)
    probation = make("paused", template_id=template_id)
    change = probation.decide([(account_id, ACCEPTED)])

    def fail(connection):
        probation.write(connection, change)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.run(fail)
    assert is_on_probation(probation)
    assert probation.decide([(account_id, ACCEPTED)]) == change
    database.run(probation.write, change)
    assert fetch(database, "SELECT status FROM templates") == ["approved"]
