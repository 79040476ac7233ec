"""The wall between carriers in the frame: no operation open to operators starts with a carrier outside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from pydantic import Field

from app.api.bodies import Carrier, StrictBody
from app.core.config import Settings
from app.core.errors import Forbidden
from app.database.connection import Database
from app.operations import OPERATIONS, OfCarrier, Operation, Transaction, operation
from app.security.principal import Caller
from app.security.roles import ADMINS, PERMISSIONS, SENDERS, Role

TAG = "trial"
OPERATOR = Caller("An", Role.OPERATOR, "vnpt")


class Walled(StrictBody):
    carrier: Carrier | None = None


class PlainText(StrictBody):
    carrier: str = ""


class OtherName(StrictBody):
    new_carrier: str = ""


class Nested(StrictBody):
    shares: list[Walled] = Field(default=[])


class Listed(StrictBody):
    carriers: list[Carrier] = Field(default=[])


def in_path(tx: Transaction, carrier: str) -> None:
    """Pause a carrier."""


def in_path_by_name(tx: Transaction, name: str) -> None:
    """Pause a carrier."""


def in_query(tx: Transaction, carrier: str | None = None) -> None:
    """Pause a carrier."""


def in_body(tx: Transaction, body: PlainText) -> None:
    """Pause a carrier."""


def under_another_name(tx: Transaction, body: OtherName) -> None:
    """Pause a carrier."""


def deep_in_body(tx: Transaction, body: Nested) -> None:
    """Pause a carrier."""


def in_list(tx: Transaction, body: Listed) -> None:
    """Pause a carrier."""


@pytest.fixture
def declare() -> Iterator[Callable[..., Operation]]:
    """Declare an operation for as long as a test takes."""
    before = set(PERMISSIONS)

    def declared(where: str, function: Callable[..., Any], roles: Any = SENDERS) -> Operation:
        operation(where, roles=roles)(function)
        return OPERATIONS[function.__name__]

    yield declared
    for name in set(PERMISSIONS) - before:
        del PERMISSIONS[name]
        OPERATIONS.pop(name, None)


UNWALLED = {
    "/v1/carriers/{carrier}/pause": in_path,
    "/v1/carriers/{name}/pause": in_path_by_name,
    "/v1/pause": in_query,
    "/v1/pauses": in_body,
    "/v1/new-pauses": under_another_name,
    "/v1/shared-pauses": deep_in_body,
    "/v1/listed-pauses": in_list,
}


@pytest.mark.parametrize("path", UNWALLED)
def test_an_operation_with_an_unwalled_carrier_does_not_start(
    declare: Callable[..., Operation], path: str
) -> None:
    with pytest.raises(TypeError, match=UNWALLED[path].__name__):
        declare(f"POST {path}", UNWALLED[path])
    declare(f"POST {path}", UNWALLED[path], ADMINS)  # who has no carrier needs no wall


def walled_path(tx: Transaction, carrier: Carrier) -> str:
    """Return the carrier."""
    return carrier


def walled_query(tx: Transaction, carrier: OfCarrier = None) -> str | None:
    """Return the carrier."""
    return carrier


def walled_query_of_another_name(
    tx: Transaction, network: Annotated[Carrier | None, Field(description="only of this")] = None
) -> str | None:
    """Return the carrier."""
    return network


def walled_body(tx: Transaction, body: Walled) -> str | None:
    """Return the carrier."""
    return body.carrier


def walled_without_database(caller: Caller, body: Walled) -> str | None:
    """Return the carrier."""
    return body.carrier


@pytest.mark.parametrize(
    ("path", "function", "arguments"),
    [
        ("/v1/carriers/{carrier}", walled_path, lambda carrier: {"carrier": carrier or "vnpt"}),
        ("/v1/trials", walled_query, lambda carrier: {"carrier": carrier}),
        ("/v1/trials/by-network", walled_query_of_another_name, lambda carrier: {"network": carrier}),
        ("/v1/trials/by-body", walled_body, lambda carrier: {"body": Walled(carrier=carrier)}),
        ("/v1/trials/apart", walled_without_database, lambda carrier: {"body": Walled(carrier=carrier)}),
    ],
)
def test_an_operator_names_its_own_carrier_or_none(
    declare: Callable[..., Operation],
    db: Database,
    path: str,
    function: Callable[..., Any],
    arguments: Callable[[str | None], dict[str, Any]],
) -> None:
    trial = declare(f"GET {path}", function)
    assert trial.run(db, Settings(), OPERATOR, **arguments("vnpt")) == "vnpt"
    assert trial.run(db, Settings(), OPERATOR, **arguments(None)) == "vnpt"
    with pytest.raises(Forbidden, match=r"Your account can only be used for vnpt\."):
        trial.run(db, Settings(), OPERATOR, **arguments("viettel"))
    admin = Caller("Ba", Role.ADMIN)
    assert trial.run(db, Settings(), admin, **arguments("viettel")) == "viettel"


def test_an_operator_that_leaves_a_query_out_sees_its_own(
    declare: Callable[..., Operation], db: Database
) -> None:
    trial = declare("GET /v1/trials", walled_query)
    assert trial.run(db, Settings(), OPERATOR) == "vnpt"
