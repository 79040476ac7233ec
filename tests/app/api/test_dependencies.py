"""What each call has to wait for before its operation begins."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

# They ask the database, and so may have to wait.
IN_A_THREAD = {"get_freezing", "get_visit"}


def test_what_has_to_wait_for_nothing_takes_no_thread(application: FastAPI) -> None:
    """FastAPI runs what is no coroutine in a thread: a tenth of a millisecond for each, at every call."""
    routes = [each for each in application.routes if isinstance(each, APIRoute)]
    functions = {each for route in routes for each in calls(route.dependant) if inspect.isfunction(each)}
    assert len(functions) > 15
    assert {each.__name__ for each in functions if not inspect.iscoroutinefunction(each)} == IN_A_THREAD


def calls(of: Dependant) -> Iterator[Callable[..., Any] | None]:
    for each in of.dependencies:
        yield each.call
        yield from calls(each)
