"""`mailmart sync`: the delivery alone, its doors, its brakes and what it does when it cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.webhook import SECRET, FakeWebhook
from tests.orchestration.checkout import Checkout, Ended, Place, small_disk
from tests.orchestration.conftest import FirstRun
from tests.orchestration.shop import FIRST_DELIVERY, TUESDAY, WEDNESDAY

LEDGER = """
    select 'profile', profile_id, null from reverse_etl.acknowledged_profiles
    union all select 'member', profile_id, segment from reverse_etl.acknowledged_members
    union all select 'suppression', profile_id, reason from reverse_etl.acknowledged_suppressions
    order by all
"""


def find_link(page: str, ending: str) -> str:
    (link,) = re.findall(rf'<a href="([^"]*{re.escape(ending)})">', page)
    return str(link)


def test_nobody_is_told_of_people_who_may_have_said_no_since_the_last_build(built: Place) -> None:
    before = built.deliveries()
    built.change(
        "insert into raw.consents (email, purpose, status, recorded_at, _loaded_at) values "
        "('ada@tuesday.example', 'email_marketing', 'withdrawn', '2026-03-03', '2999-01-01')"
    )

    ended = built.sync()

    assert ended.status == 3
    assert "marts_older_than_raw: 1 row in raw.consents came after the newest build" in (
        ended.last_line
    )
    assert "build the marts with `mailmart run`" in ended.last_line
    assert built.deliveries() == before
    report = re.search(r"^The report is (/\S+/index\.html)$", ended.err, re.MULTILINE)
    assert report is not None
    page = Path(report[1]).read_text(encoding="utf-8")
    assert "This run did not end well: " in page
    assert "marts_older_than_raw: 1 row in raw.consents came after the newest build" in page
    assert (Path(report[1]).parent / find_link(page, "before_delivery.html")).is_file()


@pytest.mark.slow
def test_a_sync_after_a_run_has_nothing_to_send(built: Place) -> None:
    before = built.deliveries()

    ended = built.sync()

    assert ended.status == 0, ended.err
    assert ended.out == "file: nothing to send; it is up to date\n"
    assert built.deliveries() == before


@pytest.mark.slow
def test_a_warehouse_in_which_nothing_was_built_has_nothing_to_deliver(built: Place) -> None:
    built.change("drop schema marts cascade", *(f"delete from raw.{t}" for t in ("consents",)))
    built.change("delete from raw.email_events")

    ended = built.sync()

    assert ended.status == 1
    assert "nothing was built in this warehouse yet; run `mailmart run` first" in ended.last_line
    assert "Traceback" not in ended.err


@pytest.fixture(scope="module")
def careful(first_run: FirstRun, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose brakes hold back the removal of a single profile."""
    checkout = first_run.place.checkout.copied(tmp_path_factory.mktemp("careful"))
    settings = checkout.root / "destinations.yml"
    text = settings.read_text(encoding="utf-8")
    assert "min_removed: 100" in text
    settings.write_text(text.replace("min_removed: 100", "min_removed: 0"), encoding="utf-8")
    return checkout


@pytest.fixture(scope="module")
def farewell(
    careful: Checkout, first_run: FirstRun, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Place, Ended]:
    """The shop on the day after Ada withdrew her consent, and the run that would tell so."""
    copy = first_run.place.copied(tmp_path_factory.mktemp("farewell"))
    place = Place(careful, copy.folder)
    place.put(
        "consents/2026-03-03.csv",
        "email,purpose,status,recorded_at",
        "ada@tuesday.example,email_marketing,withdrawn,2026-03-03T12:00:00Z",
    )
    return place, place.run(WEDNESDAY)


@pytest.fixture
def braked(farewell: tuple[Place, Ended], tmp_path: Path) -> Place:
    """A copy of the shop whose plan waits for somebody to confirm it."""
    return farewell[0].copied(tmp_path)


def plan_of(ended: Ended) -> str:
    found = re.search(r"--confirm-plan (\w+)", ended.last_line)
    assert found, ended.last_line
    return found[1]


@pytest.mark.slow
def test_a_plan_that_removes_too_many_waits_for_somebody_to_confirm_it(
    farewell: tuple[Place, Ended],
) -> None:
    place, ended = farewell

    assert ended.status == 3
    assert "nothing is sent, because" in ended.last_line
    assert plan_of(ended)
    # What is to be typed has the paths that were given.
    assert f"mailmart sync --warehouse {place.warehouse} --outbox {place.outbox} --dest" in (
        ended.last_line
    )
    assert len(place.deliveries()) == 1
    assert "4 profiles as of 2026-03-04 06:00 UTC, 0 of them may be mailed." in ended.out


@pytest.mark.slow
def test_a_dry_run_shows_the_plan_and_sends_nothing(braked: Place) -> None:
    ledger = braked.rows(LEDGER)

    ended = braked.sync("--dry-run", "--destination", "file")

    assert ended.status == 0, ended.err
    assert re.match(r"file: the plan \w+ would send profiles: 1 remove; ", ended.out)
    command = f"mailmart sync --warehouse {braked.warehouse} --outbox {braked.outbox}"
    assert f"it would wait for `{command} --destination file --confirm-plan" in ended.out
    assert "@" not in ended.out
    assert (braked.deliveries(), braked.rows(LEDGER)) == (braked.deliveries()[:1], ledger)


