"""One method for both clients: it builds a `Call`, and the client that it belongs to carries it out."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Concatenate, Generic, ParamSpec, TypeVar, overload
from urllib.parse import quote

P = ParamSpec("P")
T = TypeVar("T")

# A file to upload: its path, or a name and its bytes.
File = str | Path | tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: `progress` with figures, `state` when that changes, `end` when it is over."""

    event: str
    id: str
    data: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request. answer: the type of the answer, or of what a list or stream of events has.

    key: the Idempotency-Key; None where the operation takes none.
    """

    method: str
    path: str
    answer: Any
    query: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, Any] | None = None
    file: File | None = None
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_stream(self) -> bool:
        return self.answer is Event

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be sent again although the first may have arrived."""
        return self.method != "POST" or self.key is not None

    @contextmanager
    def options(self) -> Iterator[dict[str, Any]]:
        """Give what httpx takes; a file is open as long."""
        headers = {**self.headers, **({"Idempotency-Key": self.key} if self.key else {})}
        options: dict[str, Any] = {"params": self.query, "headers": headers}
        if self.json is not None:
            options["json"] = self.json
        with ExitStack() as opened:
            if self.file is not None:
                options |= {"data": self.form, "files": {"file": _content(self.file, opened)}}
            yield options


def _content(file: File, opened: ExitStack) -> tuple[str, bytes | BinaryIO]:
    if isinstance(file, tuple):
        return file
    return Path(file).name, opened.enter_context(Path(file).open("rb"))


def place(path: str, *names: object) -> str:
    """Return the path with these names in it, quoted."""
    return path.format(*(quote(str(each), safe="") for each in names))


def new_key() -> str:
    """Return a random Idempotency-Key."""
    return uuid.uuid4().hex


class Blocking:
    """Base of the client whose methods return the answer."""

    def carry_out(self, call: Call[T]) -> T:
        return self.with_etag(call)[0]

    def with_etag(self, call: Call[T]) -> tuple[T, str | None]:
        raise NotImplementedError

    def iterate(self, call: Call[T]) -> Iterator[T]:
        raise NotImplementedError


class Awaiting:
    """Base of the client whose methods are awaited."""

    async def carry_out(self, call: Call[T]) -> T:
        return (await self.with_etag(call))[0]

    async def with_etag(self, call: Call[T]) -> tuple[T, str | None]:
        raise NotImplementedError

    def iterate(self, call: Call[T]) -> AsyncIterator[T]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Bound(Generic[P, T]):
    """A method of `LoaClient`."""

    client: Blocking
    build: Callable[Concatenate[Any, P], Call[T]]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.client.carry_out(self.build(self.client, *args, **kwargs))

    def with_etag(self, *args: P.args, **kwargs: P.kwargs) -> tuple[T, str | None]:
        """Return the ETag as well, which an edit repeats as `if_match`."""
        return self.client.with_etag(self.build(self.client, *args, **kwargs))


@dataclass(frozen=True, slots=True)
class AsyncBound(Generic[P, T]):
    """A method of `AsyncLoaClient`."""

    client: Awaiting
    build: Callable[Concatenate[Any, P], Call[T]]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        return self.client.carry_out(self.build(self.client, *args, **kwargs))

    def with_etag(self, *args: P.args, **kwargs: P.kwargs) -> Awaitable[tuple[T, str | None]]:
        """Return the ETag as well, which an edit repeats as `if_match`."""
        return self.client.with_etag(self.build(self.client, *args, **kwargs))


class Operation(Generic[P, T]):
    """Descriptor of an operation with one answer."""

    def __init__(self, build: Callable[Concatenate[Any, P], Call[T]]) -> None:
        self.build, self.__doc__ = build, build.__doc__

    @overload
    def __get__(self, client: Blocking, owner: type) -> Bound[P, T]: ...
    @overload
    def __get__(self, client: Awaiting, owner: type) -> AsyncBound[P, T]: ...
    @overload
    def __get__(self, client: None, owner: type) -> Operation[P, T]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        if client is None:
            return self
        return (Bound if isinstance(client, Blocking) else AsyncBound)(client, self.build)


class Iteration(Generic[P, T]):
    """Descriptor of an operation that gives a list page by page, or events."""

    def __init__(self, build: Callable[Concatenate[Any, P], Call[T]]) -> None:
        self.build, self.__doc__ = build, build.__doc__

    @overload
    def __get__(self, client: Blocking, owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, client: Awaiting, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(self, client: None, owner: type) -> Iteration[P, T]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return self if client is None else partial(_iterate, client, self.build)


def _iterate(client: Any, build: Callable[..., Call[Any]], *args: Any, **kwargs: Any) -> Any:
    return client.iterate(build(client, *args, **kwargs))
