"""The rules of the house, checked by a machine: who may know whom, and who may know the time.

Rooms are the folders at the root; models are read from dbt's own reading of the project.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pytest
from dbt.cli.main import dbtRunner

from orchestration.publication import FACTS

ROOT = Path(__file__).resolve().parents[1]

PYTHON_ROOMS = (
    "ingestion",
    "expectations",
    "ml",
    "reverse_etl",
    "orchestration",
    "simulation",
    "benchmarks",
    "reports",
)
ROOMS = (*PYTHON_ROOMS, "dbt_project", "tests")

# Rooms are named by the question that they answer; these names answer none.
NAMES_WITHOUT_A_MEANING = {"utils", "common", "helpers", "lib", "misc", "scripts", "notebooks"}

# What tests need besides the rooms that they mirror: a second reading of the definitions, to
# compare builds with, and the services that they pretend to speak to.
TEST_FOLDERS_OF_THEIR_OWN = {"oracle", "fakes"}


def python_files(*rooms: str) -> Iterator[Path]:
    for room in rooms:
        yield from sorted((ROOT / room).rglob("*.py"))


def of_root(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# Folders and imports


def test_the_import_contracts_of_the_rooms_are_kept() -> None:
    linter = Path(sys.executable).with_name("lint-imports")

    run = subprocess.run(
        [linter, "--no-cache", "--config", "pyproject.toml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr


def test_no_file_or_folder_has_a_name_without_a_meaning() -> None:
    root_entries = [path for path in ROOT.iterdir() if not path.name.startswith(".")]
    inside = [path for room in ROOMS for path in (ROOT / room).rglob("*")]

    assert [
        of_root(path)
        for path in [*root_entries, *inside]
        if "__pycache__" not in path.parts and path.stem.lower() in NAMES_WITHOUT_A_MEANING
    ] == []


def test_every_folder_with_python_at_the_root_is_a_room() -> None:
    folders = {
        path.parent.name for path in ROOT.glob("*/*.py") if not path.parent.name.startswith(".")
    }

    assert folders <= set(ROOMS)


def test_tests_mirror_the_rooms() -> None:
    folders = {path.name for path in (ROOT / "tests").iterdir() if (path / "__init__.py").exists()}
    rooms_with_code = {
        room for room in PYTHON_ROOMS if any(p.name != "__init__.py" for p in python_files(room))
    }
    rooms_with_tests = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}

    assert folders <= {*ROOMS, *TEST_FOLDERS_OF_THEIR_OWN}
    assert rooms_with_code - rooms_with_tests == set()


# What code reads: the environment, the clock, chance


class Reading(NamedTuple):
    """A name as code has it, `datetime.now`, and where."""

    place: str
    name: str
    has_arguments: bool


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` for a chain of attributes of a name, else an empty text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return ""


def readings(source: str, place: str) -> Iterator[Reading]:
    """Yield every name that the code reads, imports of a module's parts resolved to the module.

    `from time import time as clock; clock()` is `time.time`, and so is `import time as t; t.time`.
    """
    tree = ast.parse(source)
    origins: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            origins |= {a.asname: a.name for a in node.names if a.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            origins |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    called = {id(n.func): n for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and (name := dotted(node)):
            first, _, rest = name.partition(".")
            full = ".".join(filter(None, (origins.get(first, first), rest)))
            call = called.get(id(node))
            yield Reading(
                f"{place}:{node.lineno}", full, bool(call and (call.args or call.keywords))
            )


def offences(
    is_offence: Callable[[Reading], bool], rooms: tuple[str, ...], *, but: tuple[str, ...] = ()
) -> list[str]:
    return [
        f"{reading.place} reads {reading.name}"
        for path in python_files(*rooms)
        if of_root(path) not in but
        for reading in readings(path.read_text(encoding="utf-8"), of_root(path))
        if is_offence(reading)
    ]


def reads_the_environment(reading: Reading) -> bool:
    return reading.name in {"os.environ", "os.environb", "os.getenv", "os.getenvb"}


def reads_the_clock(reading: Reading) -> bool:
    """Tell the time of day from stopwatches, which may measure how long something takes."""
    owner, _, name = reading.name.rpartition(".")
    if owner == "time":
        return name in {"time", "time_ns", "gmtime", "localtime", "ctime", "strftime"}
    return name in {"now", "utcnow", "today"} and owner.rpartition(".")[2] in {
        "datetime",
        "date",
        "Timestamp",
    }


def reads_unseeded_chance(reading: Reading) -> bool:
    module, _, name = reading.name.rpartition(".")
    if module in {"numpy.random", "np.random"}:
        # Generators are made of a seed; the module's own functions share a hidden one.
        is_type = name[:1].isupper() or name == "bit_generator"
        return not is_type and not (name == "default_rng" and reading.has_arguments)
    return (
        module in {"random", "secrets"} and not (name == "Random" and reading.has_arguments)
    ) or reading.name in {"uuid.uuid1", "uuid.uuid4", "os.urandom"}


ASIDE_FROM_ORCHESTRATION = tuple(room for room in PYTHON_ROOMS if room != "orchestration")


def test_only_the_resources_read_the_environment() -> None:
    assert offences(reads_the_environment, PYTHON_ROOMS, but=("orchestration/resources.py",)) == []


def test_only_orchestration_knows_what_time_it_is() -> None:
    assert offences(reads_the_clock, ASIDE_FROM_ORCHESTRATION) == []


def test_only_orchestration_leaves_anything_to_chance() -> None:
    assert offences(reads_unseeded_chance, ASIDE_FROM_ORCHESTRATION) == []


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (reads_the_environment, "import os\nos.environ['X']"),
        (reads_the_environment, "from os import getenv as setting\nsetting('X')"),
        (reads_the_clock, "from datetime import UTC, datetime\ndatetime.now(tz=UTC)"),
        (reads_the_clock, "import datetime as dt\ndt.datetime.utcnow()"),
        (reads_the_clock, "from datetime import date\ndate.today()"),
        (reads_the_clock, "import time\nprint(time.time())"),
        (reads_the_clock, "from time import time as clock\nclock()"),
        (reads_the_clock, "import time\ndef f(clock=time.time): ..."),
        (reads_the_clock, "import pandas as pd\npd.Timestamp.now()"),
        (reads_unseeded_chance, "import numpy as np\nnp.random.default_rng()"),
        (reads_unseeded_chance, "import numpy as np\nnp.random.normal(1)"),
        (reads_unseeded_chance, "import random\nrandom.random()"),
        (reads_unseeded_chance, "from uuid import uuid4\nuuid4()"),
    ],
)
def test_the_rules_see_what_they_forbid(rule: Callable[[Reading], bool], source: str) -> None:
    assert any(rule(reading) for reading in readings(source, "example"))


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (reads_the_environment, "environ = handed_in['environ']"),
        (reads_the_clock, "import time\ntime.perf_counter(); time.sleep(1)"),
        (reads_the_clock, "event.time; schedule.today"),
        (reads_unseeded_chance, "import numpy as np\nnp.random.default_rng(seed)"),
        (reads_unseeded_chance, "import numpy as np\ndef f(rng: np.random.Generator): ..."),
        (reads_unseeded_chance, "import random\nrandom.Random(7)"),
    ],
)
def test_the_rules_let_pass_what_is_handed_in(rule: Callable[[Reading], bool], source: str) -> None:
    assert [reading for reading in readings(source, "example") if rule(reading)] == []


# Models


LAYERS = ("staging", "intermediate", "marts", "sync")

# dim, fct, rpt and ftr say what a mart is. `profile_` is one row per profile beside the dimension:
# scores, and the wide models that the segment rules are written over.
MODEL_NAMES = {
    "staging": r"stg_{folder}__[a-z_]+",
    "intermediate": r"int_[a-z_]+",
    "marts": r"(dim|fct|rpt|ftr|profile)_[a-z_]+",
    "sync": r"sync_[a-z_]+",
}

THE_CLOCK_IN_SQL = re.compile(
    r"\b(current_date|current_time|current_timestamp|localtime|localtimestamp|sysdate)\b"
    r"|\b(now|today|getdate|get_current_time|get_current_timestamp|transaction_timestamp)\s*\(",
    re.IGNORECASE,
)

Node = Mapping[str, Any]


class Project(NamedTuple):
    """The models as dbt has read them, with everything that they depend on."""

    models: list[Node]
    nodes: Mapping[str, Node]
    macros: list[Node]

    def parents(self, node: Node) -> list[Node]:
        return [self.nodes[name] for name in node.get("depends_on", {}).get("nodes", [])]

    def ancestors(self, node: Node) -> dict[str, Node]:
        """Return everything upstream, by unique id."""
        found: dict[str, Node] = {}
        waiting = self.parents(node)
        while waiting:
            parent = waiting.pop()
            if parent["unique_id"] not in found:
                found[parent["unique_id"]] = parent
                waiting += self.parents(parent)
        return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Let dbt parse the project at the root, without a warehouse and without a trace there."""
    target = tmp_path_factory.mktemp("target")
    result = dbtRunner().invoke(
        [
            "--quiet",
            "parse",
            "--no-partial-parse",
            *("--project-dir", str(ROOT)),
            *("--profiles-dir", str(ROOT)),
            *("--target-path", str(target)),
            *("--log-path", str(target)),
        ]
    )
    assert result.success, result.exception
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    nodes = manifest["nodes"] | manifest["sources"]
    return Project(
        models=[n for n in manifest["nodes"].values() if n["resource_type"] == "model"],
        nodes=nodes,
        macros=[m for m in manifest["macros"].values() if m["package_name"] == "mailmart"],
    )


