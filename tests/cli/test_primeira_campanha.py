"""The output on the page `docs/primeira-campanha.md` is the output of the commands, word by word."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from campaigns.cli.campaign import hours
from campaigns.language import PORTUGUESE
from campaigns.management.accounts import add_account, add_template
from tests.cli.conftest import quiet_hours
from tests.cli.test_cli_setup import alive, far, inbox, ready, webhook  # noqa: F401  fixtures
from tests.project.messages import PO
from tests.support.actors import TESTER
from tests.support.catalogues import read_catalogue

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs/primeira-campanha.md").read_text("utf-8")
# The three rows that the page describes and does not list.
MORE_ROWS = "(11) 98765-4322;Bia;#N/D\n0800 777 1234;SAC;5%\n11 98765-4321;Ana;20%\n"
WHEN = r"(?:agora|(?:hoje|amanhã), [a-zá-ú-]+, \d\d/\d\d/\d{4}, às \d\d:\d\d \(America/Sao_Paulo\))"
# The replies of two people: one of them has read the message.
ACCEPT = """
    UPDATE messages SET status = (CASE WHEN id % 2 = 0 THEN 'read' ELSE 'delivered' END)::message_status,
        claimed_at = now(), sent_at = now(), delivered_at = now(), read_at = CASE WHEN id % 2 = 0 THEN now() END,
        replied_at = now(), wamid = 'wamid.' || id, account_id = 1, send_no = 1, attempts = 1
"""


def find_output(begin):
    """Return the lines of the block of the page that begins with a text."""
    (block,) = [each for each in PAGE.split("```")[1::2] if each.startswith(f"\n{begin}")]
    return [line.rstrip() for line in block.strip("\n").splitlines()]


@pytest.fixture
def create(revoada, database, tmp_path):
    """Makes the campaign of the page with the command of the page; returns the lines of the output."""
    script = json.loads((PROJECT / "docs/rehearsal.json").read_text())
    ((number, account),) = script["accounts"].items()
    (template,) = script["templates"]
    secrets = {"token": "EAAG-secret-token", "secret_key": revoada.environment["REVOADA_SECRET_KEY"]}
    add_account(database, "sales", phone_number_id=number, waba_id=account["waba_id"], **secrets, actor=TESTER)
    add_template(database, template["name"], language=template["language"], body=template["body"], actor=TESTER)
    database.run(lambda connection: connection.execute("UPDATE templates SET category = 'MARKETING'"))
    revoada.environment |= {"REVOADA_LANGUAGE": PORTUGUESE}
    revoada.environment["REVOADA_QUIET_HOURS"] = re.search(r"REVOADA_QUIET_HOURS=([\d:-]+)", PAGE)[1]
    rows = re.search(r"^```csv\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1]
    (tmp_path / "people.csv").write_text(rows + MORE_ROWS, encoding="utf-8")
    (command,) = re.findall(r"^revoada (campaign create 'Black Friday' .*)", PAGE, re.MULTILINE)
    return lambda: revoada.ok(*shlex.split(command)).splitlines()


@pytest.fixture
def terminal(create, monkeypatch):  # `create` adds the account and the template
    monkeypatch.setattr(hours, "has_terminal", lambda: True)


def test_create_prints_what_the_page_shows(create):
    printed, shown = create(), find_output("Campanha 1 (Black Friday)")
    if any(line.endswith("a primeira mensagem pode sair agora.") for line in printed):  # the page shows the evening
        shown = [line for line in shown if "REVOADA_QUIET_HOURS" not in line]
    assert len(printed) == len(shown)
    for line, expected in zip(printed, shown, strict=True):
        if expected.startswith("Se você iniciar a campanha agora"):
            for each in (line, expected):
                assert re.fullmatch(f"Se você iniciar a campanha agora, a primeira mensagem pode sair {WHEN}\\.", each)
        else:
            assert line == expected


def test_show_prints_what_the_page_shows(create, revoada, database):
    create()
    database.run(lambda connection: connection.execute(ACCEPT))
    database.run(
        lambda c: c.execute("UPDATE campaigns SET status = 'completed', started_at = now(), completed_at = now()")
    )
    shown = find_output("campanha  ")
    printed = [line.rstrip() for line in revoada.ok("campaign", "show", "1").splitlines()]
    assert [re.split(" {2,}", line.strip()) for line in printed[: len(shown)]] == [
        re.split(" {2,}", line.strip()) for line in shown
    ]


@pytest.mark.parametrize(("name", "language"), [("first-campaign.md", "en"), ("primeira-campanha.md", PORTUGUESE)])
def test_the_rehearsal_prints_what_both_pages_show(name, language, revoada, terminal, tmp_path):
    revoada.environment |= {"REVOADA_LANGUAGE": language, "REVOADA_QUIET_HOURS": ""}
    page = (PROJECT / "docs" / name).read_text("utf-8")
    (shown,) = re.findall(r"^```\n([^`]*?\(Rehearsal\) (?:sends|envia) .*?)^```", page, re.MULTILINE | re.DOTALL)
    (rows,) = re.findall(r"^printf '(.*)' > people\.csv", page, re.MULTILINE)
    (tmp_path / "people.csv").write_text(rows.replace("%%", "%").replace("\\n", "\n"), "utf-8")
    (command,) = re.findall(r"^revoada (campaign create Rehearsal .*)", page, re.MULTILINE)
    revoada.ok(*shlex.split(command))
    answer = re.search(r"\[(?:y|s)/N\]: (.)", shown)[1]
    printed = revoada.ok("campaign", "start", "1", stdin=f"{answer}\n", REVOADA_QUIET_HOURS=quiet_hours(in_hours=12))
    no_hours = [line for line in printed.splitlines(keepends=True) if "REVOADA_QUIET_HOURS" not in line]
    assert "".join(no_hours) == shown


@pytest.mark.usefixtures("ready")
def test_check_setup_prints_what_the_page_shows(house):
    lines = house("check-setup", REVOADA_LANGUAGE=PORTUGUESE).stdout.splitlines()
    shown = find_output("conta sales")
    begin = lines.index(shown[0])
    assert lines[begin : begin + len(shown)] == shown


def test_the_words_that_the_page_explains_are_words_of_the_command():
    """The page names the lines of `campaign show` in italics."""
    explaining = PAGE.partition("O começo de `campaign show`")[2].partition("\nPara enviar")[0]
    words = {word.lower() for word in re.findall(r"\*([\w ]+)\*", explaining)}
    texts = {message.string for message in read_catalogue(PO) if message.id and not message.context}
    assert words >= {"enviadas", "entregues", "respondidas", "puladas", "com falha"}
    assert words - texts == set()
