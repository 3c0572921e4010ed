"""Runs a campaign by the API: `python docs/run_campaign.py NAME TEMPLATE ACCOUNT FILE`.

REVOADA_API is the address, such as http://127.0.0.1:8080/api/v1. REVOADA_TOKEN is a token with the scopes
campaigns:read, campaigns:write and campaigns:send. A second run within a day goes on after an interruption.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import requests

API, TOKEN = (os.environ.get(name) or sys.exit(__doc__) for name in ("REVOADA_API", "REVOADA_TOKEN"))


def call(method: str, path: str, *, key: str | None = None, **options: Any) -> Any:
    """Send a request, and repeat it while the server cannot answer. End with the sentence of a refusal."""
    headers = {"Authorization": f"Bearer {TOKEN}"} | ({"Idempotency-Key": key} if key else {})
    while True:
        try:
            answer = requests.request(method, API + path, headers=headers, timeout=60, **options)
            if answer.ok:
                return answer.json()
            if "Retry-After" not in answer.headers:
                sys.exit(f"{answer.json()['code']}: {answer.json()['detail']}")
            time.sleep(int(answer.headers["Retry-After"]))
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):  # no answer, or a part of it
            time.sleep(5)


name, template, account, file = sys.argv[1:5] if sys.argv[4:] else sys.exit(__doc__)
made = call("POST", "/campaigns", key=f"{name}/draft", json={"name": name, "template": template, "accounts": [account]})
path = f"/campaigns/{made['id']}"
if call("GET", path)["status"] == "draft":
    sent = call("PUT", f"{path}/recipients", params={"name": Path(file).name}, data=Path(file).read_bytes())
    while (read := call("GET", f"/imports/{sent['id']}"))["status"] == "due":
        time.sleep(1)
    if read["status"] != "done":
        sys.exit(read["reason"]["detail"])
    print(f"{read['recipient_count']} recipients, {read['rejected_count']} rows rejected")
    for warning in call("POST", f"{path}:start", key=f"{name}/start")["warnings"]:
        print(warning["detail"])
while (progress := call("GET", f"{path}/progress"))["status"] not in {"completed", "cancelled"}:
    print(f"{progress['sent']} of {progress['recipients']} sent", progress["waiting_reason"] or "")
    time.sleep(5)
print(f"{progress['status']}: {progress['delivered']} delivered, {progress['failed']} failed")
