"""The shorter way takes one plain form of a head, and leaves everything else to gunicorn."""

import pytest

from webhooks.receiver.app import MAX_BODY_BYTES
from webhooks.receiver.posts import Head, read_head

LINE = b"POST /webhooks/whatsapp HTTP/1.1\r\n"
PLAIN = LINE + b"Host: x\r\nX-Hub-Signature-256: sha256=Ab \r\nContent-Length: 2\r\n"


def test_a_plain_head_is_read_up_to_its_body():
    assert read_head(PLAIN + b"\r\n{}POST /") == Head(len(PLAIN) + 2, 2, "sha256=Ab")
    assert read_head(LINE + b"HOST: x\r\ncontent-length: 0\r\nConnection: Keep-Alive\r\n\r\n").signature is None


@pytest.mark.parametrize(
    "head",
    [
        PLAIN,
        PLAIN + b"\r",
        PLAIN.replace(b"\r\n", b"\n") + b"\n",
        PLAIN + b"Transfer-Encoding: chunked\r\n\r\n",
        PLAIN + b"Content-Length: 2\r\n\r\n",
        PLAIN + b"content-length: 3\r\n\r\n",
        PLAIN + b"X-Hub-Signature-256: sha256=cd\r\n\r\n",
        PLAIN + b"Content-Length : 3\r\n\r\n",
        PLAIN + b"Content_Length: 3\r\n\r\n",
        PLAIN + b"X: a\nTransfer-Encoding: chunked\r\n\r\n",
        PLAIN + b"X: a\rTransfer-Encoding: chunked\r\n\r\n",
        PLAIN + b"X: a\r\n folded\r\n\r\n",
        PLAIN + b"X: \x00\r\n\r\n",
        PLAIN + b"X: \xff\r\n\r\n",
        PLAIN + b"X:\r\n\r\n",
        PLAIN + b"X: " + b"x" * 9_000 + b"\r\n\r\n",
        PLAIN + b"Expect: 100-continue\r\n\r\n",
        PLAIN + b"Upgrade: h2c\r\n\r\n",
        PLAIN + b"Connection: close\r\n\r\n",
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n",
        PLAIN.replace(b"POST", b"PUT") + b"\r\n",
        PLAIN.replace(b"whatsapp", b"whatsapp?a=1") + b"\r\n",
        PLAIN.replace(b"Host: x\r\n", b"") + b"\r\n",
        LINE + b"Host: x\r\n\r\n",
        *(
            LINE + b"Host: x\r\nContent-Length: %b\r\n\r\n" % length
            for length in (b"-1", b"+1", b"1_0", b"0x1", b"1 1", b"1, 1", b"%d" % (MAX_BODY_BYTES + 1), b"9" * 5_000)
        ),
    ],
)
def test_any_other_head_is_left_to_gunicorn(head):
    assert read_head(head) is None
