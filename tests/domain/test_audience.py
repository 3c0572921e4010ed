"""The conditions that choose people of an earlier campaign, as people write them."""

from __future__ import annotations

import datetime as dt

import pytest

from campaigns.domain.audience.conditions import FORMS, Common, Fact, Span, read_who
from campaigns.domain.message import Status
from campaigns.domain.statement import Refusal

NOW = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "statuses", "has_replied"),
    [
        ("sent", {"held", "sent", "delivered", "read"}, None),
        ("delivered", {"delivered", "read"}, None),
        ("read", {"read"}, None),
        ("failed", {"failed"}, None),
        ("uncertain", {"uncertain"}, None),
        ("not read", {"uncertain", "held", "sent", "failed", "delivered"}, None),
        ("no reply", {"uncertain", "held", "sent", "failed", "delivered", "read"}, False),
        ("not replied", {"uncertain", "held", "sent", "failed", "delivered", "read"}, False),
        ("delivered, no reply", {"delivered", "read"}, False),
        ("Delivered ,NOT  read", {"delivered"}, None),
        ("replied, read", {"read"}, True),
        ("not read, not uncertain, not failed", {"held", "sent", "delivered"}, None),
    ],
)
def test_conditions_choose_by_status_and_reply(text, statuses, has_replied):
    who = read_who(text)
    assert (who.statuses, who.has_replied) == ({Status(each) for each in statuses}, has_replied)
    assert read_who(who.text) == who


@pytest.mark.parametrize("text", [*FORMS, *Common])
def test_each_listed_form_is_read(text):
    assert read_who(text).text == text


def test_failures_are_chosen_by_class_and_by_code():
    assert read_who("failed 131049 131026").codes == {131049, 131026}
    assert {131049, 130472} <= read_who("failed recipient-later").codes
    assert 131026 not in read_who("failed recipient-later").codes
    assert read_who("failed recipient-later 7 before 2 days").text == "failed recipient-later 7 before 2 days"


def test_times_are_counted_back_from_now():
    day = dt.timedelta(days=1)
    assert read_who("delivered before 2 days").find_spans(NOW) == {Fact.DELIVERED: Span(None, NOW - 2 * day)}
    assert read_who("read within 1 hour").find_spans(NOW) == {Fact.READ: Span(NOW - dt.timedelta(hours=1), None)}
    both = read_who("sent before 1 day, sent within 48 hours, no reply")
    assert both.find_spans(NOW) == {Fact.SENT: Span(NOW - 2 * day, NOW - day)}
    assert both.text == "sent before 1 day, sent within 48 hours, no reply"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "at their end"),
        ("delivered,", "at their end"),
        ("delivered, no", "at their end"),
        ("delivered no reply", "at character 11, 'no reply'"),
        ("opened", "at character 1, 'opened'"),
        ("delivered, entregue", "at character 12, 'entregue'"),
        ("delivered before", "at their end"),
        ("delivered before yesterday", "at character 18, 'yesterday'"),
        ("delivered before 2 weeks", "at character 20, 'weeks'"),
        ("delivered before 0 days", "at character 18, '0 days'"),
        ("delivered before 99999 days", "at character 18, '99999 days'"),
        ("not read within 2 days", "at character 10, 'within 2 days'"),
        ("not failed 131049", "at character 12, '131049'"),
        ("failed 99999999999", "at character 8, '99999999999'"),
        ("uncertain before 2 days", "at character 11, 'before 2 days'"),
        ("read ²", "at character 6, '²'"),
        (", read", "at character 1, ', read'"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place_and_the_words(text, place):
    with pytest.raises(Refusal) as refused:
        read_who(text)
    assert refused.value.code == "audience_unreadable"
    assert place in str(refused.value)
    assert "no reply" in str(refused.value)
    assert "recipient-later" in str(refused.value)


@pytest.mark.parametrize("text", ["read, not delivered", "replied, no reply", "failed 1, failed 2", "sent, failed"])
def test_conditions_that_nobody_can_fit_are_refused(text):
    with pytest.raises(Refusal) as refused:
        read_who(text)
    assert refused.value.code == "audience_impossible"


def test_very_long_conditions_are_refused():
    with pytest.raises(Refusal) as refused:
        read_who("read," * 200)
    assert refused.value.code == "audience_too_long"
