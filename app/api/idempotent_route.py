"""Route class that enforces Idempotency-Key and If-Match."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, wraps
from typing import Annotated, Any, TypeVar, get_type_hints

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from sqlalchemy import Connection

from app.api import if_match as versions
from app.api.dependencies import Config, Db, Who
from app.api.idempotency_store import Answered, IdempotencyClaim, PositionUnderKey, StoredAnswer, find, once
from app.api.if_match import TAG, Target
from app.database.connection import Database, Joined

REPLAYED = "Idempotency-Replayed"
_KEPT = ("etag", "location")
_JSON = "application/json"

Endpoint = Callable[..., Any]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,128}$",
        description="a fresh one for each act, such as a UUID. The same key and body: carried out once, "
        "answered alike; another body: 422. Kept a day",
    ),
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="the ETag that you have read; 412 if changed since",
        examples=['"3"'],
        json_schema_extra={"pattern": rf"^ *(\*|{TAG}(, *{TAG})*) *$"},
    ),
]


_MADE = "__loa_made__"
_UNKEYED = "__loa_unkeyed__"
_SLICED = "__loa_sliced__"
E = TypeVar("E", bound=Endpoint)
Said = Callable[[dict[str, Any]], str]


def shows_secret(sentence: Said) -> Callable[[E], E]:
    """Mark an endpoint whose response holds a secret and is never stored; a repeated key gets 409.

    sentence: builds the sentence of that 409 from the endpoint's arguments: what was made, and how to go on.
    """

    def marked(endpoint: E) -> E:
        setattr(endpoint, _MADE, sentence)
        return endpoint

    return marked


def unkeyed(endpoint: E) -> E:
    """Mark an endpoint whose body holds a password: it takes no key, since not even a hash may be stored.

    It takes no If-Match either: hashing a password is too slow for a transaction, and no version covers it.
    """
    setattr(endpoint, _UNKEYED, True)
    return endpoint


def in_slices(endpoint: E) -> E:
    """Mark an action on very many rows: it uses its own transactions, and its response is stored at the end.

    It may be interrupted and continues when repeated, so it must be safe to repeat: a parameter `kept` of
    type Kept keeps its position under the key.
    """
    setattr(endpoint, _SLICED, True)
    return endpoint


async def get_position() -> PositionUnderKey:
    """Return a place for the position of an action without a key, which is kept nowhere."""
    return PositionUnderKey()


Kept = Annotated[PositionUnderKey, Depends(get_position)]


@dataclass(frozen=True, slots=True)
class ActConditions:
    """Conditions of a request: once per key (`claim`), only on the version that was read (`if_match`)."""

    db: Database
    response: Response
    keep_ms: int
    claim: IdempotencyClaim | None = None
    if_match: str | None = None


async def get_asked(response: Response, db: Db, settings: Config) -> ActConditions:
    """Return what every action has; `response` receives the endpoint's headers and status."""
    return ActConditions(db, response, settings.idempotency_ms)


async def get_claim(request: Request, who: Who, key: Key = None) -> IdempotencyClaim | None:
    """Return the claim of a POST with a key: this caller and exactly this request."""
    if key is None:
        return None
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    return IdempotencyClaim(who.name, key, hashlib.sha256(asked + await request.body()).hexdigest())


async def get_if_match(if_match: IfMatch = None) -> str | None:
    return if_match


class Acts(APIRoute):
    """A route that changes something: it honours Idempotency-Key (POST) and If-Match (app/api/if_match.py).

    With either header the endpoint becomes part of one transaction with the version check and the stored
    response: its `db` is that transaction. Streamed uploads have their own way (app/api/uploads.py).
    """

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        methods = set(options.get("methods") or ())
        alone = inspect.iscoroutinefunction(endpoint) or hasattr(endpoint, _UNKEYED)
        if methods - {"GET", "HEAD"} and not alone:
            endpoint = _acting(endpoint, path, options.get("status_code") or 200, "POST" in methods)
        super().__init__(path, endpoint, **options)


