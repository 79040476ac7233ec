"""A bug that no longer applies proves nothing, and would be noticed only at night."""

import shutil
from pathlib import Path

import pytest

from tests.planted.__main__ import PATCHES, ROOT, apply


@pytest.mark.skipif(shutil.which("git") is None, reason="a patch is applied by git")
@pytest.mark.parametrize("patch", sorted(PATCHES.glob("*.patch")), ids=lambda patch: patch.stem)
def test_it_applies(patch: Path) -> None:
    assert apply(patch, ROOT, "--check")
