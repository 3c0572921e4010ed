"""Whatever the Graph API does, a read ends in time, with an answer or a GraphError that shows no token."""

from __future__ import annotations

import contextlib
import gzip
import socketserver
import threading
import time

import pytest

from campaigns.whatsapp.graph import GraphError, read_phone_number
from tests.simulator.far_end import NUMBER, FarEnd, start_simulator

TOKEN = "EAAGm0PX4ZCpsBA0secret"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def address():
    with start_simulator() as (_, url):
        yield url


@pytest.fixture
def far(address):
    end = FarEnd(address)
    end.control("reset")
    with end.session:
        yield end


@pytest.fixture
def answer():
    """`answer(part, part, gap=0.2)` starts a server that answers each connection with these parts; tells its url."""
    with contextlib.ExitStack() as stack:
        yield lambda *parts, gap=0.0: stack.enter_context(serve(parts, gap))


@contextlib.contextmanager
def serve(parts, gap):
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            server.requests.append(self.request.recv(65536))
            with contextlib.suppress(OSError):
                for part in parts:
                    self.request.sendall(part)
                    over.wait(gap)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close = True, False

    with Server(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        over.set()
        server.shutdown()
        thread.join()


def read(url, *, token=TOKEN, number=NUMBER, timeout=1.0):
    return read_phone_number(url, number, token, connect_timeout=1, timeout=timeout)


def refuse(url, **more):
    """Return the text of the GraphError in which reading ends, which shows neither token nor address."""
    with pytest.raises(GraphError) as caught:
        read(url, **more)
    text = f"{caught.value} {caught.value!r}"
    assert TOKEN not in text
    assert url not in text
    return str(caught.value)


def test_an_answer_is_handed_over_as_it_is(far):
    far.script(accounts={NUMBER: {"health": "YELLOW"}})
    answer = read(f"{far.url}/v24.0")
    assert answer["id"] == NUMBER
    assert answer["quality_rating"] == "YELLOW"


@pytest.mark.parametrize(
    ("health", "text"),
    [
        ("400", "Request failed with status code 400"),
        ("error:190", "Request failed with status code 401 (code 190)"),
        ("error:131016", "Request failed with status code 500 (code 131016)"),
        ("html", "Request failed with status code 502"),
        ("empty", "The answer is not a JSON object"),
        ("garbage", "The answer is not a JSON object"),
        ("lost", "No answer: ConnectionError"),
    ],
)
def test_another_answer_is_an_error_that_says_how(far, health, text):
    far.script(accounts={NUMBER: {"health": health}})
    assert refuse(f"{far.url}/v24.0").startswith(text)


def test_an_answer_that_is_cut_off_is_an_error(far):
    far.script(accounts={NUMBER: {"health": "half"}})
    assert refuse(f"{far.url}/v24.0")


def test_an_api_that_hangs_ends_in_an_error_in_time(far):
    far.script(accounts={NUMBER: {"health": "hang"}})
    start = time.monotonic()
    assert refuse(f"{far.url}/v24.0", timeout=0.5) == "No answer: ReadTimeout"
    assert time.monotonic() - start < 2


def test_an_answer_that_stops_half_way_ends_in_an_error_in_time(answer):
    server = answer(HEAD + b"Content-Length: 200\r\n\r\n{", gap=5)
    start = time.monotonic()
    assert refuse(server.url, timeout=0.5)
    assert time.monotonic() - start < 2


def test_an_answer_that_drips_ends_in_an_error_in_time(answer):
    server = answer(HEAD + b"Content-Length: 20\r\n\r\n", *[b" "] * 20, gap=0.15)
    start = time.monotonic()
    assert refuse(server.url, timeout=0.5)
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\x16\x03\x01\x02\x00",
        HEAD + b"Content-Length: 2\r\n\r\n[]",
        HEAD + b"Content-Length: 4\r\n\r\nnull",
        HEAD + b"Content-Length: 2\r\n\r\n\xff\xfe",
        HEAD + b"Content-Length: 10000\r\n\r\n" + b"[" * 10_000,
        HEAD + b"Content-Length: 900000\r\n\r\n" + b'{"id":"' + b"x" * 899_991 + b'"}',
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 500 No\r\nContent-Length: 18\r\n\r\n" + b'{"error":"no dict"',
        b"HTTP/1.1 302 Found\r\nLocation: \xff\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_no_answer_is_so_strange_that_it_is_not_a_graph_error(answer, reply):
    assert refuse(answer(reply).url)


def test_a_compressed_answer_is_read(answer):
    body = gzip.compress(b'{"id": "1"}')
    head = HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    assert read(answer(head + body).url) == {"id": "1"}


def test_metas_words_stay_out_of_the_error(answer):
    body = b'{"error": {"message": "Malformed access token %s", "code": 190}}' % TOKEN.encode()
    reply = b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    assert refuse(answer(reply).url) == "Request failed with status code 401 (code 190)"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_with_the_token(answer, status):
    target = answer(HEAD + b"Content-Length: 2\r\n\r\n{}")
    reply = f"HTTP/1.1 {status} Moved\r\nLocation: {target.url}/\r\nContent-Length: 0\r\n\r\n"
    assert refuse(answer(reply.encode()).url) == f"Request failed with status code {status}"
    assert target.requests == []


def test_the_token_travels_in_the_header_only(answer):
    server = answer(HEAD + b"Content-Length: 2\r\n\r\n{}")
    read(server.url)
    (request,) = server.requests
    line, _, headers = request.partition(b"\r\n")
    assert line.startswith(f"GET /{NUMBER}?fields=id".encode())
    assert TOKEN.encode() not in line
    assert f"Authorization: Bearer {TOKEN}\r\n".encode() in headers


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://graph.invalid", "nonsense://x", "http://a..b"])
def test_an_address_that_leads_nowhere_is_a_graph_error(url):
    assert refuse(url)


@pytest.mark.parametrize("token", [f"{TOKEN}…", f"{TOKEN}\n"])
def test_a_token_that_no_header_can_hold_is_a_graph_error(answer, token):
    assert refuse(answer(HEAD + b"Content-Length: 2\r\n\r\n{}").url, token=token)
