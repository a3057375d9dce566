"""Which destination is told what: `destinations.yml`, read strictly and checked when it is read."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

# Scores drift every day. They travel when something else about the person changed, and are no
# news by themselves.
RIDE_ALONG_BY_DEFAULT = frozenset({"engagement_score", "churn_probability", "open_probability"})

# Columns that every row has, whatever the properties are.
RESERVED_FIELDS = frozenset({"action", "profile_id", "email"})

_DESTINATION_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_VARIABLE_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,99}")
_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_. -]{0,99}")


class ConfigurationError(ValueError):
    """Say what is wrong with the configuration, where, and what is allowed there."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Property(_Strict):
    """Name the field that a property becomes, and whether it may be a change by itself."""

    field: str
    ride_along: bool = False

    @field_validator("field")
    @classmethod
    def _is_a_field_name(cls, field: str) -> str:
        if not _FIELD_NAME.fullmatch(field):
            raise ValueError(
                f"{field!r} cannot be a field name: a letter first, then letters, digits, spaces "
                "and _ . -, 100 characters at most"
            )
        if field.lower() in RESERVED_FIELDS:
            raise ValueError(
                f"{field!r} is a column that every row has; choose another name for this property"
            )
        return field


class Brakes(_Strict):
    """Set what a plan may change before somebody has to confirm it.

    Shares are of 1. `max_removed_share` and `min_removed` hold for the destination's profiles and
    for each segment: a plan is stopped that removes more than the share and more than the number.
    `max_removed_share_by_segment` is another share for single segments.
    `max_tier_shift` is how far the share of any engagement tier may move between two deliveries
    that both hold at least `min_profiles`.
    """

    max_removed_share: Annotated[float, Field(ge=0, le=1, strict=False)] = 0.20
    max_removed_share_by_segment: dict[str, Annotated[float, Field(ge=0, le=1, strict=False)]] = (
        Field(default_factory=dict)
    )
    min_removed: Annotated[int, Field(ge=0)] = 100
    max_tier_shift: Annotated[float, Field(ge=0, le=1, strict=False)] = 0.15
    min_profiles: Annotated[int, Field(ge=1)] = 100


class Holdout(_Strict):
    """Keep a share of a segment's members back; the salt tells experiments apart."""

    share: Annotated[float, Field(gt=0, lt=1)]
    salt: Annotated[str, Field(min_length=1)]


class DestinationSettings(_Strict):
    """Say what a destination is told, whichever service it is; each kind has its own beside these.

    `segments` and `properties` are None where the file says `all`.
    """

    kind: str
    enabled: bool = True
    segments: tuple[str, ...] | None = None
    properties: Mapping[str, Property] | None = None
    brakes: Brakes = Brakes()
    holdouts: Mapping[str, Holdout] = {}

    @field_validator("segments", mode="before")
    @classmethod
    def _read_segments(cls, segments: object) -> object:
        if segments == "all":
            return None
        if not isinstance(segments, list):
            raise ValueError("must be `all` or a list of segments")
        repeated = sorted({str(name) for name in segments if segments.count(name) > 1})
        if repeated:
            raise ValueError(f"names {', '.join(repeated)} more than once")
        return tuple(segments)

    @field_validator("properties", mode="before")
    @classmethod
    def _read_properties(cls, properties: object) -> object:
        if properties == "all":
            return None
        if not isinstance(properties, dict):
            raise ValueError("must be `all` or a mapping of properties to field names")
        return {name: _property(name, value) for name, value in properties.items()}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        properties = [] if self.properties is None else list(self.properties.values())
        fields = [each.field.lower() for each in properties]
        repeated = sorted({field for field in fields if fields.count(field) > 1})
        if repeated:
            raise ValueError(f"several properties are called {', '.join(repeated)}")
        if self.segments is not None:
            strangers = sorted(set(self.holdouts) - set(self.segments))
            if strangers:
                raise ValueError(
                    f"holds out of {', '.join(strangers)}, which is none of its segments"
                )
        return self


class FileSettings(DestinationSettings):
    """Describe a destination that is a folder of CSV files per delivery."""

    kind: Literal["file"]


def _variable(name: str) -> str:
    """Refuse what cannot name a variable, as a secret that somebody wrote here itself."""
    if not _VARIABLE_NAME.fullmatch(name):
        raise ValueError(
            "must name a variable of the environment in capital letters, such as WEBHOOK_SECRET; "
            "what it holds is never written here"
        )
    return name


_IS_VARIABLE = AfterValidator(_variable)
# The name of a variable of the environment that holds a secret.
Variable = Annotated[str, _IS_VARIABLE]


class ServiceSettings(DestinationSettings):
    """What is asked of every service that is called; times are in seconds.

    `attempts` is how often a call is made that breaks, or that the service fails at.
    """

    attempts: Annotated[int, Field(ge=1, le=20)] = 5
    timeout_seconds: Annotated[float, Field(gt=0, le=600, strict=False)] = 60

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the variables of the environment that hold what nobody else may know."""
        fields = type(self).model_fields.items()
        return tuple(
            getattr(self, name) for name, field in fields if _IS_VARIABLE in field.metadata
        )


class WebhookSettings(ServiceSettings):
    """Describe a destination that is a URL of one's own, and what it takes."""

    kind: Literal["webhook"]
    url: str
    secret: Variable
    rows_per_call: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    bytes_per_call: Annotated[int, Field(ge=1_000, le=100_000_000)] = 1_000_000
    calls_per_second: Annotated[int, Field(ge=1, le=10_000)] = 10
    calls_at_once: Annotated[int, Field(ge=1, le=100)] = 4

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, url: str) -> str:
        parts = urlsplit(url)
        is_here = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if not parts.hostname or parts.scheme not in ("https", "http"):
            raise ValueError("must be a URL such as https://example.com/mailmart")
        if parts.scheme == "http" and not is_here:
            raise ValueError("must begin with https: people's addresses go there")
        if parts.username or parts.password:
            raise ValueError("must not hold a password; the calls are signed with `secret`")
        return url


