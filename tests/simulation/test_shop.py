"""The call itself: the same bytes, other people, nothing overwritten, nothing half-written."""

import hashlib
import json
from pathlib import Path

import duckdb
import pytest

from ingestion.contract import TABLES
from simulation import params
from simulation.params import Params
from simulation.shop import simulate

PEOPLE, DAYS = 350, 70


def _several_chunks() -> Params:
    """Return the usual numbers with chunks so small that 350 people take four."""
    numbers = params.load()
    shop = numbers.shop.model_copy(update={"people_per_chunk": 100})
    return numbers.model_copy(update={"shop": shop})


def _hashes(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def _addresses(folder: Path) -> set[str]:
    file = str(folder / "truth" / "people.parquet")
    return {row[0] for row in duckdb.sql(f"select email from read_parquet('{file}')").fetchall()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    simulate(PEOPLE, DAYS, 5, folder, params=_several_chunks())
    return folder


def test_the_same_call_writes_the_same_bytes(made: Path, tmp_path: Path) -> None:
    simulate(PEOPLE, DAYS, 5, tmp_path, params=_several_chunks())
    assert _hashes(tmp_path) == _hashes(made)


def test_another_seed_is_another_shop(made: Path, tmp_path: Path) -> None:
    simulate(PEOPLE, DAYS, 6, tmp_path, params=_several_chunks())
    assert not _addresses(made) & _addresses(tmp_path)


def test_every_person_is_simulated_once_whatever_the_chunks(made: Path) -> None:
    file = str(made / "truth" / "people.parquet")
    ids = duckdb.sql(f"select person_id from read_parquet('{file}') order by 1").fetchall()
    assert [row[0] for row in ids] == [f"p{number:08d}" for number in range(PEOPLE)]
    assert len(_addresses(made)) == PEOPLE


def test_all_nine_tables_are_there_and_the_summary_counts_their_rows(made: Path) -> None:
    assert {folder.name for folder in (made / "landing").iterdir()} == set(TABLES)
    summary = json.loads((made / "truth" / "summary.json").read_text(encoding="utf-8"))
    assert summary["as_of"] == "2026-01-01T00:00:00+00:00"
    assert (summary["profiles"], summary["days"], summary["seed"]) == (PEOPLE, DAYS, 5)
    files = str(made / "landing" / "consents" / "*.parquet")
    counted = duckdb.sql(f"select count(*) from read_parquet('{files}')").fetchall()
    assert counted == [(summary["rows"]["consents"],)]


def test_a_call_that_was_made_before_changes_nothing(made: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in made.rglob("*")}
    again = simulate(PEOPLE, DAYS, 5, made, params=_several_chunks())
    assert again.profiles == PEOPLE
    assert {file: file.stat().st_mtime_ns for file in made.rglob("*")} == before


def test_a_folder_of_another_shop_is_left_alone(made: Path) -> None:
    before = _hashes(made)
    with pytest.raises(FileExistsError, match=r"profiles=350, days=70, seed=5"):
        simulate(PEOPLE, DAYS, 99, made, params=_several_chunks())
    assert _hashes(made) == before


def test_a_landing_folder_of_real_files_is_left_alone(tmp_path: Path) -> None:
    real = tmp_path / "landing" / "contacts" / "contacts.csv"
    real.parent.mkdir(parents=True)
    real.write_text("contact_id\n1\n", encoding="utf-8")
    with pytest.raises(FileExistsError, match="not made by a simulation"):
        simulate(10, 5, 1, tmp_path)
    assert real.read_text(encoding="utf-8") == "contact_id\n1\n"


def test_a_folder_called_truth_that_is_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match="truth"):
        simulate(10, 5, 1, tmp_path)
    assert (tmp_path / "truth" / "notes.txt").exists()


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path) -> None:
    rest = tmp_path / ".simulation.part" / "landing" / "orders"
    rest.mkdir(parents=True)
    (rest / "half.parquet").write_bytes(b"PAR1")
    simulate(10, 5, 1, tmp_path)
    assert {each.name for each in tmp_path.iterdir()} == {"landing", "truth"}


def test_a_run_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(what: str, done: int, total: int) -> None:
        if done:
            raise RuntimeError("the terminal is gone")

    with pytest.raises(RuntimeError, match="terminal"):
        simulate(10, 5, 1, tmp_path, fail)
    assert list(tmp_path.iterdir()) == []


def test_progress_rises_to_the_number_of_people(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    simulate(
        PEOPLE,
        20,
        5,
        tmp_path,
        lambda _, done, total: told.append((done, total)),
        _several_chunks(),
    )
    assert told == [(0, 350), (100, 350), (200, 350), (300, 350), (350, 350)]


@pytest.mark.parametrize(
    ("profiles", "days", "seed", "word"),
    [(0, 5, 1, "profiles"), (5, 0, 1, "days"), (5, 4_000, 1, "days"), (5, 5, -1, "seed")],
)
def test_arguments_out_of_range_are_named(
    tmp_path: Path, profiles: int, days: int, seed: int, word: str
) -> None:
    with pytest.raises(ValueError, match=f"{word} must"):
        simulate(profiles, days, seed, tmp_path / "shop")
    assert not (tmp_path / "shop").exists()


@pytest.mark.parametrize(("profiles", "days"), [(1, 1), (1, 400), (40, 3)])
def test_the_smallest_shops_work_too(tmp_path: Path, profiles: int, days: int) -> None:
    assert simulate(profiles, days, 3, tmp_path).profiles == profiles
