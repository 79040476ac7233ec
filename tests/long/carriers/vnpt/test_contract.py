"""The contract test set, run on the VNPT link against its simulator, in both kinds."""

from __future__ import annotations

import pytest

from carriers.simulators.vnpt import Vnpt
from carriers.vnpt.carrier import VnptCarrier
from tests.carriers.contract_cases import ContractCases
from tests.carriers.http_harness import HttpHarness
from tests.carriers.vnpt.links import options


@pytest.fixture(params=["json", "xml"])
def harness(request: pytest.FixtureRequest) -> HttpHarness:
    own = {name: value for name, value in options().items() if name not in ("base_url", "password")}
    return HttpHarness(VnptCarrier, Vnpt, {**own, "format": request.param})


class TestVnptKeepsTheContract(ContractCases):
    """Nothing of its own."""
