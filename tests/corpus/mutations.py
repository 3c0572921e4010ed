"""Bodies as an attacker would make them of real ones: parts changed, moved, repeated, broken, and written otherwise."""

from __future__ import annotations

import copy
import json
import os
import pathlib

from hypothesis import strategies as st

ROOT = pathlib.Path(__file__).parents[2]
CORPUS = (ROOT / os.environ.get("REVOADA_CORPUS", "../shared/corpus")).resolve()

_DEEP = "\x01deep\x01"  # stands for a list too deep to be made of Python's lists
VALUES = [
    *(None, True, False, 0, -1, 2**31, 2**63, 2**70, 10**400, -1.5, 1e308, float("nan"), float("inf")),
    *("", "\0", "\ud800", "\udfff\ud800", "9" * 5_000, "x" * 2_000, "٣", "1e5", "2026-01-01", "+5511999990000"),
    *([], {}, [[]], {"0": 1}, {"0": {}}, {"\0": "\0"}, {"\ud800": {}}, ["\0"], _DEEP),
    *("'; DROP TABLE messages; --", "%s %(x)s {0}", "sent", "failed", "read", "r1.00000000.1.1", "messages"),
]
_KEYS = [
    "statuses",
    "messages",
    "errors",
    "contacts",
    "metadata",
    "status",
    "type",
    "timestamp",
    "id",
    "field",
    "entry",
]


def _load_corpus():
    documents = []
    for path in sorted((CORPUS / "webhooks").rglob("*.json")):
        try:
            documents.append(json.loads(path.read_bytes()))
        except ValueError:
            continue  # the malformed ones have a test of their own
    return documents


_DOCUMENTS = _load_corpus()


def list_places(part, most=400):
    """Every container in a document, with the keys or positions in it."""
    waiting, places = [part], []
    while waiting and len(places) < most:
        container = waiting.pop()
        keys = container if isinstance(container, dict) else range(len(container))
        for key in list(keys):
            places.append((container, key))
            if isinstance(container[key], dict | list):
                waiting.append(container[key])
    return places


@st.composite
def documents(draw):
    document = copy.deepcopy(draw(st.sampled_from(_DOCUMENTS)))
    for _ in range(draw(st.integers(0, 4))):
        places = list_places(document)
        if not places:
            break
        container, key = places[draw(st.integers(0, len(places) - 1))]
        match draw(st.integers(0, 5)):
            case 0:
                del container[key]
            case 1:
                container[key] = copy.deepcopy(draw(st.sampled_from(VALUES)))
            case 2:
                container[key] = [container[key]]
            case 3:
                container[key] = {"0": container[key]}
            case 4:
                other, other_key = places[draw(st.integers(0, len(places) - 1))]
                container[key] = copy.deepcopy(other[other_key])
            case _ if isinstance(container, list):
                container.extend(copy.deepcopy(container[:3]))
            case _:
                container[draw(st.sampled_from(_KEYS))] = copy.deepcopy(draw(st.sampled_from(VALUES)))
    return document


@st.composite
def bodies(draw):
    text = json.dumps(draw(documents()), ensure_ascii=draw(st.booleans()))
    depth = draw(st.sampled_from([40, 900, 100_000]))
    for written in (json.dumps(_DEEP)[1:-1], _DEEP):
        text = text.replace(f'"{written}"', "[" * depth + "]" * depth)
    if draw(st.integers(0, 9)) == 0:
        text = text.replace('"entry":', '"entry": 7, "entry":', 1)
    body = text.encode(draw(st.sampled_from(["utf-8"] * 6 + ["utf-8-sig", "utf-16", "utf-32"])), "surrogatepass")
    if draw(st.integers(0, 4)) == 0 and body:
        broken = bytearray(body)
        for position, byte in draw(st.lists(st.tuples(st.integers(0, len(body) - 1), st.integers(0, 255)), max_size=4)):
            broken[position] = byte
        body = bytes(broken)[: draw(st.sampled_from([None, None, len(body) // 2]))]
    return body
