"""A plain loop: each campaign has a thread, which sends one message after the other.

`python -m benchmarks.baselines.loop DATABASE_URL API_URL CAMPAIGNS` prints the seconds and CPU seconds that it took.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import requests

from benchmarks.baselines.plain import send


def send_campaign(url: str, api: str, campaign_id: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection, requests.Session() as session:
        waiting = "SELECT id FROM plain_messages WHERE campaign_id = %s AND status = 'pending' ORDER BY id"
        for (message_id,) in connection.execute(waiting, [campaign_id]).fetchall():
            send(session, connection, api, message_id)


def main(url: str, api: str, campaigns: str) -> None:
    began, cpu_began = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(int(campaigns)) as threads:
        list(threads.map(lambda campaign_id: send_campaign(url, api, campaign_id), range(int(campaigns))))
    print(time.monotonic() - began, time.process_time() - cpu_began)


if __name__ == "__main__":
    main(*sys.argv[1:])