def layer(model: Node) -> str:
    return str(model["fqn"][1])


def is_score(node: Node) -> bool:
    return node["name"] == "profile_scores" or "ml" in node["fqn"][1:-1]


def test_dbt_has_models_in_every_layer(project: Project) -> None:
    assert {layer(model) for model in project.models} == set(LAYERS)


def test_refs_go_from_staging_to_sync_and_never_back(project: Project) -> None:
    assert [
        f"{model['name']} reads {parent['name']}"
        for model in project.models
        for parent in project.parents(model)
        if parent["resource_type"] == "model"
        # The record of a build is written when all of it is there, also what is delivered.
        and model["name"] != "fct_builds"
        and (
            LAYERS.index(layer(parent)) > LAYERS.index(layer(model))
            # Staging is one model per source, side by side.
            or layer(model) == layer(parent) == "staging"
        )
    ] == []


def test_only_staging_reads_what_the_other_rooms_have_written(project: Project) -> None:
    assert [
        f"{model['name']} reads {parent['source_name']}.{parent['name']}"
        for model in project.models
        for parent in project.parents(model)
        if parent["resource_type"] == "source"
        and parent["schema"] in {"raw", "ml", "reverse_etl"}
        and layer(model) != "staging"
    ] == []


def test_features_never_see_a_score(project: Project) -> None:
    features = [model for model in project.models if model["fqn"][1:3] == ["marts", "features"]]

    assert features
    assert [
        f"{model['name']} depends on {parent['name']}"
        for model in features
        for parent in project.ancestors(model).values()
        if is_score(parent)
    ] == []


