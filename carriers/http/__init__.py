"""The base of every carrier over HTTP: its settings, its requests, and one reading of failures."""

from carriers.http.answer import Answer, Failure, failure_of, quoted, redirected
from carriers.http.link import CLOSED, HttpCarrier
from carriers.http.settings import HttpSettings

__all__ = ["CLOSED", "Answer", "Failure", "HttpCarrier", "HttpSettings", "failure_of", "quoted", "redirected"]
