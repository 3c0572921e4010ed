"""Rotation of REVOADA_SECRET_KEY: `revoada keygen --rotate`, several keys at once, `revoada rekey`."""

from __future__ import annotations

import stat

import pytest
from dotenv import dotenv_values

from campaigns.domain.phone.person import recipient_key
from campaigns.management.accounts import add_account, change_account
from campaigns.management.rekey import rekey
from campaigns.management.suppressions import lift_phones
from campaigns.privacy.erasure import forget
from campaigns.privacy.forgotten_people import ForgettingError, find_forgotten
from campaigns.secrets import TokenError, decrypt_token, make_key
from tests.cli.conftest import ANA, BIA
from tests.store.rows import Beside, await_blocked, fetch, hold
from tests.support.actors import TESTER

KEY = "REVOADA_SECRET_KEY"
TOKEN = "EAAG-secret-token"


def tokens(database):
    return [bytes(token) for token in fetch(database, "SELECT token FROM accounts ORDER BY id")]


def is_forgotten(database, phone, key):
    person = recipient_key(phone)
    return database.run(find_forgotten, [person], secret_key=key) == {person}


@pytest.fixture
def old(house):
    return house.environment[KEY]


@pytest.fixture
def new():
    return make_key()


def test_with_several_keys_the_newest_encrypts_and_all_decrypt(house, database, old, new):
    both = f"{new}, {old}"
    house.ok(
        *("account", "add", "third", "--phone-number-id", "1067", "--waba-id", "22", "--token-env", "WHATSAPP_TOKEN"),
        **{KEY: both},
    )
    assert [decrypt_token(f"{new},{old}", token) for token in tokens(database)] == [TOKEN] * 3
    assert decrypt_token(new, tokens(database)[2]) == TOKEN
    with pytest.raises(TokenError):
        decrypt_token(old, tokens(database)[2])


def test_rekey_encrypts_all_tokens_with_the_newest_key_once(house, database, old, new):
    output = house.ok("rekey", **{KEY: f"{new},{old}"})
    assert output.splitlines() == [
        "2 access tokens encrypted anew; 0 had the newest key already.",
        "The newest key reads everything. Remove the older keys from REVOADA_SECRET_KEY.",
    ]
    first = tokens(database)
    assert [decrypt_token(new, token) for token in first] == [TOKEN] * 2
    assert house.ok("rekey", **{KEY: new}) == "0 access tokens encrypted anew; 2 had the newest key already.\n"
    assert tokens(database) == first


def test_rekey_names_what_no_key_can_read_and_does_the_rest(house, database, old, new):
    add_account(database, "lost", phone_number_id="9", waba_id="22", token="t", secret_key=make_key(), actor=TESTER)
    forget(database, ANA, secret_key=make_key(), actor=TESTER)
    result = house("rekey", **{KEY: f"{new},{old}"})
    assert result.exit_code == 1
    assert "No key can read the token of account lost." in result.stdout
    assert "`revoada account set lost --token-stdin" in result.stdout
    assert "People were forgotten under a key that is missing here." in result.stdout
    assert "Remove the older keys" not in result.stdout
    assert [decrypt_token(new, token) for token in tokens(database)[:2]] == [TOKEN] * 2
    assert TOKEN not in result.output
    assert new not in result.output


@pytest.mark.parametrize("keys_after", ["new", "new,old", "newer", "newer,new"])
def test_forgotten_people_stay_forgotten_after_each_rotation(revoada, database, keys_after, create):
    old, new = revoada.environment[KEY], make_key()
    forget(database, ANA, secret_key=old, actor=TESTER)
    revoada.ok("rekey", **{KEY: f"{new},{old}"})
    forget(database, BIA, secret_key=new, actor=TESTER)
    names = {"old": old, "new": new, "newer": make_key()}
    if "newer" in keys_after:
        revoada.ok("rekey", **{KEY: f"{names['newer']},{new}"})
    keys = ",".join(names[name] for name in keys_after.split(","))
    assert [is_forgotten(database, phone, keys) for phone in (ANA, BIA, "+5511999990003")] == [True, True, False]
    revoada.environment[KEY] = keys
    create()
    assert fetch(database, "SELECT status, phone FROM messages ORDER BY id") == [("suppressed", None)] * 2
    assert lift_phones(database, [ANA, BIA], secret_key=keys, actor=TESTER) == [True, True]
    assert not is_forgotten(database, ANA, keys)


