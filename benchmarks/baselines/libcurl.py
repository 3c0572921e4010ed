"""A lower bound for HTTP: sends the same requests with libcurl alone, with a fixed number of requests in flight.

`python -m benchmarks.baselines.libcurl API_URL ACCOUNTS MESSAGES IN_FLIGHT` prints the seconds and CPU seconds that it
took. REQUESTS_CA_BUNDLE names the file with the certificate of an API_URL with https.
"""

from __future__ import annotations

import os
import resource
import selectors
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO

import pycurl

from benchmarks.frame import FIRST_ACCOUNT

_BODY = (
    '{"messaging_product":"whatsapp","recipient_type":"individual","to":"+55119%08d","type":"template",'
    '"biz_opaque_callback_data":"r1.00000000.%d.1","template":{"name":"bench","language":{"code":"pt_BR"},"components":'
    '[{"type":"body","parameters":[{"type":"text","text":"Ana"},{"type":"text","text":"20%%"}]}]}}'
)
_HEADERS = ["Authorization: Bearer t", "Content-Type: application/json"]


def make_body(number: int) -> bytes:
    """Return the body of a request of the size that the benchmark's template has."""
    return (_BODY % (10_000_000 + number, number)).encode()


class Sender:
    """Drives libcurl's multi interface by its socket callbacks, because its `select` handles 1,024 sockets at most."""

    def __init__(self, requests: Iterator[tuple[str, bytes]], in_flight: int) -> None:
        self._requests, self._timer_at = requests, 0.0
        self._selector = selectors.DefaultSelector()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, in_flight)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._replies: dict[pycurl.Curl, BytesIO] = {}
        for _ in range(in_flight):
            curl = pycurl.Curl()
            curl.setopt(pycurl.POST, 1)
            curl.setopt(pycurl.HTTPHEADER, _HEADERS)
            curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
            if ca_file := os.environ.get("REQUESTS_CA_BUNDLE"):
                curl.setopt(pycurl.CAINFO, ca_file)
            self._send(curl)

    def run(self) -> None:
        while self._replies:
            for key, mask in self._selector.select(max(self._timer_at - time.monotonic(), 0)):
                events = (pycurl.CSELECT_IN if mask & selectors.EVENT_READ else 0) | (
                    pycurl.CSELECT_OUT if mask & selectors.EVENT_WRITE else 0
                )
                self._multi.socket_action(key.fd, events)
            if self._timer_at <= time.monotonic():
                self._timer_at = time.monotonic() + 1
                self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            is_more = 1
            while is_more:
                is_more, done, failed = self._multi.info_read()
                assert not failed, failed
                for curl in done:
                    assert curl.getinfo(pycurl.RESPONSE_CODE) == 200
                    assert b"wamid" in self._replies.pop(curl).getvalue()
                    self._multi.remove_handle(curl)
                    self._send(curl)

    def _send(self, curl: pycurl.Curl) -> None:
        with suppress(StopIteration):
            url, body = next(self._requests)
            self._replies[curl] = BytesIO()
            curl.setopt(pycurl.URL, url)
            curl.setopt(pycurl.POSTFIELDS, body)
            curl.setopt(pycurl.WRITEDATA, self._replies[curl])
            self._multi.add_handle(curl)

    def _watch(self, what: int, descriptor: int, _multi: object, _data: object) -> None:
        if what == pycurl.POLL_REMOVE:
            self._selector.unregister(descriptor)
            return
        events = (selectors.EVENT_READ if what & pycurl.POLL_IN else 0) | (
            selectors.EVENT_WRITE if what & pycurl.POLL_OUT else 0
        )
        try:
            self._selector.modify(descriptor, events)
        except KeyError:
            self._selector.register(descriptor, events)

    def _set_timer(self, milliseconds: int) -> None:
        self._timer_at = time.monotonic() + (milliseconds / 1000 if milliseconds >= 0 else 1)


def main(api: str, accounts: int, messages: int, in_flight: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    urls = [f"{api}/{FIRST_ACCOUNT + number}/messages" for number in range(accounts)]
    requests = ((urls[n % accounts], make_body(n)) for n in range(messages))
    began, cpu_began = time.monotonic(), time.process_time()
    Sender(requests, in_flight).run()
    print(time.monotonic() - began, time.process_time() - cpu_began)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
