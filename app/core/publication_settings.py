"""The kit of other channels, and how published addresses are read: the table [publication] of loa.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class PublicationSettings(BaseModel):
    """How fast a text is read aloud, and how often and where published addresses are read again."""

    model_config = ConfigDict(extra="forbid")

    # For the reading time on radio and loudspeakers. People read Vietnamese aloud at 313 syllables a minute
    # (Pellegrino, Coupé, Marsico: Language 87, 2011); over loudspeakers two thirds of that.
    words_per_minute: int = Field(default=200, ge=60, le=400)
    # Minutes between two readings of a published address.
    check_minutes: float = Field(default=60, ge=0.01, le=10_080)
    check_days: int = Field(default=90, ge=1, le=3650)  # after which a published address is read no more
    private_addresses: bool = False  # read pages at private and loopback addresses, if they are your own
    other_ports: bool = False  # read pages at other ports than 80 and 443