def test_before_rekey_the_old_key_is_still_needed_for_forgotten_people(house, database, old, new):
    forget(database, ANA, secret_key=old, actor=TESTER)
    assert is_forgotten(database, ANA, f"{new},{old}")
    with pytest.raises(ForgettingError, match="add the old key behind the newest one"):
        is_forgotten(database, ANA, new)


def test_a_person_forgotten_again_under_a_new_key_has_one_hash(database, old, new):
    forget(database, ANA, secret_key=old, actor=TESTER)
    forget(database, ANA, secret_key=f"{new},{old}", actor=TESTER)
    assert fetch(database, "SELECT count(*) FROM forgotten") == [1]


def test_two_rekeys_and_a_new_token_at_the_same_time_leave_each_token_readable(house, database, old, new):
    both = f"{new},{old}"

    def lock(connection):
        connection.execute("SELECT FROM accounts FOR UPDATE")

    held, may_commit = hold(database, lock)
    works = [
        Beside(rekey, database, secret_key=both, actor=TESTER),
        Beside(rekey, database, secret_key=both, actor=TESTER),
        Beside(change_account, database, "sales", {"token": "EAAG-other"}, secret_key=both, actor=TESTER),
    ]
    await_blocked(database, count=3)
    may_commit.set()
    held.result()
    done = [work.result() for work in works[:2]]
    works[2].result()
    assert [decrypt_token(new, token) for token in tokens(database)] == ["EAAG-other", TOKEN]
    assert sum(each.token_count for each in done) <= 2


def rotate(revoada, path):
    revoada.ok("keygen", "--env-file", str(path), "--rotate")
    return dotenv_values(path, interpolate=False)[KEY].split(",")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A=1\n{key}={old}\nB=2\n", "A=1\n{key}={now}\nB=2\n"),
        ("export {key}='{old}'  # of May\r\nB=2\r\n", "export {key}={now}  # of May\r\nB=2\r\n"),
        ('{key} = "{old}"', "{key}={now}\n"),
        ("\ufeff{key}={old},{older}\n", "\ufeff{key}={now},{older}\n"),
        ("{key}='{old}, {older}'\n", "{key}={now},{older}\n"),
    ],
)
def test_a_rotation_puts_the_new_key_in_front_and_all_else_stays(revoada, tmp_path, before, after):
    path, keys = tmp_path / ".env", {"old": make_key(), "older": make_key()}
    path.write_bytes(before.format(key=KEY, **keys).encode())
    path.chmod(0o644)
    new, *others = rotate(revoada, path)
    assert others[0] == keys["old"]
    assert new != others[0]
    assert path.read_bytes().decode() == after.format(key=KEY, now=f"{new},{keys['old']}", **keys)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_rotated_file_is_read_by_every_command(house, tmp_path, old, monkeypatch):
    path = tmp_path / ".env"
    path.write_text(f"{KEY}={old}\n")
    path.chmod(0o600)
    monkeypatch.delenv(KEY, raising=False)
    del house.environment[KEY]
    rotate(house, path)
    assert house.ok("rekey").startswith("2 access tokens encrypted anew")


def test_a_rotation_that_would_lose_a_key_is_refused(revoada, tmp_path):
    path, old = tmp_path / ".env", make_key()
    for text, reason in {
        "A=1\n": "has no REVOADA_SECRET_KEY to rotate",
        f"{KEY}=\n": "has no REVOADA_SECRET_KEY to rotate",
        f"{KEY}=not-a-key\n": "is not a key. Nothing was written.",
        f"{KEY}={old}\n{KEY}={old}\n": "has more than one REVOADA_SECRET_KEY",
        f"{KEY}={old}\n{KEY}=\n": "has an empty REVOADA_SECRET_KEY below the one in line 1",
        f"{KEY}='{old}\n": "cannot be read",
    }.items():
        path.write_text(text)
        path.chmod(0o600)
        assert reason in revoada.refusal("keygen", "--env-file", ".env", "--rotate")
        assert path.read_text() == text
    path.unlink()
    assert "has no REVOADA_SECRET_KEY to rotate" in revoada.refusal("keygen", "--env-file", ".env", "--rotate")
    assert not path.exists()
    assert "--rotate needs --env-file" in revoada.refusal("keygen", "--rotate", exit_code=2)
