"""Faults shown against real parts: processes killed, databases stopped, carriers that misbehave."""

import pytest

pytest.register_assert_rewrite("tests.faults.ending", "tests.faults.processes", "tests.faults.working")
