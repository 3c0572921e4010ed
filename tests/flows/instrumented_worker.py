"""Changes a worker that loads this module (`celery … -I`).

It notes what each task sees of its message in the file NOTED. Celery's own handling of a task whose id begins with
`broken` raises KeyError: as soon as the task is read, or, with `broken-late`, when the pool shall run it.
"""

import json
import os
from pathlib import Path
from typing import Any

from celery import signals
from celery.worker import WorkController
from celery.worker.request import Request

_path = Path(os.environ["NOTED"])
_TRACE = ("traceparent", "tracestate", "baggage", "sentry-trace")
_init = Request.__init__
_process = WorkController._process_task


@signals.task_prerun.connect
def _note(task: Any, **_: Any) -> None:
    request = task.request
    noted = {
        "id": request.id,
        "task": task.name,
        "args": list(request.args),
        "trace": {name: request.get(name) for name in _TRACE},
        "headers": request.headers,
        "all": list(vars(request)),
    }
    with _path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(noted) + "\n")


def _break_init(request: Request, message: Any, *args: Any, **options: Any) -> None:
    if message.headers["id"] == "broken":
        raise KeyError("a bug in Celery")
    _init(request, message, *args, **options)


def _break_process(worker: WorkController, request: Request) -> None:
    if request.id.startswith("broken-late"):
        raise KeyError("a bug in Celery")
    _process(worker, request)


Request.__init__ = _break_init
WorkController._process_task = _break_process
