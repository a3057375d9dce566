"""The models hold no SQL that only DuckDB knows, outside of the macros that are there for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
import yaml

from tests.dbt_project.building import ROOT, Project
from tests.dbt_project.dialects import DIALECTS, foreign_to
from tests.dbt_project.warehouses import WAREHOUSES, Compiled, Compiler, Warehouse, with_stand_ins

AS_OF = datetime(2026, 1, 1)  # noqa: DTZ001 - naive times are UTC here
OURS = frozenset({"mailmart_keys.keyed_hash"})

each_warehouse = pytest.mark.parametrize("warehouse", WAREHOUSES, ids=lambda one: one.name)
each_dialect = pytest.mark.parametrize("dialect", DIALECTS)


@pytest.fixture(scope="module")
def compilers(project: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Compiler]:
    return {
        one.name: with_stand_ins(project.manifest, one, tmp_path_factory.mktemp(one.name))
        for one in WAREHOUSES
    }


@pytest.fixture(scope="module")
def compiled(compilers: dict[str, Compiler]) -> dict[str, Compiled]:
    """All SQL of the project, for each warehouse."""
    return {name: compiler.compile(AS_OF) for name, compiler in compilers.items()}


def foreign_in(warehouse: Warehouse, compiled: Compiled) -> dict[str, list[str]]:
    dialect = DIALECTS[warehouse.name]
    found = {name: foreign_to(dialect, sql, OURS) for name, sql in compiled.queries()}
    return {name: said for name, said in found.items() if said}


@each_warehouse
def test_every_query_is_known_to_the_warehouse(
    warehouse: Warehouse, compiled: dict[str, Compiled]
) -> None:
    assert foreign_in(warehouse, compiled[warehouse.name]) == {}


@each_warehouse
def test_every_model_and_data_test_is_compiled(
    project: Project, warehouse: Warehouse, compiled: dict[str, Compiled]
) -> None:
    nodes = project.manifest.nodes.values()

    assert set(project.models) <= set(compiled[warehouse.name].models)
    assert {node.name for node in nodes if node.resource_type == "test"} == set(
        compiled[warehouse.name].tests
    )
    assert all(sql.strip() for _, sql in compiled[warehouse.name].queries())


@each_dialect
def test_incremental_models_grow_in_a_way_that_the_warehouse_has(
    project: Project, dialect: str
) -> None:
    strategies = {
        name: model.config.incremental_strategy
        for name, model in project.models.items()
        if model.config.materialized == "incremental" and model.config.incremental_strategy
    }

    assert strategies
    # Ours is for DuckDB alone: continued_strategy names another one elsewhere.
    assert set(strategies.values()) - {"replace_touched"} <= DIALECTS[dialect].strategies


@each_dialect
def test_no_target_but_the_chosen_one_asks_for_its_settings(dialect: str) -> None:
    profile = yaml.safe_load((ROOT / "profiles.yml").read_text(encoding="utf-8"))["mailmart"]

    assert profile["target"] == "local"
    asked = re.findall(r"env_var\('(\w+)'\)", str(profile["outputs"][dialect]))
    assert asked
    assert all(name.removeprefix("DBT_ENV_SECRET_").startswith("MAILMART_") for name in asked)
    secrets = {"password", "private_key_passphrase", "token"} & set(profile["outputs"][dialect])
    assert all("DBT_ENV_SECRET_" in profile["outputs"][dialect][name] for name in secrets)
    assert "env_var" not in str(profile["outputs"]["local"]).replace("env_var('MAILMART_WARE", "")


# That the check sees what it is there for


@contextmanager
def planted(project: Project, model: str, old: str, new: str) -> Iterator[None]:
    """Change the code of a model for a while."""
    node = project.models[model]
    before = node.raw_code
    assert before.count(old) == 1
    node.raw_code = before.replace(old, new)
    try:
        yield
    finally:
        node.raw_code = before


@each_warehouse
@pytest.mark.parametrize(
    ("model", "old", "new", "found"),
    [
        (
            "int_profiles__browsed",
            "max(last_visited_at)",
            "arg_max(last_visited_at, last_visited_at)",
            "function arg_max",
        ),
        ("int_visitors__identified", "left join", "asof left join", "asof join"),
        ("stg_crm__contacts", "birth_date,", "birth_date::date as birth_date,", "::"),
    ],
)
def test_what_only_duckdb_knows_is_found_in_the_model_that_has_it(
    project: Project,
    compilers: dict[str, Compiler],
    warehouse: Warehouse,
    model: str,
    old: str,
    new: str,
    found: str,
) -> None:
    with planted(project, model, old, new):
        (sql,) = compilers[warehouse.name].compile_models(AS_OF, model).values()

    assert any(found in said for said in foreign_to(DIALECTS[warehouse.name], sql))


@each_dialect
@pytest.mark.parametrize(
    "sql",
    [
        "select arg_max(a, b) from t",
        "select a from t where epoch_us(b) > 1",
        "select list_aggregate(a, 'sum') from t",
        "select string_agg(a, ',') from t",
        "select a from range(10) as t",
        "select unnest(a) from t",
        "select count() from t",
        "select a.lower() from t",
        "select [1, 2] as a",
        "select {'a': 1} as a",
        "select a[1] from t",
        "select list_transform(a, b -> b + 1) from t",
        "select * exclude (a) from t",
        "select * replace (1 as a) from t",
        "select columns('a.*') from t",
        "select distinct on (a) a, b from t",
        "from t select a",
        "select a from (from t)",
        "select a from t asof join u on t.a = u.a and t.b >= u.b",
        "select a from t semi join u on t.a = u.a",
        "select a from t positional join u",
        "select sum(a) filter (where b) from t",
        "select a from t using sample 10",
        "select a::date from t",
        "select cast(a as hugeint) from t",
        "select cast(a as float) from t",
        "select try_cast(a as date) from t",
        "select a + interval 1 day from t",
        "select date '2026-01-01' + to_days(1)",
        "select a ~ 'b' from t",
        "select a ** 2 from t",
        "select strftime(a, '%Y') from t",
        "select a->>'$.b' from t",
        "select getvariable('a')",
        "select row_number() over (order by a desc) from t",
        "select sum(a) as a from t group by b having sum(a) > 0",
        "pivot t on a",
        "summarize t",
    ],
)
def test_what_only_duckdb_knows_is_found(dialect: str, sql: str) -> None:
    assert foreign_to(DIALECTS[dialect], sql) != []


@pytest.mark.parametrize(
    ("dialect", "sql", "found"),
    [
        ("snowflake", "select sum(a) over w from t window w as (order by b)", "does not parse"),
        ("snowflake", "select first_value(a ignore nulls) over (order by b asc nulls last) from t",
         "ignore nulls inside the parentheses"),
        ("bigquery", "select first_value(a) ignore nulls over (order by b asc nulls last) from t",
         "ignore nulls behind the parentheses"),
        ("databricks", "select first_value(a ignore nulls) over (order by b asc nulls last) from t",
         "ignore nulls inside the parentheses"),
        ("snowflake", "select 1 as start", "the reserved word start as a name"),
        ("bigquery", "select 1 as rows", "the reserved word rows as a name"),
        ("bigquery", "with groups as (select 1 as a) select a from groups",
         "the reserved word groups as a name"),
        ("bigquery", "select a from t union select a from u", "does not parse"),
        ("bigquery", "select 1 as a where 1 = 2", "where without from"),
        ("bigquery", "select cast(a as double) from t", "type double"),
        ("bigquery", "select cast(a as varchar) from t", "type varchar"),
        ("bigquery", 'select "a" from t', 'the name a in double quotes, a string'),
        ("databricks", "create table t (a varchar)", "type varchar"),
        ("databricks", "select a from t where b = \"c\"", "the name c in double quotes, a string"),
        ("snowflake", "create table t (a json)", "type json"),
        ("snowflake", "select dateadd(hour, 1, a) at time zone 'UTC' from t", "at time zone"),
    ],
)  # fmt: skip
def test_what_the_warehouses_read_otherwise_is_found(dialect: str, sql: str, found: str) -> None:
    assert any(found in said for said in foreign_to(DIALECTS[dialect], sql))


@each_dialect
def test_plain_sql_is_foreign_to_nobody(dialect: str) -> None:
    sql = """
        with recent as (
            select
                a,
                cast(b as decimal(18, 2)) as b,
                row_number() over (partition by a order by b desc nulls last) as b_rank
            from t
            where a in ('x', 'y') and c is not distinct from d
        )
        select recent.a, sum(recent.b) as total
        from recent
        left join u on recent.a = u.a
        group by recent.a
        having count(*) > 1
        union all
        select a, coalesce(b, 0) as total from v
    """

    assert foreign_to(DIALECTS[dialect], sql) == []
