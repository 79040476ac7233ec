"""The base of every JSON body; apart from FastAPI, since commands read the same bodies from files."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class StrictBody(BaseModel):
    """Refuse a field that nobody knows: it is a mistake of spelling."""

    model_config = ConfigDict(extra="forbid")
