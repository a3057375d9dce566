"""What an analyst writes into destinations.yml, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from reverse_etl.configuration import ConfigurationError, Property, read_destinations


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "destinations.yml"


def test_every_key_is_read(path: Path) -> None:
    path.write_text(
        """
        destinations:
          crm:
            kind: file
            enabled: false
            segments: [win_back, churn_risk]
            properties:
              first_name: Name
              city:
              engagement_score: Score
              churn_probability: {ride_along: false}
              region: {field: State, ride_along: true}
            brakes: {max_removed_share: 0.1, min_removed: 5}
            holdouts: {win_back: {share: 0.1, salt: spring}}
        """
    )
    settings = read_destinations(path).destinations["crm"]
    assert settings.enabled is False
    assert settings.segments == ("win_back", "churn_risk")
    assert settings.properties == {
        "first_name": Property(field="Name"),
        "city": Property(field="city"),
        "engagement_score": Property(field="Score", ride_along=True),
        "churn_probability": Property(field="churn_probability"),
        "region": Property(field="State", ride_along=True),
    }
    assert (settings.brakes.max_removed_share, settings.brakes.min_removed) == (0.1, 5)
    assert (settings.brakes.max_tier_shift, settings.brakes.min_profiles) == (0.15, 100)
    assert settings.holdouts["win_back"].share == 0.1


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "{destinations: {crm: {kind: file, segment: all}}}",
            "destinations.crm has an unknown key 'segment'; allowed: kind, enabled, segments, "
            "properties, brakes, holdouts",
        ),
        (
            "{destinations: {crm: {kind: file, brakes: {max_removed: 1}}}}",
            "destinations.crm.brakes has an unknown key 'max_removed'; allowed: "
            "max_removed_share, max_removed_share_by_segment, min_removed, max_tier_shift, "
            "min_profiles",
        ),
        ("{destination: {}}", "the file has an unknown key 'destination'; allowed: destinations"),
        (
            "{destinations: {crm: {kind: ftp}}}",
            "destinations.crm.kind is 'ftp'; allowed: file, webhook",
        ),
        ("{destinations: {crm: {enabled: true}}}", "destinations.crm.kind is missing"),
        ("{destinations: {CRM: {kind: file}}}", "'CRM' cannot name a destination"),
        ("{destinations: {../x: {kind: file}}}", "'../x' cannot name a destination"),
        ("{destinations: {crm: }}", "destinations.crm must be a mapping"),
        ("", "the file must be a mapping"),
        ("{destinations: {crm: {kind: file}, crm: {kind: file}}}", "'crm' stands here twice"),
        ("{destinations: [", "is no valid YAML"),
        (
            "destinations:\n\tfile: {kind: file}\n",
            "is no valid YAML: while scanning for the next token found character '\\t' that cannot "
            'start any token in "<unicode string>", line 2, column 1',
        ),
        (
            "{destinations: {crm: {kind: file, segments: some}}}",
            "destinations.crm.segments: must be `all` or a list",
        ),
        (
            "{destinations: {crm: {kind: file, properties: {city: profile_id}}}}",
            "'profile_id' is a column that every row has",
        ),
        (
            "{destinations: {crm: {kind: file, properties: {city: '=x'}}}}",
            "'=x' cannot be a field name",
        ),
        (
            "{destinations: {crm: {kind: file, properties: {city: x, region: X}}}}",
            "several properties are called x",
        ),
        (
            "{destinations: {crm: {kind: file, brakes: {max_removed_share: 20}}}}",
            "destinations.crm.brakes.max_removed_share is 20",
        ),
        (
            "{destinations: {crm: {kind: file, holdouts: {win_back: {share: 1.0, salt: x}}}}}",
            "destinations.crm.holdouts.win_back.share is 1.0",
        ),
        (
            "{destinations: {crm: {kind: file, segments: [a], holdouts: "
            "{b: {share: 0.5, salt: x}}}}}",
            "holds out of b, which is none of its segments",
        ),
        (
            "{destinations: {hook: {kind: webhook, url: 'https://x.example'}}}",
            "destinations.hook.secret is missing",
        ),
        (
            "{destinations: {hook: {kind: webhook, url: 'http://x.example', secret: S}}}",
            "destinations.hook.url: must begin with https",
        ),
        (
            "{destinations: {hook: {kind: webhook, url: 'https://a:b@x.example', secret: S}}}",
            "destinations.hook.url: must not hold a password",
        ),
        (
            "{destinations: {hook: {kind: webhook, url: x.example, secret: S}}}",
            "destinations.hook.url: must be a URL such as https://example.com/mailmart",
        ),
        (
            "{destinations: {hook: {kind: webhook, url: 'https://x.example', secret: s3cret!}}}",
            "destinations.hook.secret: must name a variable of the environment",
        ),
        (
            "{destinations: {hook: {kind: webhook, rows: 5}}}",
            "destinations.hook has an unknown key 'rows'; allowed: kind, enabled, segments, "
            "properties, brakes, holdouts, attempts, timeout_seconds, url, secret, rows_per_call, "
            "bytes_per_call, calls_per_second, calls_at_once",
        ),
    ],
)
def test_a_mistake_is_named_with_its_file_and_place(path: Path, written: str, said: str) -> None:
    path.write_text(written)
    with pytest.raises(ConfigurationError) as mistaken:
        read_destinations(path)
    assert str(path) in str(mistaken.value)
    assert said in str(mistaken.value)


def test_what_is_written_in_the_place_of_a_variable_is_not_said_again(path: Path) -> None:
    """It may be the secret itself."""
    path.write_text("{destinations: {hook: {kind: webhook, url: 'https://x', secret: s3cret!}}}")
    with pytest.raises(ConfigurationError) as mistaken:
        read_destinations(path)
    assert "s3cret" not in str(mistaken.value)


def test_all_mistakes_are_said_at_once(path: Path) -> None:
    path.write_text("{destinations: {crm: {kind: file, colour: red, size: 1}, mail: {}}}")
    with pytest.raises(ConfigurationError) as mistaken:
        read_destinations(path)
    assert len(str(mistaken.value).splitlines()) == 3


def test_a_file_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"destinations\.yml does not exist"):
        read_destinations(path)


def test_only_enabled_destinations_are_selected(path: Path) -> None:
    path.write_text("{destinations: {crm: {kind: file, enabled: false}, mail: {kind: file}}}")
    destinations = read_destinations(path)
    assert list(destinations.selected(None)) == ["mail"]
    assert list(destinations.selected(["mail"])) == ["mail"]
    with pytest.raises(ConfigurationError, match="'crm' is disabled"):
        destinations.selected(["crm"])
    with pytest.raises(ConfigurationError, match="no destination 'post'; there are: crm, mail"):
        destinations.selected(["post"])
