"""The installation: what is wrong, and the processes."""

from __future__ import annotations

from apiflask import APIBlueprint

from api.access import demands
from api.context import parts
from api.problems import describe_finding
from api.schemas import Id, In, Moment, Notice, Out
from campaigns.doctor.causes import find_causes
from campaigns.doctor.system import WorkerState, describe_system
from campaigns.domain.users.scopes import Scope
from campaigns.management.reports import find_campaign

blueprint = APIBlueprint("system", __name__)


class FoundProblem(Notice):
    """Something that is wrong. `campaign_id`: the campaign that it holds up; `null` if it concerns all."""

    campaign_id: Id | None


class FoundProblems(Out):
    items: list[FoundProblem]


class FindingQuery(In):
    campaign_id: Id | None = None


class Worker(Out):
    """A process that takes tasks. `seen_seconds`: the age of its last report. `is_silent`: it counts as gone.

    `stalled_seconds`: for how long it has taken no task although one waited; `null` if it takes tasks. `skew_seconds`:
    how far its clock is ahead.
    """

    name: str
    roles: list[str]
    queues: list[str]
    slots: int
    running_count: int
    started_at: Moment
    seen_at: Moment
    seen_seconds: float
    is_silent: bool
    stalled_seconds: float | None
    skew_seconds: float


class Workers(Out):
    items: list[Worker]


@blueprint.get("/findings")
@demands(Scope.SYSTEM_READ)
@blueprint.input(FindingQuery, location="query")
@blueprint.output(FoundProblems)
def list_findings(query_data: FindingQuery) -> FoundProblems:
    """List what is wrong with the installation, the errors first; or why one campaign is not sent.

    This reads no messages and changes nothing. `revoada doctor` looks at more, and asks the processes.
    """
    database, settings = parts().database, parts().settings
    if query_data.campaign_id is None:
        found = describe_system(database, settings, parts().ask_broker(asks_processes=False)).findings
    else:
        campaign_id = database.run(find_campaign, int(query_data.campaign_id)).id
        found = find_causes(database, settings, [campaign_id])[campaign_id]
    items = [describe_finding(each) | {"campaign_id": each.campaign_id} for each in found]
    return FoundProblems(items=[FoundProblem.model_validate(each) for each in items])


@blueprint.get("/workers")
@demands(Scope.SYSTEM_READ)
@blueprint.output(Workers)
def list_workers_() -> Workers:
    """List the processes that take tasks, as they have reported last."""
    broker = parts().ask_broker(asks_processes=False)
    return Workers(
        items=[_describe(each) for each in describe_system(parts().database, parts().settings, broker).workers]
    )


def _describe(worker: WorkerState) -> Worker:
    return Worker.show(worker.row, roles=list(worker.roles), is_silent=worker.is_silent)
