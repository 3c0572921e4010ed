"""Whatever the Graph API does, a read ends in time, with an answer or a GraphError that shows no token."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import socketserver
import threading

import pytest

from campaigns.cli.hints import in_commands
from campaigns.domain.failures import find_failure
from campaigns.whatsapp import graph
from campaigns.whatsapp.graph import GraphError, read_phone_number, read_templates
from tests.simulator.far_end import NUMBER, PATIENCE_SECONDS, WABA
from tests.support.serving import serving

TOKEN = "EAAGm0PX4ZCpsBA0secret"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def answer():
    """`answer(part, part, gap=0.2)` starts a server that answers each connection with these parts; tells its url.

    Between two parts, and before the end of the connection, it waits for `gap` seconds.
    """
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
                server.ended_count += 1

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close = True, False

    with serving(Server(("127.0.0.1", 0), Handler)) as server:
        server.requests, server.ended_count = [], 0
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield server
        over.set()


def read(url, *, token=TOKEN, number=NUMBER, timeout=PATIENCE_SECONDS):
    return read_phone_number(url, number, token, connect_timeout=timeout, timeout=timeout)


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
    assert refuse(f"{far.url}/v24.0", timeout=0.5) == "No answer: ReadTimeout"


def test_an_answer_that_stops_half_way_ends_in_an_error_in_time(answer):
    server = answer(HEAD + b"Content-Length: 200\r\n\r\n{", gap=PATIENCE_SECONDS)
    assert refuse(server.url, timeout=0.5) == "No answer: ConnectionError"
    assert server.ended_count == 0


def test_an_answer_that_drips_ends_in_an_error_in_time(answer):
    count = int(PATIENCE_SECONDS / 0.15)
    server = answer(HEAD + b"Content-Length: %d\r\n\r\n" % count, *[b" "] * count, gap=0.15)
    assert refuse(server.url, timeout=0.5) == "No answer: TimeoutError"
    assert server.ended_count == 0


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


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"message": f"Malformed access token {TOKEN}", "code": 190}, "Malformed access token [redacted]"),
        ({"message": f"No {TOKEN}", "code": 190}, "No [redacted]"),
        ({"message": "(#100) Bad\x1b[2J id.", "code": 100, "error_subcode": 33}, "Bad[2J id"),
        ({"message": "No.", "error_data": {"details": "It is locked."}, "code": 131031}, "No: It is locked"),
        ({"message": "No", "error_user_msg": "Pay first", "code": "131042"}, "No: Pay first"),
        ({"code": 4}, ""),
        ({"code": 4, "message": ["x"]}, ""),
    ],
)
def test_metas_own_text_is_kept_apart_without_the_token(answer, error, said):
    body = json.dumps({"error": error}).encode()
    reply = b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with pytest.raises(GraphError) as caught:
        read(answer(reply).url)
    assert str(caught.value) == f"Request failed with status code 401 (code {error['code']})"
    assert caught.value.said == said
    assert caught.value.failure is find_failure(int(error["code"]), subcode=error.get("error_subcode"))
    assert TOKEN not in str(caught.value.explain("sales"))


def refusal(message):
    body = json.dumps({"error": {"message": message, "code": 100, "error_subcode": 33}}).encode()
    return b"HTTP/1.1 400 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("secret", [TOKEN, "0123456789abcdef0123456789abcdef"])
@pytest.mark.parametrize("length", range(160, 202, 5))  # texts of Meta are cut after 200 characters
def test_no_part_of_a_secret_is_left_where_the_text_is_cut(answer, secret, length):
    url = answer(refusal(f"{'No ' * 70}"[:length] + f" {secret} is wrong")).url
    with pytest.raises(GraphError) as caught:
        graph.read_app_webhooks(url, "7", secret, connect_timeout=PATIENCE_SECONDS, timeout=PATIENCE_SECONDS)
    assert secret[:4] not in caught.value.said


@pytest.mark.parametrize("said", ["7|secret-of-the-app", "secret-of-the-app"])
def test_the_secret_of_an_app_is_not_shown_in_either_form(answer, said):
    url = answer(refusal(f"Bad signature {said}")).url
    with pytest.raises(GraphError) as caught:
        graph.read_app_webhooks(
            url, "7", "secret-of-the-app", connect_timeout=PATIENCE_SECONDS, timeout=PATIENCE_SECONDS
        )
    assert caught.value.said == "Bad signature [redacted]"


def test_without_a_token_the_text_stays_as_it_is(answer):
    with pytest.raises(GraphError) as caught:
        read(answer(refusal("No token")).url, token="")
    assert caught.value.said == "No token"


@pytest.mark.parametrize("read_waba", [graph.read_subscribed_apps, read_templates])
def test_the_advice_about_an_unknown_waba_names_its_id(answer, read_waba):
    with pytest.raises(GraphError) as caught:
        read_waba(
            answer(refusal("No object")).url, WABA, TOKEN, connect_timeout=PATIENCE_SECONDS, timeout=PATIENCE_SECONDS
        )
    assert "code 100" in str(caught.value)
    assert "--waba-id ID" in in_commands(caught.value.explain("sales"))


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


def test_all_templates_are_read_page_after_page(far):
    far.script(templates=[{"name": f"t{number}", "body": "Hi"} for number in range(230)])
    found = list_templates(f"{far.url}/v24.0")
    assert [each["name"] for each in found] == [f"t{number}" for number in range(230)]
    assert found[0]["quality_score"]["score"] == "UNKNOWN"


def test_a_waba_without_templates_has_an_empty_list(far):
    assert list_templates(f"{far.url}/v24.0") == []


def list_templates(url, *, timeout=PATIENCE_SECONDS):
    return read_templates(url, WABA, TOKEN, connect_timeout=timeout, timeout=timeout)


def refuse_list(url, **more):
    with pytest.raises(GraphError) as caught:
        list_templates(url, **more)
    assert TOKEN not in f"{caught.value} {caught.value!r}"
    return str(caught.value)


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        ("error:190", "Request failed with status code 401 (code 190)"),
        ("error:100", "Request failed with status code 400 (code 100)"),
        ("html", "Request failed with status code 502"),
        ("empty", "The answer is not a JSON object"),
        ("garbage", "The answer is not a JSON object"),
        ("half", "No answer: "),
        ("repeat", "The pages of the list repeat"),
    ],
)
@pytest.mark.parametrize("good_pages", [0, 1])
def test_a_list_that_cannot_be_read_whole_is_an_error(far, outcome, text, good_pages):
    far.script(
        templates=[{"name": f"t{number}", "body": "Hi"} for number in range(230)],
        template_reads=[f"ok*{good_pages}", outcome] if good_pages else outcome,
    )
    assert refuse_list(f"{far.url}/v24.0").startswith(text)


def test_a_list_that_hangs_ends_in_an_error_in_time(far):
    far.script(template_reads="hang")
    assert refuse_list(f"{far.url}/v24.0", timeout=0.5) == "No answer: ReadTimeout"


def page(**content):
    body = json.dumps(content).encode()
    return HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({}, "The answer is not a list of templates"),
        ({"data": {}}, "The answer is not a list of templates"),
        ({"data": ["promo"]}, "The answer is not a list of templates"),
        (
            {"data": [], "paging": {"next": "https://x"}},
            "The list has another page, but the response has no cursor for it",
        ),
        ({"data": [], "paging": {"next": "https://x", "cursors": {"after": 7}}}, "The list has another page"),
        ({"data": [], "paging": {"next": "https://x", "cursors": {"after": "a"}}}, "The pages of the list repeat"),
    ],
)
def test_a_page_that_leads_nowhere_is_an_error(answer, content, text):
    assert refuse_list(answer(page(**content)).url).startswith(text)


@pytest.mark.parametrize("paging", [None, [], {}, {"cursors": None}, {"cursors": {"after": "a"}}])
def test_a_page_that_names_no_next_one_is_the_last(answer, paging):
    assert list_templates(answer(page(data=[{"name": "promo"}], paging=paging)).url) == [{"name": "promo"}]


def test_pages_with_ever_new_cursors_come_to_an_end(monkeypatch):
    numbers = itertools.count()
    monkeypatch.setattr(
        graph._Reader,
        "read",
        lambda *_: {"data": [], "paging": {"next": "https://x", "cursors": {"after": str(next(numbers))}}},
    )
    assert refuse_list("http://127.0.0.1:9") == "The list has more than 500 pages"


def test_the_next_page_is_asked_for_at_our_own_address(answer):
    target = answer(page(data=[]))
    server = answer(page(data=[], paging={"next": f"{target.url}/?after=a", "cursors": {"after": "a"}}))
    refuse_list(server.url)
    assert target.requests == []
    assert [b"after=a" in request for request in server.requests] == [False, True]
