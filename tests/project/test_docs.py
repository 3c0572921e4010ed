"""The documentation says what the code does: its tables, its commands, its links, its names."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from celery.app.control import Inspect
from celery.bin.celery import celery
from click.testing import CliRunner

from campaigns.broker.queues import QUEUES
from campaigns.cli.root import main
from campaigns.domain import campaign, message
from campaigns.domain.failures import FAILURES
from campaigns.domain.pacing import Reason
from campaigns.domain.settlement import Attempt, Release, Settle, settle
from campaigns.domain.verdict import Action, Blame, Failure, Rejected, Retry
from campaigns.egress import PostError
from devstack.roles import read_procfile
from simulator.config import Config
from tests.console.messages import PO as CATALOGUE
from tests.support.catalogues import read_catalogue
from tests.support.commands import enter

PROJECT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted(
    path for path in PROJECT.rglob("*.md") if not any(part.startswith(".") for part in path.relative_to(PROJECT).parts)
)
README = (PROJECT / "README.md").read_text()
ARCHITECTURE = (PROJECT / "docs/architecture.md").read_text()
LOG = (PROJECT / "docs/log.md").read_text()
LIFE_CYCLES = (PROJECT / "docs/life-cycles.md").read_text()

PICTURE = re.compile(r"!\[[^\]]+\]\((\S+)\)")
# A name in italics.
NAME = re.compile(r"(?<!\*)\*([^*]+)\*(?!\*)")

# Of absolute links. The host of a registry, or of a machine of somebody's, is none of a reader's business.
HOSTS = {
    *("127.0.0.1", "semver.org", "developers.facebook.com", "docs.celeryq.dev", "graph.facebook.com", "your.host"),
    *("chat.example.com", "n8n.example.com", "prometheus.example.com"),
    "www.standardwebhooks.com",
}


def read_tables(page: str, *first: str) -> list[dict[str, str]]:
    """Return the rows of the one table of `page` whose heading begins with the columns `first`."""
    found = []
    for table in re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE):
        heading, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
        if tuple(heading[: len(first)]) == first:
            found.append([dict(zip(heading, row, strict=True)) for row in rows])
    (only,) = found
    return only


def words(cell: str) -> list[str]:
    """Return what stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def read_transitions(rows: list[dict[str, str]], actor: str) -> dict[str, dict[str, set[str]]]:
    transitions: dict[str, dict[str, set[str]]] = {}
    for row in rows:
        (who,) = words(row[actor])
        for old in words(row["from"]):
            assert old not in transitions.setdefault(who, {}), f"{who} from {old} stands there twice"
            transitions[who][old] = set(words(row["to"]))
    return transitions


def spell(transitions: Any) -> dict[str, dict[str, set[str]]]:
    """Return a table of the domain in plain words, without the statuses that nothing leaves."""
    return {
        str(who): {str(old): {str(new) for new in news} for old, news in moves.items() if news}
        for who, moves in transitions.items()
    }


def code_blocks(page: str) -> str:
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL))


def commands(program: str, page: str = README) -> list[str]:
    """Return the lines of the code blocks of `page` that call `program`, without what comes before and after."""
    calls = re.findall(rf"(?:^|\$\(|&& ){re.escape(program)} [^\n]*", code_blocks(page), re.MULTILINE)
    return [re.sub(r"\s+#.*|\s\|.*|\).*|^\$\(|^&& ", "", call) for call in calls]


def mentioned(program: str) -> Iterator[str]:
    """Yield how `program` is called anywhere in the pages, code blocks and text."""
    for path in PAGES:
        yield from re.findall(rf"`{program} ([^`\n]+)`", path.read_text())
        yield from (call.removeprefix(f"{program} ") for call in commands(program, path.read_text()))


def find_command(call: str) -> tuple[click.Command, list[str]]:
    """Return the command of `revoada` that `call` names, and what is left."""
    command: click.Command = main
    rest = shlex.split(call)
    while isinstance(command, click.Group) and rest != ["-h"]:  # each group has its help
        word = rest.pop(0)
        assert word in command.commands, f"revoada {call}: there is no {word}"
        command = enter(command, word)
    return command, rest


