"""Signing keys of the agency and of carriers."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from app.api.dependencies import Routes
from app.operations import OPERATIONS
from app.security.roles import may
from app.signed_orders import keys, orders
from app.web import query_params
from app.web.operation_forms import add_forms
from app.web.rendering import FormState, PageRequest, Visit, render
from app.web.translations import Said, say

router = Routes(include_in_schema=False)

# Colour and words of a key's state.
STATES: dict[str, tuple[str, Said]] = {
    "asked": ("wait", say("awaiting a second person")),
    "active": ("good", say("valid")),
    "ended": ("off", say("ended")),
    "revoked": ("off", say("revoked")),
    "altered": ("bad", say("altered outside Loa")),
}


@router.get("/signing-keys")
def page_signing_keys(visit: Visit) -> Response:
    return _keys(visit, FormState())


def _keys(visit: PageRequest, entered: FormState, kid: str = "") -> Response:
    found = OPERATIONS["list_signing_keys"].run(visit.db, visit.settings, visit.who)
    own = visit.who.carrier
    carriers = {own: own} if own else query_params.carriers(visit.settings)
    values: dict[str, Any] = {
        "keys": found,
        "states": STATES,
        "carriers": carriers,
        "own": own,
        "registers": may(visit.who.role, "register_signing_key"),
        "approves": may(visit.who.role, "approve_signing_key"),
    }
    return render(visit, "signing_keys.html", entered.status, entered=entered, **values)


add_forms(router, keys, again=_keys)
add_forms(router, orders)  # whose forms are on the run's page
