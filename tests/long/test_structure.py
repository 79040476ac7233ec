"""The house: few folders, no way back between them, and names that say what they are."""

from __future__ import annotations

import ast
import re
from collections import Counter

import pytest

from tests import structure

pytestmark = pytest.mark.unit("sources")

# Words that say nothing to whoever does not know the authors: no identifier bears one, variables included.
METAPHORS = frozenset(
    {"books", "cast", "crew", "desk", "desks", "errand", "errands", "fate", "fates", "fuse", "gate", "ground"}
    | {"herald", "homes", "insist", "keeper", "lane", "lanes", "locks", "manners", "parcel", "pulse", "rooms"}
    | {"reception", "scene", "scenes", "shipped", "sift", "sifted", "sifter", "standings", "story", "told"}
    | {"uptake", "weigh"}
)


def words(name: str) -> set[str]:
    """The words of a name in either spelling: `SendLoop`, `send_loop`."""
    return {each.lower() for each in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)}


def test_app_has_few_rooms_and_few_arrows_between_them() -> None:
    graph = structure.arrows("app")
    assert len(graph) <= 24
    assert sum(map(len, graph.values())) <= 165


def test_app_has_no_module_beside_its_folders() -> None:
    assert [path.name for path in (structure.ROOT / "app").glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("package", structure.PACKAGES)
def test_no_folder_and_no_file_leads_back_to_itself(package: str) -> None:
    assert structure.cycle(structure.arrows(package)) == []
    assert structure.cycle(structure.imports(package)) == []


@pytest.mark.parametrize("package", structure.PACKAGES)
def test_the_name_of_a_public_class_stands_once(package: str) -> None:
    found = structure.public_names(package, (ast.ClassDef,))
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


@pytest.mark.parametrize("package", structure.PACKAGES)
def test_no_identifier_bears_a_metaphor(package: str) -> None:
    names = set(structure.modules(package))
    for module, path in structure.modules(package).items():
        names |= {f"{module}.{name}" for name in structure.identifiers(path.read_text("utf-8"))}
    guilty = {name for name in names if words(name.rpartition(".")[2]) & METAPHORS}
    assert guilty == set()


def test_an_identifier_is_seen_wherever_it_is_bound() -> None:
    source = (
        "import a as lane\nclass Fate:\n  told: int\n  def insist(self, desk): self.gate, (x, *scene) = 1, y"
    )
    bound = "lane", "Fate", "told", "insist", "self", "desk", "gate", "x", "scene"
    assert structure.identifiers(source) == set(bound)


SHARED = {"routes", "schemas", "service", "queries", "__main__"}  # the same part of several folders


def test_no_two_modules_of_app_have_one_name() -> None:
    """What mirrors carriers (ledger/contract.py beside carriers/contract.py) is looked at in app alone."""
    names = Counter(path.stem for path in structure.modules("app").values() if path.stem != "__init__")
    assert {name for name, n in names.items() if n > 1 and name not in SHARED} == set()


def test_a_cycle_would_be_seen() -> None:
    assert structure.cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) != []
    assert words("SendLoop") == words("send_loop") == {"send", "loop"}
