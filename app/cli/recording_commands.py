"""`loa recording`: what a carrier plays to subscribers whom it calls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.api.bodies import filled
from app.campaigns import lifecycle, recordings
from app.campaigns.recordings import NewRecording
from app.campaigns.schemas import RecordingBody
from app.cli.files import readable, replace_whole
from app.cli.output import Json, Number, done, listing, whoami
from app.cli.remote import asked
from app.core import audio
from app.core.errors import Invalid

app = typer.Typer(no_args_is_help=True, help="Recordings: what a carrier plays to whom it calls.")


@app.command()
def add(
    campaign_id: Number,
    file: Annotated[
        Path, typer.Argument(callback=readable, help="WAV (PCM) or MP3, 1 to 180 s, 10 MB at the most.")
    ],
    wording: Annotated[str, typer.Option(help="What is spoken, word for word.")],
    language: Annotated[str, typer.Option(help="The language's code, such as vi or hmn.")] = "vi",
    area: Annotated[
        list[str] | None, typer.Option(help="A code; again for each; none: wherever no other recording is.")
    ] = None,
) -> None:
    """Add a recording to a campaign; an approval becomes void."""
    said = {"language": language, "wording": wording, "areas": area or []}
    body = filled(RecordingBody, said)
    new = _read(file, body)
    made = asked(
        lambda api: (
            api.add_recording(
                campaign_id,
                file=file,
                language=body.language,
                wording=body.wording,
                areas=" ".join(body.areas),
            ).id
        ),
        lambda db: db.write(lifecycle.add_recording, campaign_id, new, whoami()),
        looks=False,
    )
    done(f"Recording {made} (SHA-256 {new.sha256})", recording=made, sha256=new.sha256)


def _read(file: Path, body: RecordingBody) -> NewRecording:
    """Check the file here, so that nothing is sent for nothing."""
    if not file.is_file():
        raise Invalid(f"There is no file {file}.", field="file")
    with file.open("rb") as opened:
        content = opened.read(audio.MOST_BYTES + 1)
    return recordings.checked(body.language, body.areas, body.wording, content)


@app.command("list")
def list_(campaign_id: Number, as_json: Json = False) -> None:
    """Show a campaign's recordings."""
    found = asked(
        lambda api: api.list_recordings(campaign_id),
        lambda db: db.read(recordings.of_campaign, campaign_id),
    )
    shown = ("id", "language", "areas", "duration_ms", "media_type", "sha256", "wording")
    listing(found, (*shown, "created_by", "erased"), as_json)


@app.command()
def save(
    campaign_id: Number,
    recording_id: Number,
    out: Annotated[Path, typer.Option(help="The file to write.")],
) -> None:
    """Write exactly the bytes that came, to be played."""
    content = asked(
        lambda api: api.get_recording_file(campaign_id, recording_id),
        lambda db: db.read(recordings.fetch, campaign_id, recording_id)[1],
    )
    replace_whole(out, content)
    done(f"Wrote {out} ({len(content)} bytes).", file=out, bytes=len(content))


@app.command()
def remove(campaign_id: Number, recording_id: Number) -> None:
    """Remove a recording with its bytes; an approval becomes void."""
    asked(
        lambda api: api.remove_recording(campaign_id, recording_id),
        lambda db: db.write(lifecycle.remove_recording, campaign_id, recording_id, whoami()),
        looks=False,
    )
    done(f"Recording {recording_id} is removed.", recording=recording_id, removed=True)
