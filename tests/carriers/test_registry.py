"""The list of carriers: our own kinds, and what other packages add by entry point."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from carriers import registry
from carriers.contract import LinkError, LinkOptions
from carriers.smpp.carrier import SmppCarrier

SMPP = {"host": "smsc", "port": 2775, "system_id": "loa", "password": "x"}


def test_a_kind_of_our_own_is_built() -> None:
    carrier = registry.build("smpp", LinkOptions("vnpt-1", "vnpt", 100, SMPP))
    assert isinstance(carrier, SmppCarrier)
    assert carrier.name == "vnpt-1"


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LinkError, match=r"Link x: there is no kind 'fax'; this installation knows: .*smpp"):
        registry.build("fax", LinkOptions("x", "vnpt", 1))


def test_another_package_joins_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pigeon_post.py").write_text("def make(link):\n    return 'pigeon ' + link.name\n")
    info = tmp_path / "pigeon_post-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeon-post\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[loa.carriers]\npigeon = pigeon_post:make\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert "pigeon" in registry.kinds()
    assert str(registry.build("pigeon", LinkOptions("x", "vnpt", 1))) == "pigeon x"