@pytest.mark.slow
def test_a_confirmed_plan_goes_through_once_and_no_other_does(
    farewell: tuple[Place, Ended], braked: Place
) -> None:
    plan = plan_of(farewell[1])

    other = braked.sync("--confirm-plan", "0" * len(plan))
    assert other.status == 3
    assert len(braked.deliveries()) == 1

    confirmed = braked.sync("--confirm-plan", plan)
    assert confirmed.status == 0, confirmed.err
    assert "changes delivered (profiles: 1 remove; " in confirmed.out
    assert len(braked.deliveries()) == 2

    again = braked.sync("--confirm-plan", plan)
    assert (again.status, again.out) == (0, "file: nothing to send; it is up to date\n")
    assert len(braked.deliveries()) == 2


@pytest.fixture(params=["a place that is no folder", "a full disk"])
def unwritable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """An outbox that nothing can be written to."""
    if request.param == "a place that is no folder":
        (tmp_path / "file").touch()
        yield tmp_path / "file" / "outbox"
        return
    with small_disk(tmp_path / "disk", 4096) as disk:
        (disk / "filling").write_bytes(b"x" * 4096)
        yield disk / "outbox"


@pytest.mark.slow
def test_an_outbox_that_cannot_be_written_to_moves_no_ledger(
    farewell: tuple[Place, Ended], braked: Place, unwritable: Path
) -> None:
    ledger = braked.rows(LEDGER)
    plan = plan_of(farewell[1])

    ended = braked.sync("--confirm-plan", plan, "--outbox", unwritable)

    assert ended.status == 1
    assert f"nothing was written to {unwritable}" in ended.last_line
    assert "Make room or give the folder another place, and run again" in ended.last_line
    assert "Traceback" not in ended.err
    assert braked.rows(LEDGER) == ledger

    mended = braked.sync("--confirm-plan", plan_of(braked.sync()))
    assert mended.status == 0, mended.err
    assert len(braked.deliveries()) == 2


@pytest.mark.slow
def test_too_little_data_to_train_on_is_said_and_no_error(built: Place) -> None:
    ended = built.checkout.mailmart("train", "--warehouse", built.warehouse)

    assert ended.status == 0, ended.err
    assert ended.out.count("Too little data to train the ") == 2


def test_the_first_delivery_was_of_one_profile_and_two_segments(first_run: FirstRun) -> None:
    assert FIRST_DELIVERY in " ".join(first_run.ended.out.split())
    assert len(first_run.place.rows(LEDGER)) == 3
    assert TUESDAY[:10].replace("-", "") in first_run.place.deliveries()[0]


@pytest.fixture
def called(first_run: FirstRun, tmp_path: Path) -> Iterator[tuple[Place, FakeWebhook]]:
    """The shop, in a checkout of its own whose settings name a service that is called as well."""
    with FakeWebhook() as service:
        checkout = first_run.place.checkout.copied(tmp_path / "checkout")
        with (checkout.root / "destinations.yml").open("a", encoding="utf-8") as settings:
            settings.write(
                "  hook:\n    kind: webhook\n    segments: all\n    properties: all\n"
                f"    url: {service.url}/in?token=part-of-a-path\n    secret: HOOK_SECRET\n"
            )
        place = first_run.place.copied(tmp_path / "shop")
        yield Place(checkout, place.folder), service


def find_bytes(folder: Path, *words: str) -> list[str]:
    """Return the files under a folder that hold one of the words."""
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(word.encode() in path.read_bytes() for word in words)
    ]


def sync_with_secret(place: Place, secret: str) -> Ended:
    return place.checkout.mailmart(
        *("sync", "--destination", "hook", "--warehouse", place.warehouse),
        HOOK_SECRET=secret,
    )


@pytest.mark.slow
def test_a_service_that_is_called_hears_it_and_no_log_names_anybody(
    called: tuple[Place, FakeWebhook],
) -> None:
    place, service = called
    refused = sync_with_secret(place, "another secret")
    assert refused.status == 1
    assert "hook does not let us in (401): see to HOOK_SECRET" in refused.last_line

    ended = sync_with_secret(place, SECRET)

    assert ended.status == 0, ended.err
    assert "3 of 3 changes delivered (profiles: 1 add; segment members: 2 add) to 127.0.0.1" in (
        ended.out
    )
    assert [profile["email"] for profile in service.profiles.values()] == ["ada@tuesday.example"]
    assert {segment for segment, _ in service.members} == {
        "potentially_interested",
        "birthday_week",
    }
    # Logs, pages and Dagster's history are all under data/ and target/.
    told = ("ada@tuesday.example", SECRET, "another secret", "part-of-a-path")
    assert find_bytes(place.folder, *told) != []
    assert find_bytes(place.checkout.root / "data", *told) == []
    assert find_bytes(place.checkout.root / "target", *told) == []
    assert not any(word in refused.err + ended.err + ended.out for word in told)


def test_a_secret_that_is_not_set_is_named(called: tuple[Place, FakeWebhook]) -> None:
    place, service = called

    ended = sync_with_secret(place, "")

    assert ended.status == 1
    assert "destinations.hook needs HOOK_SECRET in the environment" in ended.last_line
    assert service.arrivals == []