def test_only_suppression_and_delivery_marts_read_receipts(project: Project) -> None:
    readers = {
        model["name"]: model
        for model in project.models
        for parent in project.parents(model)
        if parent["fqn"][1:3] == ["staging", "esp"] and parent["resource_type"] == "model"
    }

    assert readers
    assert [
        name
        for name, model in readers.items()
        if "suppressed" not in name and model["fqn"][1:3] != ["marts", "delivery"]
    ] == []


def test_every_public_model_has_an_enforced_contract(project: Project) -> None:
    assert [
        model["name"]
        for model in project.models
        if layer(model) in {"marts", "sync"} and not model["config"]["contract"]["enforced"]
    ] == []


def test_every_model_is_described(project: Project) -> None:
    assert [model["name"] for model in project.models if not model["description"].strip()] == []


def test_every_column_of_a_public_model_is_described(project: Project) -> None:
    public = [model for model in project.models if layer(model) in {"marts", "sync"}]

    assert [model["name"] for model in public if not model["columns"]] == []
    assert [
        f"{model['name']}.{column['name']}"
        for model in public
        for column in model["columns"].values()
        if not column["description"].strip()
    ] == []


def test_what_is_private_has_a_reader(project: Project) -> None:
    read = {
        name
        for node in project.nodes.values()
        for name in node.get("depends_on", {}).get("nodes", [])
    }

    assert [
        name
        for name, node in project.nodes.items()
        if node["resource_type"] in {"model", "seed"}
        and (node["resource_type"] == "seed" or layer(node) in {"staging", "intermediate"})
        and name not in read
    ] == []


