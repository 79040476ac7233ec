"""What pages claim of the forms of operations is checked when Loa starts, not when somebody is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from fastapi import Response

from app.api.bodies import StrictBody
from app.api.dependencies import Routes
from app.operations import OPERATIONS, Transaction, operation
from app.runtime.api_app import ROUTERS, require_distinct
from app.security.roles import ADMINS, PERMISSIONS
from app.web.operation_forms import add_forms
from app.web.rendering import FormState, PageRequest

TAG = "trial"


class Reason(StrictBody):
    reason: str = ""


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """This module with one operation on carriers that has a form, for as long as a test takes."""
    monkeypatch.delitem(OPERATIONS, "pause_carrier", raising=False)
    monkeypatch.delitem(PERMISSIONS, "pause_carrier", raising=False)

    def pause_carrier(tx: Transaction, carrier: str, body: Reason) -> None:
        """Pause a carrier."""

    operation("POST /v1/carriers/{carrier}/pause", roles=ADMINS, done="Paused.", page="/links")(pause_carrier)
    monkeypatch.setitem(OPERATIONS, "pause_carrier", OPERATIONS["pause_carrier"])
    return sys.modules[__name__]


def of_a_run(visit: PageRequest, run_id: int, entered: FormState) -> Response:
    return Response()


def of_a_carrier(visit: PageRequest, carrier: str, entered: FormState, stage: str = "") -> Response:
    return Response()


def shown_with_run(visit: PageRequest, answer: Any, run_id: int) -> Response:
    return Response()


@pytest.mark.parametrize("claim", [{"again": of_a_run}, {"shows": {"pause_carrier": shown_with_run}}])
def test_a_form_whose_page_needs_an_id_that_its_address_does_not_have_does_not_start(
    module: ModuleType, claim: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match=r"pause_carrier: .* needs run_id"):
        add_forms(Routes(), module, **claim)


@pytest.mark.parametrize("again", [None, of_a_carrier])
def test_a_form_whose_page_needs_no_more_than_its_address_has_starts(
    module: ModuleType, again: Callable[..., Any] | None
) -> None:
    router = Routes()
    add_forms(router, module, again=again)
    assert len(router.routes) == 1


def test_a_form_that_two_pages_claim_does_not_start(module: ModuleType) -> None:
    routers = Routes(), Routes()
    for router in routers:
        add_forms(router, module, again=of_a_carrier)
    with pytest.raises(TypeError, match=r"page_do_pause_carrier: POST /carriers/\{carrier\}/pause"):
        require_distinct(routers)
    require_distinct(ROUTERS)


def test_a_page_cannot_claim_an_operation_that_is_not_there(module: ModuleType) -> None:
    with pytest.raises(TypeError, match="resume_carrier"):
        add_forms(Routes(), module, only={"resume_carrier": None})
