"""What people type and what stands in their files goes to Postgres and to the terminal, and does nothing there."""

from __future__ import annotations

import itertools

import pytest

from tests.cli.conftest import ANA
from tests.store.rows import fetch

EVIL = [
    "'; DROP TABLE messages; --",
    "1 OR 1=1",
    "%s %(id)s {0} $1 \\",
    "a\0b",
    "\udcff",
    "\x1b[2J\x1b]0;owned\x07",
    "a\n2026-11-23T09:00:00.123Z INFO campaign_completed",
    "x" * 1_000_000,
    "9" * 5_000,
    "-1",
    str(2**63),
    "",
]
HERE = "\N{REPLACEMENT CHARACTER}"  # where the evil goes
CREATE = ("campaign", "create", "--template", "promo:pt_BR", "--account", "sales", "--recipients", "people.csv")
COMMANDS = [
    ("account", "add", HERE, "--phone-number-id", "1", "--waba-id", "1", "--token-env", "WHATSAPP_TOKEN"),
    ("account", "add", "new", "--phone-number-id", HERE, "--waba-id", "1", "--token-env", "WHATSAPP_TOKEN"),
    ("account", "add", "new", "--phone-number-id", "1", "--waba-id", HERE, "--token-env", "WHATSAPP_TOKEN"),
    ("account", "show", HERE),
    ("account", "activate", HERE),
    ("template", "add", HERE, "--language", "pt_BR", "--body", "Oi {{1}}"),
    ("template", "add", "new", "--language", HERE, "--body", "Oi {{1}}"),
    ("template", "add", "new", "--language", "pt_BR", "--body", HERE),
    ("template", "show", HERE),
    (*CREATE, HERE),
    ("campaign", "create", "x", "--template", HERE, "--account", "sales", "--recipients", "people.csv"),
    *(
        (*CREATE, "x", option, HERE)
        for option in (
            *("--account", "--timezone", "--holidays", "--window", "--weekdays", "--interval"),
            *("--phone-column", "--map", "--set", "--schedule-at", "--expire-at", "--max-per-person"),
        )
    ),
    *(("campaign", word, HERE) for word in ("show", "start", "pause", "resume", "cancel", "errors", "import-errors")),
    ("campaign", "import", "1", HERE),
    ("campaign", "test", "1", "--to", HERE),
    ("campaign", "set", "1", "--account", HERE),
    ("portfolio", "add", HERE, "--daily-limit", "1"),
    ("suppress", "add", HERE),
    ("suppress", "remove", HERE),
    ("suppress", "list", HERE),
    ("forget", HERE, "--yes"),
]


def test_whatever_is_typed_is_kept_as_it_is_or_refused_in_a_sentence(create, house, database):
    create()
    shell_can_say = [each for each in EVIL if "\0" not in each]
    for command, evil in itertools.product(COMMANDS, shell_can_say):
        result = house(*(evil if word == HERE else word for word in command))
        case = f"{' '.join(command)}: {evil[:80]!r} ends with {result.exception!r}"
        assert result.exit_code in {0, 1, 2}, case
        assert result.exception is None or isinstance(result.exception, SystemExit), case
        assert result.exit_code == 0 or "\x1b" not in result.stderr, case
    assert fetch(database, "SELECT phone FROM messages ORDER BY id")[0] == ANA
    assert house.json("campaign", "show", "1")["name"] == "Black Friday"


@pytest.mark.parametrize("evil", EVIL[:-1], ids=lambda evil: ascii(evil)[:30])
def test_whatever_stands_in_a_file_is_a_value_or_a_rejected_row(create, house, people, database, evil):
    quoted = '"' + evil.replace('"', '""') + '"'
    for content in (
        f"phone,name\n{ANA},{quoted}\n",
        f"phone,name\n{quoted},Ana\n{ANA},Ana\n",
        f"{quoted},phone\n1,{ANA}\n",
    ):
        people.write_bytes(content.encode("utf-8", "surrogateescape"))
        result = house(
            *("campaign", "create", "File", "--template", "promo:pt_BR", "--account", "sales"),
            *("--recipients", str(people)),
        )
        assert result.exit_code in {0, 1}
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "\x1b" not in result.output
    assert set(fetch(database, "SELECT phone FROM messages")) <= {ANA}
