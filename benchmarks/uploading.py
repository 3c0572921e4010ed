"""Uploading: a large list through the console, and how long the pages of another session take meanwhile.

One person uploads UPLOAD_ROWS (1,000,000) rows of CSV, and the role `files` reads them. Another person opens pages all
the time: the list of campaigns and the page of the check.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from pathlib import Path

import requests

from benchmarks.frame import ACTOR, TEMPLATE, World, percentile, read_size, write_people
from benchmarks.report import Report
from campaigns.domain.users.rights import Role
from campaigns.management.campaigns import CampaignChanges, draft_campaign
from campaigns.management.files.jobs import find_list
from campaigns.management.users.users import add_user
from devstack.server import wait_until

ROWS = read_size("UPLOAD_ROWS", 1_000_000)

_PASSWORD = "uma senha comprida do teste"
_PAUSE_SECONDS = 0.02
_PATIENCE_SECONDS = 600.0
_COLUMNS = {
    "column_0": "phone", "column_1": "variable_0", "column_2": "variable_1",
    "region": "BR", "hidden": "refuse", "refusals": "refuse",
}  # fmt: skip


class Browser:
    """A session of the console."""

    def __init__(self, world: World, name: str) -> None:
        self.root, self._session = world.stack.console_url.replace("127.0.0.1", "localhost"), requests.Session()
        self.post("/login", {"name": name, "password": _PASSWORD})

    def get(self, path: str) -> str:
        answer = self._session.get(f"{self.root}{path}", timeout=_PATIENCE_SECONDS)
        answer.raise_for_status()
        return answer.text

    def post(self, path: str, data: dict[str, str]) -> None:
        data = data | {"csrf_token": self.read_token(path)}
        self._session.post(f"{self.root}{path}", data, timeout=_PATIENCE_SECONDS).raise_for_status()

    def put(self, path: str, file: Path) -> None:
        headers = {"X-CSRFToken": self.read_token(path), "X-File-Name": file.name}
        with file.open("rb") as body:
            url = f"{self.root}{path}"
            self._session.put(url, body, headers=headers, timeout=_PATIENCE_SECONDS).raise_for_status()

    def read_token(self, path: str) -> str:
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.get(path))
        assert found is not None
        return found[1]


class Watcher(threading.Thread):
    """Opens pages one after the other. `phase`: the name under which the time of each page is noted."""

    def __init__(self, browser: Browser, paths: list[str]) -> None:
        super().__init__(daemon=True)
        self._browser, self._paths = browser, paths
        self.phase, self.is_over = "before", False
        self.seconds: dict[str, list[float]] = {}

    def run(self) -> None:
        while not self.is_over:
            for path in self._paths:
                phase, began = self.phase, time.monotonic()
                self._browser.get(path)
                self.seconds.setdefault(phase, []).append(time.monotonic() - began)
                time.sleep(_PAUSE_SECONDS)


def main() -> int:
    report = Report("uploading", "a list through the console, beside another session", rows=ROWS)
    with World() as world:
        accounts = world.add_accounts(1)
        changes = CampaignChanges(name="bench", template=TEMPLATE, accounts=accounts)
        campaign_id = draft_campaign(world.database, changes, actor=ACTOR, time_zone="UTC").id
        for name in ("ana", "bia"):
            add_user(world.database, name, role=Role.OPERATOR, password=_PASSWORD, time_zone="UTC", actor=ACTOR)
        world.start_roles("console", "files")
        uploader, path = Browser(world, "ana"), f"/campaigns/{campaign_id}"
        watcher = Watcher(Browser(world, "bia"), ["/campaigns", f"{path}/check"])
        watcher.start()
        time.sleep(5)
        large = write_people(world.folder / "people.csv", range(ROWS))

        watcher.phase, began = "upload", time.monotonic()
        uploader.put(f"{path}/list", large)
        upload_seconds = time.monotonic() - began

        def find(name: str) -> bool:
            file = find_list(world.database, campaign_id)
            job = None if file is None else getattr(file, name)
            return job is not None and not job.is_due

        is_looked = wait_until(lambda: find("look"), _PATIENCE_SECONDS)
        watcher.phase, began = "import", time.monotonic()
        shown = re.search(r'name="look" value="([0-9]+)"', uploader.get(f"{path}/columns"))
        assert shown is not None
        uploader.post(f"{path}/columns", _COLUMNS | {"look": shown[1]})
        is_read = wait_until(lambda: find("imported"), _PATIENCE_SECONDS)
        import_seconds = time.monotonic() - began
        watcher.is_over = True
        watcher.join()
        count = int(world.ask("SELECT count(*) FROM messages")[0][0])
    took = {"before": 5.0, "upload": upload_seconds, "import": import_seconds}
    for phase, seconds in watcher.seconds.items():
        in_ms = [each * 1000 for each in seconds]
        report.add(
            phase,
            took_seconds=took[phase],
            pages=len(in_ms),
            page_p50_ms=percentile(in_ms, 0.5),
            page_p99_ms=percentile(in_ms, 0.99),
            slowest_page_ms=max(in_ms),
        )
    report.check("the list was looked at and read", is_looked and is_read)
    report.check("each row became a message", count == ROWS)
    medians = {phase: percentile(seconds, 0.5) for phase, seconds in watcher.seconds.items()}
    for phase in ("upload", "import"):
        if phase in medians:
            what = f"{phase}: a page takes at most 2 times as long as before (median)"
            report.goal_ratio(what, medians[phase] / medians["before"], most=2)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
