"""Papers stay true: commands, targets, links, settings and places that they name are those of the code."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml
from click.testing import CliRunner

from app.cli import app as commands
from app.core.config import Settings, load
from app.database.connection import Database
from app.runtime.api_app import create_app
from carriers import registry
from carriers.contract import ReceiptLevel
from tests.app.described import described
from tests.reference.__main__ import PAGES, made

ROOT = Path(__file__).parent.parent.parent
REFERENCE = {
    ROOT / f"docs/reference/{page}.md": page for page in PAGES
}  # made by `make reference`, in no commit
OTHERS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    ROOT / "carriers/README.md",
    ROOT / "messages/README.md",
]
PAPERS = sorted({*OTHERS, *REFERENCE})
PLACEHOLDER = re.compile(r"[A-Z][A-Z_:]*|\d.*|\.\.\.|.*\.(csv|xlsx|json)|/.*")


def text(path: str) -> str:
    return words_of(ROOT / path)


@cache
def words_of(paper: Path) -> str:
    """Return the words of a paper; of a page of the reference, as the code makes them now."""
    return made(REFERENCE[paper]) if paper in REFERENCE else paper.read_text("utf-8")


def code(paper: str) -> Iterator[str]:
    """Every line of code blocks, continued lines joined and comments dropped, and every code span."""
    blocks = re.compile(r"^ *```.*?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
    for block in blocks.findall(paper):
        for line in block.replace("\\\n", " ").splitlines():
            yield re.sub(r"\s#.*", "", line).strip()
    yield from re.findall(r"`([^`\n]+)`", blocks.sub("", paper))


def rows(paper: str) -> dict[str, list[str]]:
    """The tables' rows by what stands in code in their first cell; the other cells."""
    found = {}
    for line in paper.splitlines():
        first, *others = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| `"):
            found[first.strip("` ")] = others
    return found


def name(paper: Path) -> str:
    return paper.relative_to(ROOT).as_posix()


def test_every_link_leads_somewhere() -> None:
    dead = []
    for paper in PAPERS:
        for target in re.findall(r"\]\(([^)\s]+)\)", words_of(paper)):
            place, _, section = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            file = (paper.parent / place).resolve() if place else paper
            if not (file in REFERENCE or file.exists()) or (section and section not in sections(file)):
                dead.append(f"{name(paper)}: {target}")
    assert dead == []


