"""The base of every carrier over HTTP: settings, requests, and how failures are classified."""

from carriers.http.answer import Failure, HttpAnswer, failure_of, quoted, redirected
from carriers.http.link import CLOSED, HttpCarrier
from carriers.http.settings import HttpSettings

__all__ = [
    "CLOSED",
    "Failure",
    "HttpAnswer",
    "HttpCarrier",
    "HttpSettings",
    "failure_of",
    "quoted",
    "redirected",
]