_KINDS: Mapping[str, type[DestinationSettings]] = {
    get_args(model.model_fields["kind"].annotation)[0]: model
    for model in (FileSettings, WebhookSettings)
}


def _property(name: object, value: object) -> object:
    """Give the long form of `name: field`, `name:` and `name: {field: …, ride_along: …}`."""
    if value is None:
        value = {}
    elif isinstance(value, str):
        value = {"field": value}
    if not isinstance(value, dict):
        raise ValueError(f"{name}: must be a field name or a mapping of `field` and `ride_along`")
    return {"field": name, "ride_along": name in RIDE_ALONG_BY_DEFAULT, **value}


class Destinations(_Strict):
    """Hold the settings of every destination by its name, in the order of the file."""

    destinations: Mapping[
        str, Annotated[FileSettings | WebhookSettings, Field(discriminator="kind")]
    ]

    @field_validator("destinations")
    @classmethod
    def _are_named(
        cls, named: Mapping[str, DestinationSettings]
    ) -> Mapping[str, DestinationSettings]:
        for name in named:
            if not _DESTINATION_NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} cannot name a destination: a small letter first, then small "
                    "letters, digits and _, 63 characters at most"
                )
        return named

    def selected(self, names: Collection[str] | None) -> dict[str, DestinationSettings]:
        """Return the enabled destinations, or of these the named ones.

        Raise `ConfigurationError` where a name is unknown or disabled.
        """
        enabled: dict[str, DestinationSettings] = {
            name: each for name, each in self.destinations.items() if each.enabled
        }
        if names is None:
            return enabled
        for name in names:
            if name not in self.destinations:
                raise ConfigurationError(
                    f"there is no destination {name!r}; there are: {_listed(self.destinations)}"
                )
            if name not in enabled:
                raise ConfigurationError(
                    f"the destination {name!r} is disabled; set `enabled: true` to deliver to it"
                )
        return {name: each for name, each in enabled.items() if name in names}

    def secrets(self, names: Collection[str] | None) -> set[str]:
        """Return the variables that the selected destinations need the values of."""
        return {
            variable
            for settings in self.selected(names).values()
            if isinstance(settings, ServiceSettings)
            for variable in settings.secrets
        }


def read_destinations(path: Path) -> Destinations:
    """Read and check the destinations.

    Raise `ConfigurationError` with the file, the key and what is allowed there. What needs the
    warehouse (whether segments and properties exist) is checked when a delivery is planned.
    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)  # noqa: S506 - safe
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path} does not exist; it names the destinations and what they are told"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        # YAML's own story has the line last, and most readers see the first alone.
        told = " ".join(str(error).split())
        raise ConfigurationError(f"{path} is no valid YAML: {told}") from None
    try:
        return Destinations.model_validate(document)
    except ValidationError as error:
        sentences = [_sentence(problem) for problem in error.errors()]
        raise ConfigurationError("\n".join(f"{path}: {each}" for each in sentences)) from None


def refuse_missing_secrets(
    name: str, settings: DestinationSettings, held: Mapping[str, str]
) -> None:
    """Refuse settings that name variables which hold nothing, by `ConfigurationError`."""
    if isinstance(settings, ServiceSettings):
        missing = [variable for variable in settings.secrets if not held.get(variable)]
        if missing:
            raise ConfigurationError(
                f"destinations.{name} needs {' and '.join(missing)} in the environment; set it, or "
                "disable the destination with `enabled: false`"
            )


class _UniqueKeys(yaml.SafeLoader):
    """Refuse a repeated key, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key!r} stands here twice", key_node.start_mark
                    )
                seen.add(key)
        return super().construct_mapping(node, deep)


def _sentence(problem: Mapping[str, Any]) -> str:
    location = [str(part) for part in problem["loc"]]
    kind = None
    if location[:1] == ["destinations"] and location[2:3] and location[2] in _KINDS:
        # The reader of the file has not written which model was meant.
        kind = location.pop(2)
    where = ".".join(location) or "the file"
    match problem["type"]:
        case "extra_forbidden":
            holder = ".".join(location[:-1]) or "the file"
            allowed = _listed(_model_at(location[:-1], kind).model_fields)
            return f"{holder} has an unknown key {location[-1]!r}; allowed: {allowed}"
        case "missing":
            return f"{where} is missing"
        case "union_tag_invalid":
            return f"{where}.kind is {problem['ctx']['tag']!r}; allowed: {_listed(_KINDS)}"
        case "union_tag_not_found":
            return f"{where}.kind is missing"
        case "value_error":
            return f"{where}: {problem['ctx']['error']}"
        case "model_type" | "dict_type" | "mapping_type" | "model_attributes_type":
            return f"{where} must be a mapping, not {problem['input']!r}"
        case _:
            return f"{where} is {problem['input']!r}: {problem['msg']}"


def _model_at(location: list[str], kind: str | None) -> type[BaseModel]:
    """Find the model whose key was unknown; the names in between are the user's own."""
    match location:
        case []:
            return Destinations
        case ["destinations", _] if kind is not None:
            return _KINDS[kind]
        case ["destinations", _, "brakes"]:
            return Brakes
        case ["destinations", _, "properties", _]:
            return Property
        case ["destinations", _, "holdouts", _]:
            return Holdout
        case _:
            raise AssertionError(f"no model is at {location}")


def _listed(names: Collection[str]) -> str:
    return ", ".join(names) or "none"
