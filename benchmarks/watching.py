"""Opens streams of the console as browsers do, reads them until standard input ends, and prints the number of events.

Usage: python -m benchmarks.watching PORT COOKIE, with one line `TOKEN PATH` per stream on standard input, then an empty
line. The program prints `ready` as soon as each stream has sent an event.
"""

from __future__ import annotations

import asyncio
import sys

_PIECE_BYTES = 65_536
_ID = b"\nid: "  # each event has one line that begins like this


async def watch(port: int, cookie: str, path: str, *, counts: list[int], opened: asyncio.Semaphore) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nCookie: {cookie}\r\n\r\n".encode())
    status = await reader.readline()
    if b" 200 " not in status:
        raise SystemExit(f"a stream was refused: {status.decode()}")
    is_first, rest = True, b""
    # Whole pieces are searched: to read each line takes CPU that the roles need.
    while piece := await reader.read(_PIECE_BYTES):
        found = (rest + piece).count(_ID)
        rest = (rest + piece)[1 - len(_ID) :]
        counts[0] += found
        if found and is_first:
            is_first = False
            opened.release()


async def main() -> None:
    lines = iter(sys.stdin.readline, "\n")
    streams = [line.split() for line in lines]
    counts, opened = [0], asyncio.Semaphore(0)
    port, cookie = int(sys.argv[1]), sys.argv[2]
    tasks = [
        asyncio.create_task(watch(port, f"{cookie}={token}", path, counts=counts, opened=opened))
        for token, path in streams
    ]
    for _ in tasks:
        await opened.acquire()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        if task.done():
            raise SystemExit("a stream has ended")
        task.cancel()
    print(counts[0])


if __name__ == "__main__":
    asyncio.run(main())
