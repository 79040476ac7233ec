"""A result report as values, and the identities that each of its rows must keep.

What a new figure changes, file by file: "A new figure of a report" in CONTRIBUTING.md.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from operator import add, attrgetter

from app.core.errors import AppError
from app.core.states import RunState
from carriers.contract import Reason, ReceiptLevel

# A frozen report of a run is rebuilt by the rules of its day. 1: provisional while any receipt is missing;
# 2: until the time in which receipts come is over.
RULES = 2


class Unbalanced(AppError):
    """A report whose figures do not add up is not given out.

    Run `loa verify`: it recounts everything from the rows and names each difference.
    """

    status, slug, title = 500, "report-unbalanced", "The report does not add up"


@dataclass(frozen=True, slots=True)
class Figures:
    """One row of counts. `segments` counts SMS parts of sent messages; all else subscribers.

    delivered: proved by the handset; relayed: proved by the operator's centre only. Never add them together.
    """

    eligible: int = 0
    excluded: int = 0
    waiting: int = 0
    sent: int = 0
    delivered: int = 0
    relayed: int = 0
    failed: int = 0
    no_receipt: int = 0
    unknown: int = 0
    segments: int = 0
    switched_off: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(*map(add, _COUNTS(self), _COUNTS(other)))

    @property
    def delivered_ratio(self) -> float | None:
        """Share of sent messages delivered to the handset, 0 to 1; None: nothing sent."""
        return self.delivered / self.sent if self.sent else None

    @property
    def relayed_ratio(self) -> float | None:
        """Share of sent messages that only the operator's centre confirms, 0 to 1; None: nothing sent."""
        return self.relayed / self.sent if self.sent else None

    def check(self, where: str) -> None:
        """Raise Unbalanced, naming `where`, unless both identities hold and no count is negative."""
        outcomes = sum(_OUTCOMES(self))
        if self.sent != self.eligible - self.excluded - self.waiting:
            raise _unbalanced(where, f"sent {self.sent}", "eligible - excluded - waiting", self)
        if self.sent != outcomes:
            raise _unbalanced(where, f"sent {self.sent}", f"the sum of outcomes {outcomes}", self)
        if min(_COUNTS(self)) < 0:
            raise _unbalanced(where, "a count", "zero or more", self)
        for key, whole in _PARTS:
            n, most = getattr(self, key), getattr(self, whole)
            if n > most:
                raise _unbalanced(where, f"{key} {n}", f"at most {whole} {most}", self)