# life-cycles.md


def test_the_table_of_campaigns_is_that_of_the_domain():
    rows = read_tables(LIFE_CYCLES, "command", "who", "from", "to")
    assert read_transitions(rows, "command") == spell(campaign.TRANSITIONS)


def test_the_table_of_messages_is_that_of_the_domain():
    rows = read_tables(LIFE_CYCLES, "write", "from", "to")
    assert read_transitions(rows, "write") == spell(message.TRANSITIONS)


def test_a_table_that_lies_is_noticed():
    lie = LIFE_CYCLES.replace("| `draft` | `pending`, `scheduled` |", "| `draft` | `pending`, `running` |")
    assert lie != LIFE_CYCLES
    rows = read_tables(lie, "command", "who", "from", "to")
    assert read_transitions(rows, "command") != spell(campaign.TRANSITIONS)


def test_every_message_status_is_explained_in_the_order_of_the_ladder():
    rows = read_tables(LIFE_CYCLES, "status", "what it means for you")
    assert [words(row["status"]) for row in rows] == [[str(status)] for status in message.LADDER]


def test_every_waiting_reason_is_explained():
    rows = read_tables(LIFE_CYCLES, "reason")
    assert [words(row["reason"]) for row in rows] == [[str(reason)] for reason in Reason]


def test_every_action_is_explained():
    rows = read_tables(LIFE_CYCLES, "action")
    assert [words(row["action"]) for row in rows] == [[str(action)] for action in Action]


def test_every_class_of_a_retry_is_explained_with_its_wait():
    rows = read_tables(LIFE_CYCLES, "class")
    assert [words(row["class"]) for row in rows] == [[str(retry)] for retry in Retry]
    for row, retry in zip(rows, Retry, strict=True):
        waits = {failure.later_seconds for failure in FAILURES.values() if failure.retry is retry}
        assert waits == ({86_400} if "a day" in row["when"] else {0})


@pytest.mark.parametrize("action", Action)
def test_the_row_of_an_action_is_what_is_decided(action):
    (row,) = (row for row in read_tables(LIFE_CYCLES, "action") if words(row["action"]) == [str(action)])
    decided = settle(
        Rejected(Failure(1, "meaning", Blame.UNKNOWN, action)),
        Attempt(message_id=1, send_no=1, attempts=1, account_id=1),
        usable={1, 2},
        max_attempts=5,
        retry_seconds=2.0,
    )
    status = decided.status if isinstance(decided, Settle) else message.Status.PENDING
    assert words(row["message"]) == [str(status)]
    assert row["attempt"] == ("refunded" if isinstance(decided, Release) and decided.refunds else "used")


# hooks.md


def test_every_reason_for_a_missing_answer_is_explained():
    rows = read_tables((PROJECT / "docs/hooks.md").read_text(), "word")
    assert [words(row["word"]) for row in rows] == [[str(error)] for error in PostError]


# log.md and architecture.md


def test_the_log_table_lists_the_events_of_the_code_with_their_levels():
    listed = {
        name: row["level"] for row in read_tables(LOG, "event", "level", "sentence") for name in words(row["event"])
    }
    logged = find_events()
    assert listed.keys() == logged.keys()
    for name, levels in logged.items():
        assert not levels or levels == {listed[name]}, name


def find_events() -> dict[str, set[str]]:
    """Return the event names of the code, each with the levels that stand fast in it (none: decided as it runs)."""
    found: dict[str, set[str]] = {}
    for folder in ("campaigns", "webhooks", "console", "api"):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            collect_events(ast.parse(path.read_text()), found)
    return found


