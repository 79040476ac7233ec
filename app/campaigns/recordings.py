"""Recordings of a campaign: what carriers play to subscribers whom they call, one for each language.

Kept in the database: one backup has them, the approval's digest binds their SHA-256, and they are erased with
the campaign's rows, since a voice is personal data of the speaker.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, select

from app.campaigns import carrier_audience
from app.campaigns.carrier_audience import Audience
from app.core import audio, clock
from app.core.areas import Basis, normalise_area
from app.core.errors import Conflict, Invalid, no_such
from app.core.words import has_letters
from app.core.written_numbers import require_no_mobile
from app.database.models import audiences, recordings, runs
from app.ledger.area_texts import claimed_twice
from app.ledger.unreached import covered
from carriers import text as sms

MOST = 10  # of one campaign
LONGEST_WORDING = 4000


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording. areas: codes of where it is played; empty: wherever no other one is.

    wording: what is spoken; sha256: of the file; erased: by the rules of retention, so it can't be heard.
    """

    id: int
    language: str
    areas: tuple[str, ...]
    wording: str
    sha256: str
    media_type: str
    duration_ms: int
    size: int
    created_by: str
    erased: bool = False

    @property
    def file_name(self) -> str:
        return f"loa-{self.sha256}.{audio.ENDINGS[self.media_type]}"


@dataclass(frozen=True, slots=True)
class NewRecording:
    """What somebody hands in, checked by `checked`."""

    language: str
    areas: tuple[str, ...]
    wording: str
    content: bytes
    sha256: str
    sound: audio.Sound


def checked(language: str, areas: Sequence[str], wording: str, content: bytes) -> NewRecording:
    """Return the recording as it is stored: codes sorted, words in NFC. Raises Invalid."""
    codes = []
    for raw in areas:
        code = normalise_area(raw)
        if code is None:
            raise Invalid(
                f"There is no area “{raw[:40]}”; give codes of districts or communes, such as 116 or 03646.",
                field="areas",
            )
        codes.append(code)
    if not has_letters(wording):
        raise Invalid("Write down what is spoken; who approves reads it.", field="wording")
    require_no_mobile(wording, "wording")
    digest = hashlib.sha256(content).hexdigest()
    sound = audio.read(content)
    return NewRecording(language.lower(), tuple(sorted(set(codes))), sms.nfc(wording), content, digest, sound)


# Kinds of rows


def of_campaign(connection: Connection, campaign_id: int) -> list[Recording]:
    """Return the campaign's recordings without their bytes, by language."""
    r = recordings.c
    columns: list[Any] = [each for each in r if each is not r.content]
    query: Select[Any] = select(*columns, r.content.is_(None).label("erased"))
    query = query.where(r.campaign_id == campaign_id)
    return [_recording(row) for row in connection.execute(query.order_by(r.language))]


def _recording(row: Row[Any]) -> Recording:
    return Recording(
        id=row.id,
        language=row.language,
        areas=tuple(row.areas),
        wording=row.wording,
        sha256=row.sha256,
        media_type=row.media_type,
        duration_ms=row.duration_ms,
        size=row.size,
        created_by=row.created_by,
        erased=bool(row.erased),
    )


def same(connection: Connection, campaign_id: int, new: NewRecording) -> Recording | None:
    """Return the stored recording that is this one already, with its words and areas."""
    said = (new.language, new.areas, new.wording, new.sha256)
    found = of_campaign(connection, campaign_id)
    return next((r for r in found if (r.language, r.areas, r.wording, r.sha256) == said), None)


def keep(connection: Connection, campaign_id: int, new: NewRecording, who: str) -> int:
    """Store it and return its ID. Raises Conflict or Invalid if another one is for the same people."""
    _check_apart(new, of_campaign(connection, campaign_id))
    row = {
        "campaign_id": campaign_id,
        "language": new.language,
        "areas": list(new.areas),
        "wording": new.wording,
        "sha256": new.sha256,
        "media_type": new.sound.media_type,
        "duration_ms": new.sound.duration_ms,
        "size": len(new.content),
        "content": new.content,
        "created_at": clock.now_ms(),
        "created_by": who,
    }
    made = connection.execute(insert(recordings).values(row).returning(recordings.c.id))
    return int(made.scalar_one())


def _check_apart(new: NewRecording, others: Sequence[Recording]) -> None:
    if len(others) >= MOST:
        raise Conflict(f"The campaign has {MOST} recordings already; remove one first.", field="language")
    if any(each.language == new.language for each in others):
        raise Conflict(
            f"The campaign has a recording in the language {new.language} already; remove that one first.",
            field="language",
        )
    if not new.areas and any(not each.areas for each in others):
        raise Conflict(
            "The campaign has a recording without areas already, which is played wherever no other one is; "
            "name the areas of this one.",
            field="areas",
        )
    claims = {each.language: each.areas for each in others} | {new.language: new.areas}
    for code in claimed_twice(claims):
        raise Invalid(f"The area {code} has two recordings; leave it in one.", field="areas")