# Pages add thousands of rows: `astuple` would copy each number deeply.
_COUNTS = attrgetter(*(each.name for each in fields(Figures)))


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as every form, file and page has it, in the order of the forms.

    key: attribute of Figures; name: in JSON; label: Vietnamese, in forms and on pages; english: on pages.
    forms: in which it stands: 1, general; 2, by area; 3, by day, and the charts; 5, a letter's carriers; 6,
    by area over all carriers; 7, a campaign's carriers; and m: on what shows the main figures only, papers
    with changes and the code page.
    line: number, words and unit of its row of form 1.
    needs: what its receipts must prove; part: of a ratio, the figure that is divided by `sent`. A total sums
    a count over the rows that can prove it; its ratio is that of the sums, only where all rows are of one
    receipt level. again: subscribers are in it again in each round, so that rounds are not added up.
    outcome: a part of `sent`, which all outcomes make up; of: the figure of which it is a part; reason: what
    failed for this group of form 4 is counted for it.
    bar: what pages call its part of a bar; once: its JSON name where each subscriber counts once.
    rare: papers leave it out where it is 0 throughout; added: reports frozen before may lack it.
    """

    key: str
    name: str
    label: str
    english: str
    forms: str
    line: tuple[str, str, str] | None = None
    needs: ReceiptLevel = ReceiptLevel.NONE
    part: str = ""
    again: bool = False
    outcome: bool = False
    of: str = ""
    reason: Reason | None = None
    bar: str = ""
    once: str = ""
    rare: bool = False
    added: bool = False

    @property
    def words(self) -> str:
        """Its label within a sentence."""
        return f"{self.label[0].lower()}{self.label[1:]}"


_FIGURES = (
    Figure(
        *("eligible", "eligible_subscribers", "Thuộc diện", "Eligible", "1257"),
        line=("(1)", "Thuê bao thuộc diện gửi", "thuê bao"),
        again=True,
        once="addressed",
    ),
    Figure(
        *("excluded", "excluded_subscribers", "Loại trước khi gửi", "Left out before sending", "1257"),
        line=("(2)", "Loại trước khi gửi", "thuê bao"),
        once="not_sent",
        rare=True,
    ),
    Figure(
        *("waiting", "waiting_subscribers", "Đang chờ gửi", "Waiting", "1257"),
        line=("(2')", "Đang chờ gửi", "thuê bao"),
        bar="waiting to be sent",
        once="waiting",
        rare=True,
    ),
    Figure(
        *("sent", "sent_messages", "Đã gửi", "Sent", "123567m"),
        line=("(3)", "Đã gửi = (1) − (2) − (2')", "tin"),
    ),
    Figure(
        *("delivered", "received_by_handset_messages", "Đã nhận (biên nhận máy)"),
        *("Received by the handset", "123567m"),
        line=("(4a)", "Đã nhận (có biên nhận của máy thuê bao)", "tin"),
        outcome=True,
        bar="received by the handset",
        once="reached",
        needs=ReceiptLevel.HANDSET,
    ),
    Figure(
        *("relayed", "taken_by_operator_messages", "Nhà mạng đã tiếp nhận", "Taken by the centre", "123567m"),
        line=("(4b)", "Nhà mạng đã tiếp nhận/chuyển (chưa có biên nhận của máy)", "tin"),
        outcome=True,
        bar="accepted by the carrier's centre",
        once="taken_by_operator",
        needs=ReceiptLevel.OPERATOR,
    ),
    Figure(
        *("failed", "failed_messages", "Không nhận được", "Not received", "1257m"),
        line=("(5)", "Không nhận được", "tin"),
        again=True,
        outcome=True,
        bar="not received",
        once="failed",
    ),
    Figure(
        *("switched_off", "switched_off_messages", "Máy tắt, ngoài vùng phủ sóng", "Telephone off", "1"),
        line=("(5a)", "– trong đó: máy tắt hoặc ngoài vùng phủ sóng đến khi hết hạn", "tin"),
        of="failed",
        reason=Reason.EXPIRED,
        added=True,
    ),
    Figure(
        *("no_receipt", "no_receipt_messages", "Chưa có biên nhận", "No receipt", "1257m"),
        line=("(6a)", "Chưa có biên nhận = (3) − (4a) − (4b) − (5) − (6b)", "tin"),
        outcome=True,
        bar="no receipt yet",
        once="no_receipt",
    ),
    Figure(
        *("unknown", "unknown_messages", "Chưa rõ kết quả", "Unknown", "1257"),
        line=("(6b)", "Chưa rõ kết quả (có thể đã gửi, không gửi lại tự động)", "tin"),
        outcome=True,
        bar="outcome unknown",
        once="unknown",
        rare=True,
    ),
    Figure(
        *("segments", "sent_segments", "Bản tin quy đổi", "SMS parts", "1257"),
        line=("(8)", "Tổng số bản tin quy đổi của tin đã gửi", "bản tin"),
    ),
    Figure(
        *("delivered_ratio", "received_by_handset_ratio", "Tỷ lệ nhận", "Share received", "1257"),
        line=("(7a)", "Tỷ lệ đã nhận = (4a)/(3)", "%"),
        part="delivered",
        needs=ReceiptLevel.HANDSET,
    ),
    Figure(
        *("relayed_ratio", "taken_by_operator_ratio", "Tỷ lệ nhà mạng tiếp nhận"),
        *("Share taken by the centre", "127"),
        line=("(7b)", "Tỷ lệ nhà mạng tiếp nhận = (4b)/(3)", "%"),
        part="relayed",
        needs=ReceiptLevel.OPERATOR,
    ),
)
FIGURES = {each.key: each for each in _FIGURES}
RARE = frozenset(key for key, each in FIGURES.items() if each.rare)
OUTCOMES = tuple(key for key, each in FIGURES.items() if each.outcome)
_OUTCOMES = attrgetter(*OUTCOMES)
_PARTS = tuple((key, each.of) for key, each in FIGURES.items() if each.of)
BY_REASON = {key: each.reason for key, each in FIGURES.items() if each.reason is not None}


def standing_in(form: str) -> tuple[str, ...]:
    """Return the keys of the figures that stand in a form, by its sign in `Figure.forms`."""
    return tuple(key for key, each in FIGURES.items() if form in each.forms)


MAIN, TIMED = standing_in("m"), standing_in("3")


def provable(figures: Figures, level: int | None) -> dict[str, int | float | None]:
    """Return every figure by its key; None for one that receipts of the level cannot prove."""
    found: dict[str, int | float | None] = {}
    for key, each in FIGURES.items():
        n = getattr(figures, each.part or key)
        proved = n or level is None or level >= each.needs
        found[key] = getattr(figures, key) if proved else None
    return found


def _unbalanced(where: str, left: str, right: str, figures: Figures) -> Unbalanced:
    return Unbalanced(
        "{where}: {left} is not {right} ({figures}). Run `loa verify` to find the rows.",
        where=where,
        left=left,
        right=right,
        figures=figures,
    )


def agree(where: str, what: str, total: int, expected: int) -> None:
    """Raise Unbalanced unless both ways of counting `what` agree."""
    if total != expected:
        raise Unbalanced(
            "{where}: {what} adds up to {found} one way and to {expected} another. Run `loa "
            "verify` to find the rows.",
            where=where,
            what=what,
            found=total,
            expected=expected,
        )


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason with its Vietnamese label, and how many subscribers it concerns."""

    key: str
    label: str
    n: int