def collect_events(tree: ast.AST, found: dict[str, set[str]]) -> None:
    bound = ""
    for node in sorted(ast.walk(tree), key=lambda node: (getattr(node, "lineno", 0), isinstance(node, ast.Call))):
        if isinstance(node, ast.Assign) and (name := event_name(node.value)):
            bound = name
            found.setdefault(name, set())
        for keyword in node.keywords if isinstance(node, ast.Call) else ():
            if keyword.arg != "extra" or not isinstance(node.func, ast.Attribute):
                continue
            name = event_name(keyword.value) or bound
            level = {"exception": "ERROR", "log": ""}.get(node.func.attr, node.func.attr.upper())
            found.setdefault(name, set()).update({level} - {""})


def event_name(node: ast.AST) -> str:
    """Return the name in `event("name", …)` or `{"event": "name"}`, "" for anything else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "event":
        node = node.args[0]
    elif isinstance(node, ast.Dict) and [ast.unparse(key) for key in node.keys if key] == ["'event'"]:
        node = node.values[0]
    else:
        return ""
    assert isinstance(node, ast.Constant)
    return str(node.value)


def test_architecture_is_short_and_draws_the_processes_and_the_life_of_a_message():
    assert len(ARCHITECTURE.splitlines()) <= 200
    assert re.findall(r"^```mermaid\n(\w+)", ARCHITECTURE, re.MULTILINE) == ["flowchart", "stateDiagram"]


def test_the_drawn_life_of_a_message_has_no_transition_that_the_domain_lacks():
    (drawing,) = re.findall(r"^```mermaid\nstateDiagram-v2\n(.*?)^```", ARCHITECTURE, re.MULTILINE | re.DOTALL)
    drawn = re.findall(r"^ +(\w+) --> (\w+) : .+$", drawing, re.MULTILINE)
    assert len(drawn) + 1 == len(drawing.splitlines())  # and the start
    statuses = {str(status) for status in message.Status}
    assert {status for pair in drawn for status in pair} == statuses - {str(message.Status.HELD)}
    for old, new in drawn:
        assert any(message.can_become(message.Status(old), message.Status(new), write) for write in message.Write), (
            f"{old} --> {new}"
        )


def test_the_roles_and_queues_are_those_of_the_procfile_and_of_celery():
    rows = read_tables(ARCHITECTURE, "role", "queues")
    assert {words(row["role"])[0] for row in rows} == read_procfile().keys()
    taken = {queue: words(row["role"])[0] for row in rows for queue in words(row["queues"])}
    assert taken == QUEUES


def test_the_floor_plan_has_the_folders_of_the_code():
    listed = [words(row["folder"])[0] for row in read_tables(ARCHITECTURE, "folder", "holds")]
    folders = {
        str(path.parent.relative_to(PROJECT))
        for home in ("campaigns", "webhooks")
        for path in PROJECT.glob(f"{home}/*/*.py")
    }
    assert sorted(listed) == sorted(folders)


def test_the_settings_of_celery_that_are_explained_are_set():
    source = (PROJECT / "celeryconfig.py").read_text()
    for row in read_tables(ARCHITECTURE, "setting", "why"):
        for name in words(row["setting"]):
            assert re.search(rf'^\s*"?{name}"?( =|:)', source, re.MULTILINE), name


# Every page


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_links_lead_somewhere_and_nothing_names_a_machine(path):
    page = path.read_text()
    for link in re.findall(r"\]\(([^)\s]+)\)", page):
        if link.startswith("http"):
            continue
        target, _, anchor = link.partition("#")
        there = (path.parent / target) if target else path
        assert there.exists(), link
        if anchor:
            assert anchor in slugs(there.read_text()), link
    for host in re.findall(r"\bhttps?://([\w.-]+)", page):
        assert host in HOSTS, host
    assert not re.findall(r"(?<![\w./~])/(?:work|root|home|Users|tmp|mnt|opt)\b\S*", page)


def slugs(page: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_files_and_settings_that_the_pages_name_exist():
    known = (PROJECT / ".env.example").read_text()
    for path in PAGES:
        page = path.read_text()
        for name in re.findall(r"`((?:campaigns|webhooks|devstack|simulator|docs|tests)/[\w./-]+)`", page):
            assert (PROJECT / name).exists(), f"{path.name}: {name}"
        for name in re.findall(r"\bREVOADA_[A-Z_]+[A-Z]\b", page):
            assert re.search(rf"^#?{name}=", known, re.MULTILINE), f"{path.name}: {name}"


def test_no_page_appends_a_second_key_to_a_file():
    """A reader who follows such a page twice loses the access tokens that the first key encrypted."""
    for path in (*PAGES, PROJECT / ".env.example", PROJECT / "docker-compose.yml"):
        assert not re.findall(r"keygen[^`\n]*>>|SECRET_KEY[^\n]*>>", path.read_text()), path.name


@pytest.mark.parametrize("name", PICTURE.findall(README))
def test_a_picture_of_the_readme_is_small_and_loads_nothing(name):
    picture = (PROJECT / name).read_bytes()
    assert len(picture) < (50_000 if name.endswith(".svg") else 200_000)
    if name.endswith(".svg"):
        drawn = picture.decode()
        assert not re.findall(r"/(?:tmp|root|home|work)/", drawn)
        wordless = re.sub(r"(<text [^>]*>)[^<]*", r"\1", drawn)  # the demo prints the address of its console
        assert not re.findall(r"@import|url\((?!#)|https?://(?!www\.w3\.org/2000/svg)", wordless)


def test_both_readmes_show_the_same_pictures():
    english, portuguese = (
        [re.sub(r"\.(en|pt)\.", ".", picture) for picture in PICTURE.findall((PROJECT / name).read_text())]
        for name in ("README.md", "README.pt-BR.md")
    )
    assert english == portuguese
    assert {"docs/demo.svg", "docs/flower.png"} <= set(english)


def test_both_readmes_show_the_same_commands():
    english, portuguese = (
        [re.sub(r"\s+#.*|^# .*", "", line) for line in code_blocks((PROJECT / name).read_text()).splitlines()]
        for name in ("README.md", "README.pt-BR.md")
    )
    assert english == portuguese


def test_the_picture_of_the_demo_tells_its_story():
    picture = (PROJECT / "docs/demo.svg").read_text()
    for word in ("Black Friday", "quality YELLOW", "status code 400", "running"):
        assert word.replace(" ", "&#160;") in picture


# README.md


@pytest.mark.parametrize("name", ["README.md", "README.pt-BR.md"])
def test_a_readme_is_short(name):
    assert len((PROJECT / name).read_text().splitlines()) <= 150


def test_make_has_the_targets_that_are_named():
    targets = set(re.findall(r"^([a-z-]+):.*## ", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = {call.split()[0] for call in mentioned("make")}
    assert {"demo", "up", "install"} <= named <= targets


def test_revoada_has_the_commands_that_are_named_and_their_help_works():
    named = {call for call in mentioned("revoada") if not call.startswith("-")}
    assert {"keygen", "campaign start $id", "campaign watch $id"} <= named
    helped = set()
    for call in sorted(named):
        command, rest = find_command(call)
        path = shlex.split(call)[: len(shlex.split(call)) - len(rest)]
        if tuple(path) not in helped:
            helped.add(tuple(path))
            result = CliRunner().invoke(main, [*path, "--help"])
            assert result.exit_code == 0, call
            assert command.name is not None


@pytest.mark.parametrize("call", [call for call in mentioned("revoada") if " --" in call])
def test_revoada_is_called_with_options_that_exist(call):
    command, rest = find_command(call)
    if command.name == "simulate":  # the simulator reads its own; tests/simulator starts it with these
        return
    root = click.Context(main, **main.context_settings)  # click keeps the help option of a command's first context
    with click.Context(command, parent=root) as context:
        given, _, _ = command.make_parser(context).parse_args(list(rest))
    for parameter in command.params:
        assert not parameter.required or parameter.name in given, parameter.name


def test_compose_has_the_services_that_are_named():
    services = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]
    calls = [call for path in PAGES for call in commands("docker compose", path.read_text())]
    assert calls
    for call in calls:
        for service in re.findall(r"--scale (\w+)=|exec (\w+)", call):
            assert set(filter(None, service)) <= services.keys(), call


def test_celery_has_the_commands_that_are_named():
    pages = [path.read_text() for path in PAGES]
    named = [call.removeprefix("celery -A campaigns ").split() for page in pages for call in commands("celery", page)]
    assert {"status", "inspect", "report"} <= {first for first, *_ in named}
    for first, *rest in named:
        assert first in celery.commands
        if first == "inspect":
            assert hasattr(Inspect, rest[0])
        if first == "amqp":
            assert rest[0] in celery.commands["amqp"].commands


def test_the_index_of_the_documents_lists_every_page():
    index = (PROJECT / "docs" / "README.md").read_text()
    for path in [*(PROJECT / "docs").glob("*.md"), *(PROJECT / "docs/decisions").glob("*.md")]:
        if path.name != "README.md":
            assert f"({path.relative_to(PROJECT / 'docs')})" in index, path.name


# console.md, and its translation


CONSOLE = {"en": (PROJECT / "docs/console.md").read_text(), "pt": (PROJECT / "docs/console.pt-BR.md").read_text()}
MOST_BYTES, MOST_BYTES_IN_ALL = 150_000, 2_000_000


def test_each_picture_of_the_documents_exists_and_each_file_is_shown():
    shown = {(page.parent / name).resolve() for page in PAGES for name in PICTURE.findall(page.read_text())}
    drawn = {
        *(PROJECT / "docs").glob("*.svg"),
        *(PROJECT / "docs").glob("*.png"),
        *(PROJECT / "docs/pictures").iterdir(),
    }
    assert shown == drawn


def test_the_pictures_of_the_console_are_small():
    sizes = {path.name: path.stat().st_size for path in (PROJECT / "docs/pictures").iterdir()}
    assert [name for name, size in sizes.items() if size > MOST_BYTES] == []
    assert sum(sizes.values()) < MOST_BYTES_IN_ALL


def test_both_handbooks_of_the_console_show_the_same_pictures_and_have_the_same_parts():
    pictures = [[name.replace(f".{each}.", ".") for name in PICTURE.findall(CONSOLE[each])] for each in CONSOLE]
    assert pictures[0] == pictures[1]
    outlines = [re.findall(r"^(#+ |\| |- |\*\*\d)", CONSOLE[each], re.MULTILINE) for each in CONSOLE]
    assert outlines[0] == outlines[1]


def test_the_handbooks_of_the_console_name_what_its_pages_say():
    """A name in italics stands on a page. So a page that calls something otherwise needs another handbook."""

    def normalize(text: str) -> str:
        return re.sub(r"%\(count\)s |…$", "", text).lower()

    pairs = {
        (normalize(text), normalize(translation))
        for message in read_catalogue(CATALOGUE)
        if message.id
        for text, translation in (
            zip(message.id, message.string, strict=True)
            if isinstance(message.id, tuple)
            else [(message.id, message.string)]
        )
    }
    english, portuguese = (NAME.findall(" ".join(CONSOLE[each].split())) for each in CONSOLE)
    unknown = [
        pair for pair in zip(english, portuguese, strict=True) if (pair[0].lower(), pair[1].lower()) not in pairs
    ]
    assert unknown == [("English", "English"), ("Português", "Português")]


# first-campaign.md, and its translation


@pytest.mark.parametrize("page", ["first-campaign.md", "primeira-campanha.md"])
def test_the_rehearsal_uses_the_ids_and_the_template_of_its_script(page):
    script = Config.load(json.loads((PROJECT / "docs/rehearsal.json").read_text()))
    ((phone_number_id, account),) = script.accounts.items()
    rehearsal = code_blocks((PROJECT / "docs" / page).read_text().partition("\n## 1. ")[0])
    assert f"--phone-number-id {phone_number_id} --waba-id {account.waba_id} " in rehearsal
    (template,) = script.templates
    assert f"--template {template.name}:{template.language} " in rehearsal
