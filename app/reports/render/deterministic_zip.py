"""An Office file written again with fixed times, so that the same paper gives the same bytes."""

from __future__ import annotations

import io
import zipfile

_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def timeless(content: bytes) -> bytes:
    """The same members in the same order, without the time at which they were packed."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for member in old.infolist():
            new.writestr(zipfile.ZipInfo(member.filename, _LONG_AGO), old.read(member), zipfile.ZIP_DEFLATED)
    return file.getvalue()
