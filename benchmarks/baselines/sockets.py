"""A lower bound for HTTP without libcurl: sends the same requests by sockets, with a fixed number in flight.

httptools reads the replies, as in the product. No reply is checked, timed or attributed to its request.
`python -m benchmarks.baselines.sockets API_URL ACCOUNTS MESSAGES IN_FLIGHT` prints the seconds and CPU seconds that it
took. REQUESTS_CA_BUNDLE names the file with the certificate of an API_URL with https.
"""

from __future__ import annotations

import os
import resource
import select
import socket
import ssl
import sys
import time
from itertools import islice
from urllib.parse import urlsplit

import httptools

from benchmarks.baselines.libcurl import make_body
from benchmarks.frame import FIRST_ACCOUNT


class Connection:
    """A connection to the simulator, and the reply that it reads."""

    def __init__(self, plain: socket.socket) -> None:
        self.socket, self.body, self.is_complete = plain, b"", False
        self.parser = httptools.HttpResponseParser(self)

    def on_body(self, chunk: bytes) -> None:
        self.body += chunk

    def on_message_complete(self) -> None:
        self.is_complete = True


def main(api: str, accounts: int, messages: int, in_flight: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    parts = urlsplit(api)
    host, port = parts.hostname or "", parts.port or 0
    context = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"]) if parts.scheme == "https" else None
    heads = [
        f"POST {parts.path}/{FIRST_ACCOUNT + number}/messages HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: */*\r\n"
        "Authorization: Bearer t\r\nContent-Type: application/json\r\nContent-Length: "
        for number in range(accounts)
    ]
    bodies = (make_body(number) for number in range(messages))
    requests = (b"%b%d\r\n\r\n%b" % (heads[n % accounts].encode(), len(body), body) for n, body in enumerate(bodies))
    began, cpu_began = time.monotonic(), time.process_time()
    poller, connections = select.epoll(), {}
    for request in islice(requests, in_flight):
        plain = socket.create_connection((host, port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(context.wrap_socket(plain, server_hostname=host) if context else plain)
        connection.socket.settimeout(0)
        connections[connection.socket.fileno()] = connection
        poller.register(connection.socket, select.EPOLLIN)
        connection.socket.send(request)
    left = messages
    while left:
        for descriptor, _ in poller.poll():
            connection = connections[descriptor]
            try:
                connection.parser.feed_data(connection.socket.recv(65536))
            except ssl.SSLWantReadError:  # a message of TLS itself
                continue
            if connection.is_complete:
                assert connection.parser.get_status_code() == 200
                assert b"wamid" in connection.body
                left -= 1
                connection.body, connection.is_complete = b"", False
                if request := next(requests, b""):
                    connection.socket.send(request)
    print(time.monotonic() - began, time.process_time() - cpu_began)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
