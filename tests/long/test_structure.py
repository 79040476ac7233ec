"""The house: no way back between its folders or its files."""

from __future__ import annotations

import pytest

from tests import structure

pytestmark = pytest.mark.unit("sources")


def test_app_has_no_module_beside_its_folders() -> None:
    assert [path.name for path in (structure.ROOT / "app").glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("package", structure.PACKAGES)
def test_no_folder_and_no_file_leads_back_to_itself(package: str) -> None:
    assert structure.cycle(structure.arrows(package)) == []
    assert structure.cycle(structure.imports(package)) == []


def test_a_cycle_would_be_seen() -> None:
    assert structure.cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) != []
