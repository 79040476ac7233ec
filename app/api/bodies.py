"""Base class of JSON bodies. Free of FastAPI, because commands read the same bodies from files."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class StrictBody(BaseModel):
    """Refuse unknown fields, which are usually misspelt."""

    model_config = ConfigDict(extra="forbid")
