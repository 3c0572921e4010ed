from __future__ import annotations

import subprocess
import sys
import threading

from campaigns.domain.users.credentials import read_password
from campaigns.management.users import hashing
from campaigns.management.users.hashing import Hasher

WORDS = "quatro palavras sem nexo"


def test_only_the_password_of_the_hash_is_right():
    hasher = Hasher()
    made = hasher.hash(WORDS)
    assert made.startswith("$argon2id$")
    assert hasher.verify(made, WORDS)
    assert not hasher.verify(made, WORDS + " ")
    assert not hasher.verify(None, WORDS)
    assert not hasher.verify(None, "nobody has this password")
    assert not hasher.verify("$argon2id$broken", WORDS)
    assert not hasher.verify(made, WORDS * 1000)
    assert not hasher.is_outdated(made)


def test_a_password_is_the_same_however_its_letters_are_typed():
    hasher, typed = Hasher(), "e\N{COMBINING ACUTE ACCENT}" * 200
    made = hasher.hash(read_password(f"senha {typed}", name="maria"))
    assert hasher.verify(made, f"senha {typed}")
    assert hasher.verify(made, "senha " + "é" * 200)
    assert not hasher.verify(made, "senha " + "é" * 199)


def test_at_most_two_passwords_are_hashed_at_a_time(monkeypatch):
    hasher = Hasher()
    running, most, guard, gate = 0, 0, threading.Lock(), threading.Barrier(hashing.AT_ONCE)

    def verify(_hash, _password):
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        gate.wait(60)  # all slots are taken before one is given back
        with guard:
            running -= 1
        return True

    monkeypatch.setattr(hasher, "_verify", verify)
    threads = [threading.Thread(target=hasher.verify, args=("x", WORDS)) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert most == hashing.AT_ONCE


UNDER_GEVENT = """
from gevent import monkey; monkey.patch_all()
import gevent
from campaigns.management.users.hashing import Hasher
hasher = Hasher(under_gevent={under_gevent})
ticks = 0
def tick():
    global ticks
    while True:
        gevent.sleep(0)
        ticks += 1
ticking = gevent.spawn(tick)
gevent.sleep(0)
before = ticks
made = hasher.hash("quatro palavras sem nexo")
print(hasher.verify(made, "quatro palavras sem nexo"), ticks > before + 10)
"""


def run(under_gevent):
    program = UNDER_GEVENT.format(under_gevent=under_gevent)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_other_greenlets_run_while_a_password_is_hashed():
    assert run(under_gevent=True) == ["True", "True"]
    assert run(under_gevent=False) == ["True", "False"]  # this is what the threads are for
