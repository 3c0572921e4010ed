"""The parser against payloads from the wild. They are read where they are and never copied here."""

import json
import os
import pathlib

import pytest

from webhooks.applier.parse import parse_event, parse_unusual

ROOT = pathlib.Path(__file__).parents[2]
CORPUS = (ROOT / os.environ.get("REVOADA_CORPUS", "../shared/corpus")).resolve() / "webhooks"

WELL_FORMED = sorted(CORPUS.glob("*.json"))
ODD = sorted(CORPUS.glob("odd-shape/*.json"))
MALFORMED = sorted(CORPUS.glob("malformed/*.json"))


def name(path):
    return path.stem


def find_statuses(value, field=None):
    """Find every item of a `statuses` list, at any depth, with the field of its change."""
    if isinstance(value, list):
        for item in value:
            yield from find_statuses(item, field)
    elif isinstance(value, dict):
        field = value.get("field", field)
        for key, item in value.items():
            if key == "statuses":
                yield from ((field, status) for status in item)
            else:
                yield from find_statuses(item, field)


@pytest.mark.parametrize("path", WELL_FORMED, ids=name)
def test_every_status_is_accounted_for(path):
    body = path.read_bytes()
    event = parse_event(body)
    assert event == parse_unusual(body)
    assert event.is_readable
    found = list(find_statuses(json.loads(body)))
    of_messages = [status for field, status in found if field == "messages"]
    ignored = sum(count for kind, count in event.ignored.items() if kind.startswith("status:"))
    aside = sum(".statuses[" in aside.reason for aside in event.dead_letters)
    assert len(event.evidence) + ignored + aside == len(of_messages)
    assert all(event.ignored[f"field:{field}"] for field, _ in found if field != "messages")


@pytest.mark.parametrize("path", WELL_FORMED, ids=name)
def test_every_evidence_can_be_parked_alone(path):
    event = parse_event(path.read_bytes())
    for index, evidence in enumerate(event.evidence):
        assert parse_event(event.rewrap(index)).evidence == (evidence,)


@pytest.mark.parametrize("path", [*WELL_FORMED, *ODD], ids=name)
def test_nothing_of_a_body_is_lost_in_silence(path):
    event = parse_event(path.read_bytes())
    events = event.template_events or event.account_events or event.optouts or event.replies
    assert event.evidence or events or event.dead_letters or event.ignored


@pytest.mark.parametrize("path", MALFORMED, ids=name)
def test_what_is_not_json_is_set_aside_with_a_reason(path):
    body = path.read_bytes()
    event = parse_event(body)
    assert not event.is_readable
    (aside,) = event.dead_letters
    assert aside.piece == body
    assert aside.reason.startswith("not JSON: ")


def test_real_statuses_are_evidence():
    events = [parse_event(path.read_bytes()) for path in WELL_FORMED]
    assert sum(len(event.evidence) for event in events) >= 20
