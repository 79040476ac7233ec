"""Describe why an external call failed, in words that hold no address and no secret.

Errors are looked up by class name along the MRO, so a narrower class that a newer Python or library raises
gets the same words.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator

from carriers.phrases import Phrase

_LONGEST_CHAIN = 10  # causes of causes may lead in a circle
# Precise errors: the first of these in the chain of causes is reported.
_SURE = {
    "ConnectionRefusedError": "nothing is listening at this address and port",
    "ConnectionError": "the connection was closed",
    "UnicodeError": "the host name is not valid",
    "FileNotFoundError": "the file does not exist",
    "IsADirectoryError": "it is a folder",
    "PermissionError": "this account has no permission",
}
_SYSTEM = {
    errno.ENETUNREACH: "the host's network is unreachable",
    errno.EHOSTUNREACH: "the host is unreachable",
    errno.EADDRNOTAVAIL: "no local port is free",
    errno.EMFILE: "this process has too many files open",
    errno.ENFILE: "this machine has too many files open",
}
# Fallbacks when the chain has nothing more precise; an OSError without a number can mean several things.
_VAGUE = {
    "PoolTimeout": "all connections were busy",
    "WriteTimeout": "sending the request timed out",
    "TimeoutError": "no answer in time",
    "TimeoutException": "no answer in time",
    "ConnectError": "the host is unreachable",
    "ProxyError": "the proxy refuses the connection",
    "ProtocolError": "the connection was closed, or the answer is not HTTP",
    "TransportError": "the connection was closed",
    "OSError": "the host is unreachable",
}
_FAULT = "an error in Loa; see its log"


def cause_of(error: BaseException | None) -> str:
    """Return a short reason: the certificate's fault, the system's message, or where to look up a bug."""
    chain = list(_chain(error))
    for describe in (_sure, _vague):
        for each in chain:
            if words := describe(each):
                return words
    return _FAULT


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and then its causes; of an exception group, follow the first."""
    for _ in range(_LONGEST_CHAIN):
        if error is None:
            return
        yield error
        several = getattr(error, "exceptions", ())
        error = several[0] if several else error.__cause__ or error.__context__


def _sure(error: BaseException) -> str | None:
    match error:
        case ssl.SSLCertVerificationError():
            return Phrase("the certificate is not trusted ({why})", why=error.verify_message)
        case ssl.SSLError():  # its errno is OpenSSL's, not the system's
            reason = getattr(error, "reason", None)
            return (
                Phrase("TLS: {why}", why=reason.lower().replace("_", " "))
                if reason
                else "the connection was closed"
            )
        case socket.gaierror():
            return Phrase("the host name cannot be resolved ({why})", why=error.strerror)
    if words := _named(error, _SURE):
        return words
    number = error.errno if isinstance(error, OSError) else None
    return None if number is None else _SYSTEM.get(number) or os.strerror(number).lower()


def _vague(error: BaseException) -> str | None:
    return _named(error, _VAGUE)


def _named(error: BaseException, words: dict[str, str]) -> str | None:
    return next((words[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in words), None)
