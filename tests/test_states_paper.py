"""docs/architecture.md stays true about deliveries: its table and diagram have what the code allows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from app.core.states import DeliveryState as State
from app.core.states import DeliveryStatus as Status
from app.core.states import apply_answer, apply_receipt
from carriers.contract import Reason, ReceiptLevel, ReceiptStatus

ROOT = Path(__file__).parent.parent
PAPER = (ROOT / "docs" / "architecture.md").read_text("utf-8").partition("\n## States\n")[2]
Moves = set[tuple[State, State]]
Row = tuple[str, set[tuple[str, str]]]
REASONS = (Reason.NONE, Reason.OTHER, Reason.EXPIRED, Reason.NO_SUCH_NUMBER)


def table() -> dict[str, Row]:
    """By function, the file and the moves of each row."""
    found: dict[str, Row] = {}
    rows = PAPER.partition("### What writes a delivery's state")[2].partition("\n## ")[0]
    for names, file, moves in re.findall(r"^\| (`.*?) in `(\w+\.py)` \|[^|]*\| (.*) \|$", rows, re.MULTILINE):
        pairs = {
            pair
            for old, new in re.findall(r"((?:\w+, )*\w+) → ((?:\w+, )*\w+)", moves)
            for pair in product(old.split(", "), new.split(", "))
        }
        found |= dict.fromkeys(re.findall(r"`(\w+)`", names), (file, pairs))
    return found


def moves_of(function: str) -> Moves:
    return {(State[old.upper()], State[new.upper()]) for old, new in table()[function][1] if old != "none"}


def drawn() -> set[tuple[str, str]]:
    return set(re.findall(r"^  (\w+) --> (\w+)", PAPER.partition("```mermaid")[2].partition("```")[0], re.M))


def statuses(state: State) -> Iterator[Status]:
    """Every status that a delivery of one or two parts can have in this state."""
    for parts in (1, 2):
        masks = range(1 << parts)
        for delivered, relayed, failed, reason in product(masks, masks, masks, REASONS):
            status = Status(state, reason, parts, delivered, relayed, failed)
            if possible(status):
                yield status


def possible(of: Status) -> bool:
    whole = (1 << of.parts) - 1
    received, settled = of.delivered | of.relayed == whole, of.delivered | of.relayed | of.failed == whole
    match of.state:
        case State.DELIVERED:
            return of.delivered == whole
        case State.RELAYED:
            return received and of.delivered != whole
        case State.UNDELIVERED:
            return settled and not received and of.reason not in (Reason.NONE, Reason.EXPIRED)
        case State.EXPIRED:
            return settled and not received and of.reason == Reason.EXPIRED
        case State.REJECTED:
            return not received
        case _:
            return not settled


def by_receipts() -> Moves:
    moves = set()
    for state in set(State) - {State.EXCLUDED}:  # an excluded number has no delivery
        masks = range(4) if state is State.UNKNOWN else (0,)
        for status, on_way in product(statuses(state), masks):
            said = product(range(status.parts), ReceiptStatus, ReceiptLevel, REASONS)
            for part, word, level, reason in said:
                new = apply_receipt(status._replace(on_way=on_way), part, word, level, reason)
                moves.add((state, State(new.state)))
    return {(old, new) for old, new in moves if old != new}


def answers() -> Iterator[Status]:
    """What a carrier's answer alone makes of a message."""
    for parts in (1, 2):
        yield Status(State.UNKNOWN, 0, parts)
        yield Status(State.QUEUED, 0, parts)
        yield from (Status(State.SUBMITTED, bool(failed), parts, failed=failed) for failed in range(parts))
        yield Status(State.SUBMITTED, Reason.EXPIRED, parts, failed=1)
    yield Status(State.REJECTED, Reason.OTHER, 1, failed=1)


def by_answers() -> Moves:
    return {
        (old, State(apply_answer(earlier, answer, resent).state))
        for old in (State.QUEUED, State.UNKNOWN)
        for earlier, answer, resent in product(statuses(old), answers(), (False, True))
    }


def test_receipts_move_a_delivery_as_the_table_says() -> None:
    assert moves_of("apply") == by_receipts()


def test_answers_move_a_delivery_as_the_table_says() -> None:
    assert moves_of("record") == by_answers()


def test_the_diagram_draws_no_move_that_the_table_lacks() -> None:
    known = set().union(*(pairs for _, pairs in table().values()))
    words = {state.name.lower() for state in State} - {"excluded"}
    assert {word for pair in known for word in pair} == {"none", *words}
    assert len(drawn()) > 15
    assert drawn() <= known


def test_the_table_names_functions_that_exist() -> None:
    for name, (file, _) in table().items():
        assert f"def {name}(" in (ROOT / "app/ledger" / file).read_text("utf-8"), f"{file}: {name}"


def test_the_table_names_every_file_that_writes_deliveries() -> None:
    """The engines only execute what these have made; transfer.py copies whole databases."""
    writes = re.compile(r"update\(deliveries\)|(UPDATE|INSERT INTO) deliveries\b")
    files = {path for path in (ROOT / "app").rglob("*.py") if writes.search(path.read_text("utf-8"))}
    writers = {path for path in files if path.parent.name != "engines"}
    assert {path.parent.name for path in writers} == {"ledger"}
    assert {path.name for path in writers} <= {file for file, _ in table().values()}
