"""The schema of the log's JSON lines is that of the code."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import jsonschema_rs
import pytest

from campaigns.config import Settings
from campaigns.logs import configure_logging, event

PROJECT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((PROJECT / "docs" / "log.schema.json").read_text(encoding="utf-8"))
LINES = jsonschema_rs.validator_for(SCHEMA)
# Members that two functions give to an event as a dictionary, which the golden file shows as `**`.
BY_DICTIONARY = {"template", "old", "new"}


def test_the_schema_has_the_members_of_all_events_and_no_others():
    golden = (PROJECT / "tests" / "golden" / "expected" / "log_events.txt").read_text(encoding="utf-8")
    members = {name for line in golden.splitlines() for name in re.findall(r"[a-z_]+", line.partition(":")[2])}
    written = SCHEMA["properties"].keys() - {"time", "level", "event", "message", "exception"}
    assert members | BY_DICTIONARY == written
    assert all(each["description"].endswith(".") for each in SCHEMA["properties"].values())


@pytest.fixture
def read_line(capsys):
    root = logging.getLogger()
    before = root.level, root.handlers[:]

    def read(write, text, **options):
        configure_logging(Settings(log_format="json"))
        write(text, **options)
        return json.loads(capsys.readouterr().err)

    yield read
    root.level, root.handlers[:] = before


def test_a_line_of_an_event_with_an_error_fits_the_schema(read_line):
    try:
        int("no")
    except ValueError:
        bound = event("slice_error", campaign_id=7)
        line = read_line(logging.getLogger("campaigns").exception, "It failed", extra=bound)
    LINES.validate(line)
    assert line.keys() == {"time", "level", "event", "message", "campaign_id", "exception"}


def test_a_line_of_a_library_fits_the_schema(read_line):
    line = read_line(logging.getLogger("gunicorn.error").warning, "Booting")
    LINES.validate(line)
    assert line["event"] == "gunicorn.error"


@pytest.mark.parametrize("change", [{"level": "LOUD"}, {"time": "2026-11-30 09:00"}, {"campaign_id": "7"}])
def test_a_wrong_line_is_noticed(change):
    line = {"time": "2026-11-30T09:00:00.000Z", "level": "INFO", "event": "tick", "message": "Checking"}
    LINES.validate(line)
    assert not LINES.is_valid(line | change)
