"""API operations by name, with the service's own types; refusals become errors."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from app.batches.queries import Batch
from app.campaigns.drafts import Draft
from app.campaigns.forecast import Forecast
from app.campaigns.queries import Campaign, Dossier, RunSummary
from app.campaigns.runs import Verb
from app.core.errors import AppError
from app.core.states import BatchState

T = TypeVar("T")

_PAGE = 1000
_PATIENCE_S = 60.0
_LATER = (429, 503)  # nothing was changed; Retry-After tells when to retry
_ODD = "The server {0} does not answer as Loa does ({1}); look at the address."


class RequestRefused(AppError):
    """An error response, in the server's own words, with its status."""

    def __init__(self, detail: str, status: int, after_s: float = 0.0) -> None:
        super().__init__(detail)
        self.status = status
        self.after_s = after_s


class Unreachable(AppError):
    """The server cannot be reached, or cut the connection; `passes`: it may be back soon."""

    passes = True


class ApiClient:
    """Client of one server with one key; a context manager.

    Reads, and writes under an Idempotency-Key, are retried with growing pauses while the server is
    unavailable, and take effect once. A server that no connection leads to before it has ever answered is
    not waited for: its address is wrong, or it is not up. `transport`: a replacement for HTTP, such as ASGI.
    """

    def __init__(
        self,
        server: str,
        key: str,
        patience_s: float = _PATIENCE_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._answered = False
        self._server, self._patience_s = server.rstrip("/"), patience_s
        self._http = httpx.Client(base_url=self._server, headers=headers, timeout=60, transport=transport)

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    # Batches

    def upload_batch(self, file: Path, carrier: str | None = None, name: str | None = None) -> Batch:
        """Upload a file; its import continues on the server. Equal bytes are the same batch."""

        def send() -> httpx.Response:
            with file.open("rb") as content:
                fields = {"carrier": carrier, "name": name}
                data = {field: value for field, value in fields.items() if value}
                return self._once("POST", "/v1/batches", files={"file": (file.name, content)}, data=data)

        return self._read(Batch, self._patiently(send))

    def batch(self, batch_id: int) -> Batch:
        """Return one batch; `state` and `percent` tell the progress of its import."""
        return self._get(Batch, f"/v1/batches/{batch_id}")

    def imported(self, batch: Batch, every_s: float = 0.5) -> Batch:
        """Wait until the batch is ready or failed, polling at this interval."""
        while batch.state is BatchState.IMPORTING:
            time.sleep(every_s)
            batch = self.batch(batch.id)
        return batch

    def batches(self, **only: object) -> Iterator[Batch]:
        """Iterate over batches, filtered like GET /v1/batches."""
        return self._all(Batch, "/v1/batches", only)

    # Campaigns and runs

    def campaigns(self, **only: object) -> Iterator[Campaign]:
        """Iterate over campaigns, filtered like GET /v1/campaigns."""
        return self._all(Campaign, "/v1/campaigns", only)

    def campaign(self, campaign_id: int) -> Dossier:
        return self._get(Dossier, f"/v1/campaigns/{campaign_id}")

    def create_campaign(self, draft: Draft) -> Campaign:
        body = {name: value for name, value in to_jsonable_python(draft).items() if value is not None}
        return self._read(Campaign, self._act("POST", "/v1/campaigns", json=body))

    def add_run(
        self, campaign_id: int, carrier: str, batch_ids: Sequence[int], *, acknowledged: bool = False
    ) -> RunSummary:
        """Add the run; acknowledged: it is known that a batch seems to be the wrong file."""
        body = {"carrier": carrier, "batch_ids": list(batch_ids), "acknowledged": acknowledged}
        return self._read(RunSummary, self._act("POST", f"/v1/campaigns/{campaign_id}/runs", json=body))

    def submit(self, campaign_id: int) -> Dossier:
        return self._read(Dossier, self._act("POST", f"/v1/campaigns/{campaign_id}/submit"))

    def withdraw(self, campaign_id: int) -> Dossier:
        return self._read(Dossier, self._act("POST", f"/v1/campaigns/{campaign_id}/withdraw"))

    def approve(
        self, campaign_id: int, digest: str, reason: str | None = None, *, acknowledged: bool = False
    ) -> Dossier:
        """Approve what was read, by its digest; acknowledged: its advice is known, and the text is right."""
        body = {"digest": digest, "reason": reason, "acknowledged": acknowledged}
        return self._read(Dossier, self._act("POST", f"/v1/campaigns/{campaign_id}/approve", json=body))

    def runs(self, **only: object) -> Iterator[RunSummary]:
        """Iterate over runs, filtered like GET /v1/runs."""
        return self._all(RunSummary, "/v1/runs", only)

    def run(self, run_id: int) -> RunSummary:
        return self._get(RunSummary, f"/v1/runs/{run_id}")

    def forecast(self, run_id: int) -> Forecast:
        return self._get(Forecast, f"/v1/runs/{run_id}/forecast")

    def order(self, verb: Verb, run_id: int, at: datetime | None = None) -> RunSummary:
        """Start, pause, resume, end or cancel a run, once; return its new state."""
        body = {"json": {"at": at.isoformat()}} if at else {}
        return self._read(RunSummary, self._act("POST", f"/v1/runs/{run_id}/{verb}", **body))

    def follow(self, run_id: int) -> Iterator[RunSummary]:
        """Yield the run now and on every change, until it is over or the stream ends."""
        with self._http.stream("GET", f"/v1/runs/{run_id}/events") as answer:
            if answer.is_error:
                answer.read()
                raise self._refusal(answer)
            name = ""
            for line in answer.iter_lines():
                field, _, value = line.partition(": ")
                name = value if field == "event" else name
                if field == "data" and name == "progress":
                    yield _adapter(RunSummary).validate_json(value)

    # Links, and deliveries of unknown outcome

    def links(self) -> list[dict[str, Any]]:
        """Return the links, as GET /v1/links has them."""
        return self._get(list[dict[str, Any]], "/v1/links")

    def resume_link(self, link_id: int) -> None:
        self._act("POST", f"/v1/links/{link_id}/resume")

    def decide_unknown(self, verb: str, run_id: int, lines: Sequence[tuple[int, int]] = ()) -> int:
        """Resend or write off these (batch, line), or all; return how many were decided on."""
        body = {"lines": [list(each) for each in lines]} if lines else {"all": True}
        answer = self._act("POST", f"/v1/runs/{run_id}/unknown/{verb}", json=body)
        return self._read(dict[str, int], answer)["deliveries"]

    # Reports

    def report(self, noun: str, of: int, form: str, **query: object) -> bytes:
        """Return the report of a run, campaign, batch or directive (`noun` in the plural) in a format."""
        answer = self._act("GET", f"/v1/{noun}/{of}/report", params={"format": form} | query)
        return answer.content

    # Requests and retries

    def _get(self, kind: type[T], path: str) -> T:
        return self._read(kind, self._act("GET", path))

    def _all(self, kind: type[T], path: str, only: Mapping[str, object]) -> Iterator[T]:
        after: int | None = 0
        while after is not None:
            answer = self._act("GET", path, params={**only, "after": after, "limit": _PAGE})
            page = json.loads(answer.content)
            yield from (_adapter(kind).validate_python(item) for item in page["items"])
            after = page["next"]

    def _act(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request, retried under the same key until it is answered."""
        headers = {} if method == "GET" else {"Idempotency-Key": uuid.uuid4().hex}
        return self._patiently(lambda: self._once(method, path, headers=headers, **options))

    def _patiently(self, ask: Any) -> httpx.Response:
        repeated = Retrying(
            retry=retry_if_exception(_passes),
            wait=_pause,
            stop=stop_after_delay(self._patience_s),
            reraise=True,
        )
        answer: httpx.Response = repeated(ask)
        return answer

    def _once(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise self._unreachable(error) from None
        self._answered = True
        if answer.is_error:
            raise self._refusal(answer)
        return answer

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        never = isinstance(error, httpx.ConnectError) and not self._answered
        remedy = "; look at the address, and whether `loa up` or `loa serve` runs there" if never else ""
        found = Unreachable(f"The server {self._server} can't be reached ({error}){remedy}.")
        found.passes = not never
        return found

    def _refusal(self, answer: httpx.Response) -> RequestRefused:
        after = answer.headers.get("Retry-After", "")
        try:
            words = str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            words = _ODD.format(self._server, answer.status_code)
        return RequestRefused(words, answer.status_code, float(after) if after.isdecimal() else 0.0)

    def _read(self, kind: type[T], answer: httpx.Response) -> T:
        try:
            return _adapter(kind).validate_json(answer.content)
        except ValidationError as error:
            raise Unreachable(_ODD.format(self._server, f"{error.error_count()} fields")) from None


def _passes(error: BaseException) -> bool:
    if isinstance(error, Unreachable):
        return error.passes
    return isinstance(error, RequestRefused) and error.status in _LATER


def _pause(state: RetryCallState) -> float:
    """Return the server's Retry-After, or a growing random pause."""
    error = state.outcome.exception() if state.outcome else None
    said = error.after_s if isinstance(error, RequestRefused) else 0.0
    return max(said, wait_random_exponential(0.1, max=5.0)(state))


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(kind)