def returned(project: Project, name: str) -> Any:
    """Return what a macro without arguments returns."""

    class Returned(Exception):
        """Carries a value out of a template, as dbt does."""

    def give(value: object) -> None:
        raise Returned(value)

    (macro,) = (macro for macro in project.macros if macro["name"] == name)
    templates = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=True)
    templates.globals["return"] = give
    for other in re.findall(r"(\w+)\(\)", macro["macro_sql"]):
        if other != name:
            templates.globals[other] = lambda other=other: returned(project, other)
    try:
        getattr(templates.from_string(macro["macro_sql"]).module, name)()
    except Returned as result:
        return result.args[0]
    raise AssertionError(f"{name} returned nothing")


def test_what_tests_and_the_publication_look_at_is_told_by_the_same_changes(
    project: Project,
) -> None:
    """Both read of a view what a build has changed, and each has a list of its own."""
    narrowed = returned(project, "narrowed_relations")
    noted = returned(project, "noted_models")
    published = {table: fact for (schema, table), fact in FACTS.items() if schema == "marts"}

    for view in narrowed.keys() - noted.keys():
        time, models = narrowed[view]
        assert published[view].time == time, view
        # The publication also writes anew what changes in no key.
        assert set(models) <= set(published[view].changes or ()), view
    for view, fact in published.items():
        assert set(fact.changes or ()) <= noted.keys(), view
        assert fact.changes is None or view in narrowed, view


def test_every_macro_has_a_caller(project: Project) -> None:
    called = {
        name
        for node in (*project.nodes.values(), *project.macros)
        for name in node.get("depends_on", {}).get("macros", [])
    }
    # dbt itself calls its hooks; what a dispatch finds is called after its engine.
    called_by_dbt = (
        r"generate_schema_name|create_missing_tables|(begin|finish)_build|note_end"
        r"|should_full_refresh|get_incremental_.*_sql|.*__.*"
    )

    assert [
        macro["name"]
        for macro in project.macros
        if macro["unique_id"] not in called and not re.fullmatch(called_by_dbt, macro["name"])
    ] == []


def test_models_are_named_after_their_layer(project: Project) -> None:
    assert [
        model["name"]
        for model in project.models
        if not re.fullmatch(MODEL_NAMES[layer(model)].format(folder=model["fqn"][2]), model["name"])
    ] == []


def test_relations_of_sync_carry_no_prefix(project: Project) -> None:
    assert [
        model["name"]
        for model in project.models
        if layer(model) == "sync" and model["alias"] != model["name"].removeprefix("sync_")
    ] == []


def sql_of(code: str) -> str:
    """Return the code without comments, of Jinja and of SQL."""
    return re.sub(r"\{#.*?#\}|--[^\n]*|/\*.*?\*/", " ", code, flags=re.DOTALL)


def test_no_model_reads_the_clock(project: Project) -> None:
    code = {model["name"]: model["raw_code"] for model in project.models}
    code |= {macro["name"]: macro["macro_sql"] for macro in project.macros}

    assert [
        f"{name} has {found.group()}"
        for name, text in code.items()
        if (found := THE_CLOCK_IN_SQL.search(sql_of(text)))
    ] == []


@pytest.mark.parametrize(
    ("code", "is_clock"),
    [
        ("select now()", True),
        ("where day < CURRENT_DATE", True),
        ("select current_timestamp as built_at", True),
        ("select known_now, current_date_of_order", False),
        ("select 1 -- never now()", False),
        ("{# not current_date #} select 1", False),
    ],
)
def test_the_clock_is_seen_in_sql(code: str, is_clock: bool) -> None:
    assert bool(THE_CLOCK_IN_SQL.search(sql_of(code))) is is_clock
