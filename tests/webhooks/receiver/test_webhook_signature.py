import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.receiver.signature import is_signed

SECRET = "an app secret"


def sign(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@given(st.binary(max_size=200))
def test_what_the_secret_signed_is_accepted(body):
    assert is_signed(body, sign(body), SECRET)


@given(st.binary(max_size=200), st.none() | st.text(max_size=100))
def test_any_other_header_is_refused_without_raising(body, header):
    assert not is_signed(body, header, SECRET)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.removeprefix("sha256="),
        lambda header: header.replace("sha256=", "sha1="),
        lambda header: header.upper(),
        lambda header: header[:-1],
        lambda header: header + "0",
        lambda header: header + "\n",
        lambda header: "sha256=",
        lambda header: "sha256=\ud800",
        lambda header: "sha256=é" + header,
    ],
)
def test_a_changed_header_is_refused(change):
    assert not is_signed(b"{}", change(sign(b"{}")), SECRET)


def test_one_changed_byte_of_the_body_is_refused():
    assert not is_signed(b'{"a": 1}', sign(b'{"a":1}'), SECRET)


def test_an_empty_secret_signs_nothing():
    assert not is_signed(b"{}", sign(b"{}", ""), "")