def drop(connection: Connection, campaign_id: int, recording_id: int | None = None) -> None:
    """Remove one recording with its bytes, or all of the campaign."""
    own = delete(recordings).where(recordings.c.campaign_id == campaign_id)
    connection.execute(own if recording_id is None else own.where(recordings.c.id == recording_id))


def get(connection: Connection, campaign_id: int, recording_id: int) -> Recording:
    """Return one recording of the campaign. Raises NotFound."""
    found = next((r for r in of_campaign(connection, campaign_id) if r.id == recording_id), None)
    if found is None:
        raise no_such("recording", recording_id)
    return found


def fetch(connection: Connection, campaign_id: int, recording_id: int) -> tuple[Recording, bytes]:
    """Return a recording with exactly the bytes that came. Raises NotFound; Conflict if they are others."""
    found = get(connection, campaign_id, recording_id)
    return found, _bytes(connection, found)


def _bytes(connection: Connection, of: Recording) -> bytes:
    content = connection.execute(select(recordings.c.content).where(recordings.c.id == of.id)).scalar()
    if content is None:
        raise Conflict(f"Recording {of.id} was erased by the rules of retention; its SHA-256 is kept.")
    if hashlib.sha256(content).hexdigest() != of.sha256:
        raise Conflict(
            f"Recording {of.id} is no longer the file that came. Somebody has altered the database: compare "
            "it with a backup."
        )
    return bytes(content)


# Who hears what


def played(of: Sequence[Recording], audience: Audience) -> list[Recording]:
    """Return the recordings that an audience hears, each with the areas in which it does.

    The one for all others comes last, without areas. Raises Conflict if somebody would hear none.
    """
    if audience.area_basis is Basis.UNDIVIDED:
        of = [each for each in of if not each.areas]  # the carrier can't tell who would hear another one
    wanted = covered(audience.areas)
    found = [replace(each, areas=own) for each in of if (own := tuple(_shared(each.areas, wanted)))]
    heard = frozenset[str]().union(*(covered(each.areas) for each in found))
    if wanted and wanted <= heard:
        return found
    rest = [each for each in of if not each.areas]
    if not rest:
        raise Conflict(
            "The run plays an announcement, and the campaign has no recording for all of its areas; add one "
            "without areas, which is played wherever no other one is."
        )
    return found + rest


def _shared(codes: Collection[str], wanted: frozenset[str]) -> Iterator[str]:
    """Yield which areas of a recording the audience has; all of them if it is the whole province."""
    for code in codes:
        own = covered((code,))
        if not wanted or own <= wanted:
            yield code
        else:
            yield from sorted(own & wanted)


def require(connection: Connection, campaign_id: int, audience: Audience) -> None:
    """Raise Conflict unless everybody of a spoken run's audience hears a recording that is whole."""
    if audience.spoken:
        for each in played(of_campaign(connection, campaign_id), audience):
            _bytes(connection, each)


def require_heard(connection: Connection, campaign_id: int, of: Sequence[Audience]) -> None:
    """Raise Conflict for a recording of some areas that nobody in the campaign's spoken runs hears."""
    spoken = [each for each in of if each.spoken]
    found = of_campaign(connection, campaign_id)
    heard = {each.id for audience in spoken for each in played(found, audience)}
    for each in found if spoken else ():
        if each.areas and each.id not in heard:
            raise Conflict(
                f"Nobody hears the recording in the language {each.language}: no run has its areas, or the "
                "carrier can't tell them (khong_phan_dia_ban). Remove the recording, or change the run."
            )


def played_at(connection: Connection, campaign_id: int, carrier: str) -> list[Recording]:
    """Return the recordings that a carrier's spoken run plays, with all their areas; none without such a run.

    None either as long as somebody in it would hear none, which no approval lets pass.
    """
    own = (runs.c.campaign_id == campaign_id, runs.c.carrier == carrier, audiences.c.spoken)
    query = select(audiences).join(runs, runs.c.id == audiences.c.run_id).where(*own)
    row = connection.execute(query).first()
    audience = None if row is None else carrier_audience.of_row(row)
    if audience is None:
        return []
    found = of_campaign(connection, campaign_id)
    try:
        heard = {each.id for each in played(found, audience)}
    except Conflict:
        return []
    return [each for each in found if each.id in heard]
