"""A file is uploaded in pieces, and whole only with all of them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from campaigns.domain.statement import Refusal
from campaigns.management.files.uploads import add_piece, begin_upload, end_upload, find_upload
from tests.management.files.lists import LIST, MOST_BYTES
from tests.store.rows import fetch
from tests.support.actors import TESTER

LONG_NAMES = ["x" * 500 + ".xlsx", "я" * 150 + ".csv", "😀." + "я" * 150]


def test_an_upload_is_whole_only_with_all_its_pieces(database):
    upload_id = begin_upload(database, r"C:\Users\ana\lista novembro.csv", actor=TESTER)
    add_piece(database, upload_id, 1, b"phone,", max_bytes=MOST_BYTES)
    with pytest.raises(Refusal, match="missing before piece 3"):
        add_piece(database, upload_id, 3, b"x", max_bytes=MOST_BYTES)
    add_piece(database, upload_id, 2, b"name\n", max_bytes=MOST_BYTES)
    add_piece(database, upload_id, 2, b"name\n", max_bytes=MOST_BYTES)  # repeated after a lost answer
    upload = end_upload(database, upload_id, actor=TESTER)
    assert (upload.name, upload.size) == ("lista novembro.csv", 11)
    assert fetch(database, "SELECT sha256 = sha256(convert_to('phone,name' || E'\\n', 'UTF8')) FROM uploads") == [True]
    assert fetch(database, "SELECT what, target_id FROM audit_events WHERE what LIKE 'upload%%'") == [
        ("upload.add", upload_id)
    ]


@pytest.mark.parametrize("name", ["", "..", "a/..", "/", "\x00", "..\\..\\etc\\passwd", *LONG_NAMES])
def test_the_name_of_an_upload_is_the_name_of_one_file(database, name):
    upload_id = begin_upload(database, name, actor=TESTER)
    kept = find_upload(database, upload_id).name
    assert 0 < len(kept.encode()) <= 200
    assert kept.endswith(".xlsx") == name.endswith(".xlsx")
    assert not {"/", "\\", "\x00"} & set(kept.replace("\\x00", ""))
    assert kept not in {".", ".."}


def test_a_file_that_is_too_large_or_empty_is_refused(database):
    upload_id = begin_upload(database, "people.csv", actor=TESTER)
    with pytest.raises(Refusal, match="is empty"):
        end_upload(database, upload_id, actor=TESTER)
    add_piece(database, upload_id, 1, b"x" * 60, max_bytes=100)
    with pytest.raises(Refusal, match="more than"):
        add_piece(database, upload_id, 2, b"x" * 60, max_bytes=100)
    assert fetch(database, "SELECT count(*) FROM uploads") == [0]


def test_a_process_that_is_killed_leaves_no_list_on_the_disk(database, database_url, upload, tmp_path):
    upload_id = upload()
    code = (
        "import os, sys\n"
        "from campaigns.management.files.uploads import spooled\n"
        "from campaigns.store.database import Database\n"
        "from campaigns.store.files.uploads import find_upload\n"
        "def work(connection):\n"
        "    with spooled(connection, find_upload(connection, int(sys.argv[2]))) as path:\n"
        "        print(path.name, path.read_text(), end='', flush=True)\n"
        "        os.kill(os.getpid(), 9)\n"
        "database = Database(sys.argv[1])\n"
        "database.open()\n"
        "database.run(work)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, database_url, str(upload_id)],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        check=False,
    )
    assert (killed.returncode, killed.stdout.decode()) == (-9, f"people.csv {LIST}")
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


def test_a_last_piece_that_is_repeated_deletes_nothing(database):
    upload_id = begin_upload(database, "people.csv", actor=TESTER)
    add_piece(database, upload_id, 1, b"x" * 60, max_bytes=100)
    add_piece(database, upload_id, 2, b"y" * 40, max_bytes=100)
    add_piece(database, upload_id, 2, b"y" * 40, max_bytes=100)
    assert end_upload(database, upload_id, actor=TESTER).size == 100