def _acting(endpoint: Endpoint, path: str, status: int, keyed: bool) -> Endpoint:
    signature = inspect.signature(endpoint)
    if "db" not in signature.parameters:
        return endpoint  # it has no database, so it changes nothing
    target = versions.target_of(path, signature.parameters)
    wants: dict[str, Endpoint] = {"http_asked": get_asked}
    wants |= {"http_claim": get_claim} if keyed else {}
    wants |= {"http_if_match": get_if_match} if target else {}

    @wraps(endpoint)
    def acted(**given: Any) -> Any:
        own = {name.removeprefix("http_"): given.pop(name) for name in wants}
        asked = replace(own.pop("asked"), **own)
        if asked.claim is None and asked.if_match is None:
            return endpoint(**given)
        work = _Work(endpoint, given, status, target)
        return (
            _in_own_transactions(work, asked)
            if hasattr(endpoint, _SLICED)
            else _in_one_transaction(work, asked)
        )

    acted.__signature__ = _signature(signature, wants)  # type: ignore[attr-defined]
    return acted


def _signature(signature: inspect.Signature, wants: dict[str, Endpoint]) -> inspect.Signature:
    kind = inspect.Parameter.KEYWORD_ONLY
    plain = [each.replace(kind=kind) for each in signature.parameters.values()]
    more = [inspect.Parameter(name, kind, default=Depends(get)) for name, get in wants.items()]
    return signature.replace(parameters=plain + more)


@dataclass(frozen=True, slots=True)
class _Work:
    """An endpoint, its arguments, its default status, and what If-Match applies to."""

    endpoint: Endpoint
    given: dict[str, Any]
    status: int
    target: Target | None

    @property
    def secret(self) -> str | None:
        """The sentence to store instead of the response, if that holds a secret."""
        made: Said | None = getattr(self.endpoint, _MADE, None)
        return None if made is None else made(self.given)

    def look(self, connection: Connection, conditions: ActConditions) -> None:
        """Raise VersionChanged if the caller has read another version."""
        if conditions.if_match is not None and self.target is not None:
            now = self.target.version(connection, self.given[self.target.parameter])
            versions.require(connection, conditions.if_match, now)

    def within(self, connection: Connection, conditions: ActConditions) -> StoredAnswer:
        self.look(connection, conditions)
        return self.by(Joined(conditions.db, connection), conditions)

    def by(self, db: Database, conditions: ActConditions) -> StoredAnswer:
        kept = (
            {"kept": PositionUnderKey(conditions.claim, conditions.keep_ms)} if "kept" in self.given else {}
        )
        found = self.endpoint(**self.given | {"db": db} | kept)
        headers = {
            name: conditions.response.headers[name] for name in _KEPT if name in conditions.response.headers
        }
        body = b"" if found is None else _adapter(self.endpoint).dump_json(found)
        return StoredAnswer(conditions.response.status_code or self.status, headers, body)


def _in_one_transaction(work: _Work, conditions: ActConditions) -> Response:
    """Do everything in one transaction, and respond only after its commit."""

    def act(connection: Connection) -> StoredAnswer:
        return work.within(connection, conditions)

    if conditions.claim is None:
        answer, replayed = conditions.db.write(act), False
    else:
        answer, replayed = conditions.db.write(once, conditions.claim, conditions.keep_ms, act, work.secret)
    return respond(answer, replayed)


def _in_own_transactions(work: _Work, conditions: ActConditions) -> Response:
    """Let the action use its own transactions, and store the response when all are done."""
    claim = conditions.claim
    if claim is not None and (found := conditions.db.read(find, claim, conditions.keep_ms)):
        return respond(found, replayed=True)
    conditions.db.read(work.look, conditions)
    try:
        answer = work.by(conditions.db, conditions)
    except Answered as elsewhere:
        return respond(elsewhere.answer, replayed=True)
    if claim is None:
        return respond(answer, replayed=False)
    return respond(*conditions.db.write(once, claim, conditions.keep_ms, lambda _: answer))


def respond(answer: StoredAnswer, replayed: bool) -> Response:
    headers = answer.headers | ({REPLAYED: "true"} if replayed else {})
    return Response(answer.body, answer.status, headers, _JSON if answer.body else None)


@cache
def _adapter(endpoint: Endpoint) -> TypeAdapter[Any]:
    """Return a serializer for the endpoint's return annotation, as FastAPI uses it."""
    return TypeAdapter(get_type_hints(endpoint)["return"])
