"""docs/performance.md keeps what others have measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.__main__ import main

ROOT = Path(__file__).parents[2]


def test_a_part_alone_does_not_take_the_others_from_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    before = (ROOT / "docs/performance.md").read_text("utf-8")
    with pytest.raises(SystemExit) as refused:
        main(["--part", "pump", "--messages", "1", "--write-docs", "--build", str(tmp_path / "bench.json")])
    assert refused.value.code == 2
    said = capsys.readouterr().err
    assert "would lose import sqlite, import postgresql, path sqlite" in said
    assert "bench.parts.json first" in said
    assert (ROOT / "docs/performance.md").read_text("utf-8") == before