@cache
def sections(file: Path) -> set[str]:
    """The anchors of a paper's headings."""
    headings = re.findall(r"^#+ (.+)$", words_of(file), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    lines = (line for paper in PAPERS for line in code(words_of(paper)))
    assert {target for line in lines for target in re.findall(r"\bmake ([a-z-]+)", line)} <= targets


def test_every_command_exists_with_its_options() -> None:
    """What the changelog names may be gone."""
    wrong = [
        f"{name(paper)}: {line}"
        for paper in PAPERS
        if paper.name != "CHANGELOG.md"
        for line in code(words_of(paper))
        if (words := loa_words(line)) and not known(words)
    ]
    assert wrong == []


def loa_words(line: str) -> list[str]:
    """What follows `loa`, up to a pipe, where the line is such a command, maybe behind variables."""
    found = re.match(r"(?:[A-Z_]+=\S+ )*(?:\S*/)?loa +((?:\"[^\"]*\"|[^|<>;])+)", line)
    return shlex.split(found[1]) if found else []


@cache
def all_commands() -> click.Command:
    return typer.main.get_command(commands)


def known(words: list[str]) -> bool:
    """Whether the commands go as deep as the words say, and take the options that they name."""
    command = all_commands()
    words = words[2:] if words[0] == "--server" else words
    while isinstance(subcommands := getattr(command, "commands", None), Mapping) and words:
        if words[0] in ("--help", "--version"):
            break
        if words[0] not in subcommands:
            return bool(PLACEHOLDER.fullmatch(words[0]))
        command, words = subcommands[words[0]], words[1:]
    options = {option for each in command.params for option in [*each.opts, *each.secondary_opts]}
    if command.context_settings.get("ignore_unknown_options"):
        options = simulator_options(str(command.name))
    said = {word.partition("=")[0] for word in words if word.startswith("--")}
    return said <= options | {"--help"}


@cache
def simulator_options(simulator: str) -> set[str]:
    """Each simulator has a parser of its own."""
    said = CliRunner().invoke(all_commands(), ["simulate", simulator, "--help"]).output
    return set(re.findall(r"--[a-z0-9-]+", said))


def test_the_reference_leaves_nothing_unsaid() -> None:
    for page, column in (("settings", 4), ("audit", 1), ("metrics", 4), ("api", 3)):
        lines = [
            line.split(" | ") for line in text(f"docs/reference/{page}.md").splitlines() if "| `" in line
        ]
        assert [line[0] for line in lines if line[column - 1].strip("| `…") == ""] == [], page


# Defaults that a page has in the settings' own notation, or that depend on another setting.
ELSEWHERE = {
    *(("viettel", name) for name in ("failure_date", "report_date", "report_hour")),
    *(("vnpt", name) for name in ("schedule_format", "blocked_hours", "receipt_level")),
}


@pytest.mark.parametrize("kind", registry.OWN)
def test_the_page_of_a_kind_has_every_setting(kind: str) -> None:
    own, shared = (
        rows(text(f"docs/carriers/{page}.md").partition("\n## Settings")[2].partition("\n##")[0])
        for page in (kind, "http")
    )
    settings = fields(registry.adapter(kind).settings)
    documented = own if kind == "smpp" else shared | own
    for field in settings:
        if (kind, field.name) not in ELSEWHERE:
            assert documented[field.name][0].strip("`") == default_of(field), field.name
    assert set(documented) == {field.name for field in settings}


def default_of(field: Field[Any]) -> str:
    """A default as people write it in the settings file."""
    if field.default_factory is not MISSING:
        return "none"
    match field.default:
        case value if value is MISSING:
            return "required"
        case "":
            return "none"
        case bool(value):
            return str(value).lower()
        case ReceiptLevel() as level:
            return level.name.lower()
        case value:
            return str(value).removeprefix("UTC")


def test_every_path_of_the_api_page_exists(sqlite_url: str) -> None:
    db = Database(sqlite_url)
    try:
        paths = described(create_app(Settings(), db))["paths"]
    finally:
        db.close()
    there = {
        (verb.upper(), re.sub(r"{\w+}", "{id}", path)) for path, verbs in paths.items() for verb in verbs
    }
    named = re.findall(r"\b(GET|POST|PUT|DELETE)\s+(/[a-z/{}0-9-]+)", text("docs/api.md"))
    assert len(named) > 10
    assert {(verb, "/v1" + re.sub(r"\d+|{\w+}", "{id}", path)) for verb, path in named} <= there


def test_the_example_of_settings_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    links = tomllib.loads(text("loa.example.toml"))["links"]
    monkeypatch.setenv("LOA_CONFIG", str(ROOT / "loa.example.toml"))
    for link in links:
        monkeypatch.setenv(f"LOA_LINKS__{link.upper()}__PASSWORD", "invented")
    settings = load()
    built = [registry.build(link.kind, link.options(name)) for name, link in settings.links.items()]
    assert sorted(each.name for each in built) == sorted(links)
    assert {link.carrier for link in settings.links.values()} == {"viettel", "vnpt", "mobifone"}


def test_nothing_that_is_shipped_has_a_password() -> None:
    """Who installs Loa makes each by himself: without these files and variables nothing starts."""
    compose = yaml.safe_load(text("compose.yaml"))
    made = {name: entry["file"] for name, entry in compose["secrets"].items()}
    assert set(made) >= {"postgres_password", "loa_owner_password", "loa_password", "loa_secret_key"}
    assert not [file for file in made.values() if (ROOT / file).exists()]
    said = [
        entry for each in compose["services"].values() for entry in (each.get("environment") or {}).items()
    ]
    secret = re.compile("PASSWORD|SECRET|TOKEN|_KEY|DATABASE_URL", re.IGNORECASE)
    assert [name for name, value in said if secret.search(name) and not str(value).startswith("/run/")] == []
    example = text("loa.example.toml")
    assert [
        line for line in example.splitlines() if re.match(r"\w*(password|secret|token|key)\w* *=", line)
    ] == []
    assert not secret.search(" ".join(re.findall("^ENV .*", text("Dockerfile"), re.MULTILINE)))


def test_what_builds_loa_is_locked_and_nothing_is_fetched_beside_the_lock() -> None:
    backend = tomllib.loads(text("pyproject.toml"))["build-system"]["requires"]
    locked = set(re.findall(r"^([a-z0-9_.-]+)(?:\[[^]]*\])?==\S+", text("requirements.lock"), re.MULTILINE))
    assert {re.split("[<>=~!]", each)[0] for each in backend} <= locked
    for file in ("Makefile", "Dockerfile"):
        steps = re.split(r"\n|&&", text(file).replace("\\\n", " "))
        builds = [step for step in steps if re.search(r"--editable \.|--wheel-dir /wheels \.", step)]
        assert builds
        assert [
            step for step in builds if not {"--no-build-isolation", "--no-deps"} <= set(step.split())
        ] == []
        named = [step for step in steps if re.search(r"(install|wheel|:=) .*\.lock", step)]
        assert named
        assert [step for step in named if "--require-hashes" not in step] == []


def test_compose_runs_commands_that_exist_with_settings_that_exist() -> None:
    services = yaml.safe_load(text("compose.yaml"))["services"]
    own = {key: each for key, each in services.items() if each.get("image") == "loa"}
    assert set(own) == {"migrate", "api", "worker"}
    for service in own.values():
        assert known(service["command"])
        named = {each.removeprefix("LOA_").lower().partition("__")[0] for each in service["environment"]}
        assert named <= {*Settings.model_fields, "config", "secrets_dir"}
        assert set(service["secrets"]) <= {f"loa_{field}" for field in Settings.model_fields}
        assert service["read_only"] is True


def test_every_page_stands_in_the_index() -> None:
    """Translations have their own places."""
    index, listed = ROOT / "docs/README.md", re.compile(r"\]\(([^)#]+)\)")
    there = {(index.parent / each).resolve() for each in listed.findall(index.read_text("utf-8"))}
    left_out = [name(each) for each in PAPERS if each not in there and each != index]
    assert [each for each in left_out if not re.search(r"tutorials/\w+\.vi", each)] == []


def test_every_decision_has_its_number_once() -> None:
    pages = text("docs/decisions.md") + text("docs/decisions-archive.md")
    told = re.findall(r"^(?:### |\*\*)(\d+)\. ", pages, re.MULTILINE)
    for line in re.findall(r"^\*\*\D+: (.+)", pages, re.MULTILINE):  # those that have no paragraph
        told += re.findall(r"(?:^|, )(\d+) ", line)
    numbers = sorted(map(int, told))
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_place_of_the_map_exists() -> None:
    plan = re.search(r"## Map\n```\n(.*?)```", text("docs/architecture.md"), re.DOTALL)
    assert plan is not None
    top = ""
    for line in plan[1].splitlines():
        for place in re.findall(r"(?:^| {2,}|(?<=/) )([a-z_]+)/", line):
            top = place if line.startswith(place) else top
            assert (ROOT / top / ("" if place == top else place)).is_dir(), f"{top}/{place}"


@cache
def tracked() -> list[Path]:
    """The files of the repository."""
    folders = ("app", "carriers", "docs", "loa_client", "messages", "migrations", "tests")
    return [*ROOT.glob("*.md"), *(file for folder in folders for file in (ROOT / folder).rglob("*.[mp][dy]"))]


def test_every_file_that_a_paper_names_exists() -> None:
    """`pages/run_pages.py`, `routers.py`: named from any folder on. What the changelog names may be gone."""
    files = [path.relative_to(ROOT).as_posix() for path in tracked()]
    gone = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in tracked()
        if path.suffix == ".md" and path.name != "CHANGELOG.md"
        for name in re.findall(r"`([\w/]+\.py)`", path.read_text("utf-8"))
        if not any(file == name or file.endswith(f"/{name}") for file in files)
    ]
    assert gone == []


def test_one_sms_is_followed_through_functions_that_exist() -> None:
    table = text("docs/architecture.md").partition("## Follow one SMS")[2].partition("\n## ")[0]
    steps = re.findall(r"^\|[^|]+\| `(\S+)` \| `(\w+)` \|", table, re.MULTILINE)
    assert len(steps) == len(re.findall(r"^\| (?!Step)\w", table, re.MULTILINE)) > 20
    for file, function in steps:
        assert re.search(rf"\bdef {function}\(", text(file)), f"{file} has no {function}"