@dataclass(frozen=True, slots=True)
class AreaRow:
    """One row of form 2; `code` is None for subscribers of unknown area."""

    code: str | None
    name: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class NamedArea:
    """One of the areas in force on the report's day."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class DayRow:
    """One row of form 3: messages sent on a day (Vietnam time), and those whose receipt bears it.

    day: ISO date, None for an unknown time; first_ms, last_ms: first and last submission, ms since 1970.
    """

    day: str | None
    batches: int = 0
    figures: Figures = Figures()  # those that stand in form 3
    first_ms: int | None = None
    last_ms: int | None = None

    @property
    def messages_per_second(self) -> float | None:
        """Average between first and last submission; None without a span."""
        if self.first_ms is None or self.last_ms is None or self.last_ms <= self.first_ms:
            return None
        return self.figures.sent / ((self.last_ms - self.first_ms) / 1000)


@dataclass(frozen=True, slots=True)
class TimeStep:
    """Messages sent, and received by the time of their receipts, in the `minutes` from start_ms."""

    start_ms: int
    minutes: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class Extra:
    """Figures outside the identities.

    deferred: times that the carrier deferred a message; resent: messages a person queued again after an
    unknown outcome (None for one batch: such decisions are recorded per run); partly: long messages with good
    receipts for some parts only; written_off: unknown messages a person decided to leave; oldest_ms: oldest
    submission without a receipt. unexplained: messages (at least so many) whose rows contradicted each other
    when the report was frozen; they count as their rows stand. contradicted_snapshots: earlier snapshots of
    the run that its rows contradicted then, for example because the clock was ahead.
    """

    deferred: int = 0
    resent: int | None = None
    partly: int = 0
    written_off: int = 0
    oldest_ms: int | None = None
    unexplained: int = 0
    contradicted_snapshots: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """Subject of the report. Times are ms since 1970 (UTC)."""

    campaign_id: int
    campaign: str
    run_id: int
    carrier: str
    run_state: str
    batches: tuple[int, ...]
    sender: str
    directive: str | None
    texts: dict[str, str]
    receipt_level: int | None  # the most its links or result files can prove; None without a link
    started_ms: int | None
    ended_ms: int | None
    cutoff_ms: int
    legal_basis: str = ""  # of the directive, in a paper's words
    # Who said that receipts prove the telephone, "" for nobody; None where they do not, or it was not kept.
    handset_by: str | None = None


@dataclass(frozen=True, slots=True)
class Charged:
    """SMS parts that the carrier charges, and what they cost by the price list when the report was made.

    dong: None without a price; dong_with_vat: only in what was kept while there was a rate of VAT.
    """

    segments: int
    unknown_segments: int
    dong: int | None = None
    dong_with_vat: int | None = None

    def said(self) -> dict[str, int]:
        """Return it as JSON, without what is not known."""
        return {name: n for name, n in asdict(self).items() if n is not None}


@dataclass(frozen=True, slots=True)
class CarrierReport:
    """Result of one run, or of one of its batches: forms 1 to 4."""

    header: Header
    general: Figures
    excluded: tuple[Cause, ...]
    extra: Extra
    areas: tuple[AreaRow, ...]
    places: tuple[AreaRow, ...]  # `areas` by the areas in force on its day
    outside_areas: int  # lines left out at import: no area, no valid number
    days: tuple[DayRow, ...]
    reasons: tuple[Cause, ...]
    steps: tuple[TimeStep, ...] = ()  # form 3 in equal time steps, for its chart
    networks: tuple[Cause, ...] = ()  # those rejected as another carrier's, by network where named
    empty: tuple[NamedArea, ...] = ()  # areas of its day without subscribers; none if no area is known
    cost: Charged | None = None  # None where nothing was handed over
    rules: int = RULES

    @property
    def cutoff_ms(self) -> int:
        return self.header.cutoff_ms

    @property
    def began_ms(self) -> int | None:
        """When its first message was sent, as form 3 has it; when it was started, where no day is known."""
        return min((day.first_ms for day in self.days if day.first_ms), default=self.header.started_ms)

    @property
    def interim(self) -> bool:
        """Whether figures may still change: the run goes on, or a receipt or a decision is awaited."""
        g, open_unknown = self.general, self.general.unknown - self.extra.written_off
        # Without receipts from the carrier, or after their time, a missing one will never come.
        waits = self.rules < 2 or self.header.run_state != RunState.FINISHED
        expected = g.no_receipt if waits and self.header.receipt_level != ReceiptLevel.NONE else 0
        planned = self.header.run_state == RunState.PLANNED
        return planned or bool(g.waiting or expected or open_unknown)


@dataclass(frozen=True, slots=True)
class CampaignReport:
    """Measured runs of one campaign side by side; held: carriers that send themselves, not among them."""

    campaign_id: int
    campaign: str
    cutoff_ms: int
    runs: tuple[CarrierReport, ...]
    held: tuple[str, ...] = ()

    @property
    def receipt_level(self) -> int | None:
        """The most that any run's links can prove."""
        return max(
            (each for run in self.runs if (each := run.header.receipt_level) is not None), default=None
        )

    @property
    def total(self) -> Figures:
        return sum((run.general for run in self.runs), Figures())

    @property
    def by_level(self) -> dict[int | None, Figures]:
        """Sums by receipt level, highest first: ratios are taken within one level."""
        found: dict[int | None, Figures] = {}
        for run in sorted(self.runs, key=lambda run: -(run.header.receipt_level or 0)):
            level = run.header.receipt_level
            found[level] = found.get(level, Figures()) + run.general
        return found

    @property
    def interim(self) -> bool:
        return any(run.interim for run in self.runs)
