"""One campaign, and every reading operation, by a client that openapi-python-client makes of openapi.json.

`python generated_client.py BASE AUTHOR CHIEF FILE`, with the client as the package `made` beside it. Prints
the statuses of what it has read, as JSON. An answer that the document does not name ends it.
"""

from __future__ import annotations

import datetime
import importlib
import inspect
import json
import pkgutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import made.api
from made import AuthenticatedClient
from made.api.batches import get_batch, upload_batch
from made.api.campaigns import (
    add_run,
    approve_campaign,
    create_campaign,
    create_directive,
    get_campaign,
    submit_campaign,
)
from made.api.reports import freeze_report
from made.api.runs import get_run, start_run
from made.models import (
    ApprovalBody,
    CampaignBody,
    DirectiveBody,
    FreezeBody,
    Problem,
    RunBody,
    UploadBatchBody,
)
from made.types import File

_STREAMS = ("watch_run", "watch_campaign")  # server-sent events, which it takes for one object
_PATIENCE_S = 60
_GIVEN = {"carrier": "viettel"}


def done(of: Any, **given: Any) -> Any:
    """Call it; what its answer was read as."""
    answer = of.sync_detailed(**given)
    assert answer.status_code < 300, (answer.status_code, answer.content)
    assert answer.parsed is not None, answer
    assert not isinstance(answer.parsed, Problem), answer
    return answer.parsed


def until(look: Callable[[], Any], state: str) -> None:
    end = time.monotonic() + _PATIENCE_S
    while (found := look()).state != state:
        assert time.monotonic() < end, found
        time.sleep(0.1)


def live(client: AuthenticatedClient, chief: AuthenticatedClient, file: Path) -> dict[str, Any]:
    """Bring one campaign from its letter to its end; the ids that were given."""
    letter = DirectiveBody("303/CAT-PA05", datetime.date(2024, 1, 29), "Công an tỉnh", "Tuyên truyền")
    directive = done(create_directive, client=client, body=letter)
    body = UploadBatchBody(carrier="viettel", file=File(file.open("rb"), file.name, "text/csv"))
    batch = done(upload_batch, client=client, body=body)
    until(lambda: done(get_batch, client=client, batch_id=batch.id), "ready")
    campaign = CampaignBody("Phòng lừa đảo", "canh_bao_khan", "CA SON LA", text_key="gia-danh-cong-an")
    campaign.day_starts, campaign.day_ends, campaign.directive_id = "00:00", "24:00", directive.id
    made_campaign = done(create_campaign, client=client, body=campaign)
    of = {"campaign_id": made_campaign.id}
    run = done(add_run, client=client, body=RunBody("viettel", [batch.id], acknowledged=True), **of)
    done(submit_campaign, client=client, **of)
    read = ApprovalBody(done(get_campaign, client=client, **of).digest, reason="at night, by a test")
    done(approve_campaign, client=chief, body=read, **of)
    done(start_run, client=client, run_id=run.id, body=None)  # without any it sends its own UNSET
    until(lambda: done(get_run, client=client, run_id=run.id), "finished")
    frozen = done(freeze_report, client=client, body=FreezeBody(run_id=run.id))
    ids = {"run_id": run.id, "batch_id": batch.id, "directive_id": directive.id, "report_id": frozen.id}
    return of | ids


def operations() -> Iterator[tuple[str, Any]]:
    """Every module of the client that reads, by the name of its operation."""
    for each in pkgutil.walk_packages(made.api.__path__, "made.api."):
        module = importlib.import_module(each.name)
        if '"method": "get"' in inspect.getsource(module):
            yield each.name.rpartition(".")[2], module


def look(client: AuthenticatedClient, known: dict[str, Any]) -> dict[str, int]:
    """Call all that reads, with ids that there are, or 1; the status of each."""
    statuses = {}
    for name, module in operations():
        if name in _STREAMS:
            continue
        wanted = inspect.signature(module.sync_detailed).parameters.values()
        given = {
            each.name: known.get(
                each.name, 1 if each.annotation == "int" or each.annotation is int else "1" * 64
            )
            for each in wanted
            if each.default is inspect.Parameter.empty and each.name != "client"
        }
        answer = module.sync_detailed(client=client, **given)
        statuses[name] = int(answer.status_code)
        read = hasattr(module, "sync") and answer.status_code == 200
        assert not read or answer.parsed is not None, (name, answer.content[:200])
    return statuses


def main() -> None:
    base, author, chief, file = sys.argv[1:]
    clients = [AuthenticatedClient(base, token, raise_on_unexpected_status=True) for token in (author, chief)]
    known = live(*clients, Path(file))
    print(json.dumps(look(clients[1], known | _GIVEN)))


if __name__ == "__main__":
    main()
