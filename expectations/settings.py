"""The thresholds of all doors, read from one commented file and checked strictly."""

from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Generic, Self, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from expectations.gate import Severity

DEFAULT_FILE: Final = Path(__file__).with_name("doors.yml")


class SettingsError(ValueError):
    """The file of thresholds cannot be used; the message names the file, the key, the way out."""


def to_utc(moment: datetime) -> datetime:
    """Return the moment in UTC without its zone; a moment without a zone is taken as UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
UtcTime = Annotated[datetime, AfterValidator(to_utc)]


class ShareBound(_Settings):
    """At most this share of the rows, from 0 to 1."""

    share_at_most: Share


class RejectedShareBound(ShareBound):
    """At most this share of the rows, judged once at least `rows_at_least` rows were rejected."""

    rows_at_least: Count = 0


class FallBound(ShareBound):
    """At most this share fewer than before, judged where there were at least `rows_at_least`."""

    rows_at_least: Count


class GrowthBound(_Settings):
    """At most this share more than before, judged where there were at least `rows_at_least`."""

    growth_at_most: Annotated[float, Field(ge=0)]
    rows_at_least: Count


class LoadFallBound(FallBound):
    """At most this share fewer than the smallest of the last `loads`; all must be known."""

    loads: Annotated[int, Field(ge=1)]


class LoadGrowthBound(GrowthBound):
    """At most this share more than the largest of the last `loads`; all must be known."""

    loads: Annotated[int, Field(ge=1)]


class MixBound(ShareBound):
    """No share may move by more, in shares of 1.

    Judged where both batches have at least `rows_at_least` rows and their as-of times lie at most
    `days_apart_at_most` days apart.
    """

    rows_at_least: Count
    days_apart_at_most: Annotated[float, Field(ge=0)]


class DaysBound(_Settings):
    """At most this many days, of 24 hours each."""

    days_at_most: Annotated[float, Field(ge=0)]


class RowsBound(_Settings):
    """At most this many rows."""

    rows_at_most: Count


class FilesBound(_Settings):
    """At most this many files."""

    files_at_most: Count


class ColumnsBound(_Settings):
    """At most this many columns."""

    columns_at_most: Count


class TablesBound(_Settings):
    """At least this many tables."""

    tables_at_least: Count


Bound = TypeVar("Bound", bound=_Settings)


class Rule(_Settings, Generic[Bound]):
    """The bounds of one rule, one per severity; none means that the rule is not judged so."""

    warn: Bound | None = None
    stop: Bound | None = None

    @model_validator(mode="after")
    def _stop_is_no_tighter_than_warn(self) -> Self:
        """Refuse a `stop` that leaves no room for its `warn`: nobody would ever be warned."""
        if self.warn is None or self.stop is None:
            return self
        # With more rows to begin with, a tighter stop is a rule of its own for large batches.
        if getattr(self.stop, "rows_at_least", 0) > getattr(self.warn, "rows_at_least", 0):
            return self
        for name in type(self.warn).model_fields:
            warned, stopped = getattr(self.warn, name), getattr(self.stop, name)
            if name.endswith("_at_most") and stopped < warned:
                raise ValueError(f"stop.{name}: {stopped} is tighter than that of warn, {warned}")
        return self

    def bounds(self) -> list[tuple[Severity, Bound]]:
        """Return the (severity, bound) pairs that are set."""
        pairs: tuple[tuple[Severity, Bound | None], ...] = (
            ("warn", self.warn),
            ("stop", self.stop),
        )
        return [(severity, bound) for severity, bound in pairs if bound is not None]


class ReviewedRule(Rule[Bound], Generic[Bound]):
    """A rule about what somebody can look at and find right, with the time up to which it was."""

    reviewed_until: UtcTime | None = None


class AfterLoading(_Settings):
    """The rules of the door behind the loader."""

    required_tables: Rule[TablesBound]
    rejected_rows: ReviewedRule[RejectedShareBound]
    rejected_files: ReviewedRule[FilesBound]
    fewer_rows: ReviewedRule[LoadFallBound]
    more_rows: ReviewedRule[LoadGrowthBound]
    freshness: Rule[DaysBound]
    known_web_event_types: Rule[ShareBound]
    known_email_event_types: Rule[RowsBound]
    known_bounce_types: Rule[RowsBound]
    known_order_statuses: Rule[ShareBound]
    known_consent_statuses: Rule[RowsBound]
    known_consent_purposes: Rule[ShareBound]
    required_values: Rule[RowsBound]
    column_types: Rule[ColumnsBound]


class BeforeScoring(_Settings):
    """The rules of the door behind the marts."""

    required_tables: Rule[TablesBound]
    required_columns: Rule[ColumnsBound]
    one_row_per_profile: Rule[RowsBound]
    ranges: Rule[RowsBound]
    orders_without_rate: Rule[RowsBound]
    fewer_profiles: ReviewedRule[FallBound]
    tier_mix: ReviewedRule[MixBound]


class BeforeDelivery(_Settings):
    """The rules of the door before anything is sent."""

    required_tables: Rule[TablesBound]
    rejected_opt_outs: ReviewedRule[RowsBound]
    rejected_email_event_files: ReviewedRule[FilesBound]
    lost_rejected_rows: ReviewedRule[RowsBound]
    lost_refusal_rows: ReviewedRule[RowsBound]
    unreadable_refusal_addresses: ReviewedRule[RowsBound]
    marts_older_than_raw: Rule[RowsBound]
    known_email_event_types: Rule[RowsBound]
    known_bounce_types: Rule[RowsBound]
    known_consent_statuses: Rule[RowsBound]
    required_values: Rule[RowsBound]
    column_types: Rule[ColumnsBound]
    unmailable_profiles: Rule[RowsBound]
    refused_profiles: Rule[RowsBound]
    ended_consents: Rule[RowsBound]
    stray_segment_members: Rule[RowsBound]
    repeated_payload_rows: Rule[RowsBound]
    empty_payload: Rule[RowsBound]
    probabilities: Rule[RowsBound]
    emptied_payload: ReviewedRule[RowsBound]
    fewer_profiles: ReviewedRule[FallBound]
    more_profiles: ReviewedRule[GrowthBound]


class DoorSettings(_Settings):
    """The thresholds and severities of every door; `source` is the file they were read from."""

    source: str
    after_loading: AfterLoading
    before_scoring: BeforeScoring
    before_delivery: BeforeDelivery


_DOORS: Final = tuple(name for name in DoorSettings.model_fields if name != "source")


def read_settings(path: Path = DEFAULT_FILE) -> DoorSettings:
    """Read the thresholds and severities of every door.

    Raises SettingsError when the file is missing, is no YAML, or holds a key or value that no
    rule takes; the message names the file, every wrong key and what is allowed there.
    """
    # The shipped file is called by its place in the project, any other as it was given.
    source = "expectations/doors.yml" if path == DEFAULT_FILE else str(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)  # noqa: S506
    except OSError as error:
        raise SettingsError(
            f"{source} cannot be read ({error.strerror}); restore it, every threshold lives there"
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{source} is not UTF-8 text; save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{source} is not valid YAML: {_join_lines(str(error))}") from error
    if not isinstance(content, dict):
        doors = ", ".join(_list_allowed(DoorSettings, ()))
        raise SettingsError(f"{source} must hold the doors by name: {doors}")
    if "source" in content:
        doors = ", ".join(_list_allowed(DoorSettings, ()))
        raise SettingsError(f"{source}: source: is not known; allowed here: {doors}")
    try:
        return DoorSettings.model_validate({**content, "source": source})
    except ValidationError as error:
        problems = "; ".join(_explain(problem) for problem in error.errors(include_url=False))
        raise SettingsError(f"{source}: {problems}") from error


def refuse_future_reviews(settings: DoorSettings, judged_at: datetime) -> None:
    """Raise SettingsError when a `reviewed_until` of any door lies after `judged_at`.

    Nobody has looked at what is not there yet, and the rule would be off for good. A time without
    a zone is taken as UTC.
    """
    judged_at = to_utc(judged_at)
    for door in _DOORS:
        rules = getattr(settings, door)
        for name in type(rules).model_fields:
            moment = getattr(getattr(rules, name), "reviewed_until", None)
            if moment is not None and moment > judged_at:
                raise SettingsError(
                    f"{settings.source}: {door}.{name}.reviewed_until: {moment.isoformat()}Z lies "
                    f"in the future (it is {judged_at.isoformat(timespec='seconds')}Z); set it to "
                    "a time up to which somebody has looked"
                )


def get_reviewed_until(rule: ReviewedRule[Any]) -> datetime:
    """Return the time up to which somebody has looked at what a rule counts, in UTC.

    Without one it is the beginning of time.
    """
    return rule.reviewed_until or datetime.min  # noqa: DTZ901 - UTC without a zone here


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice, of which the plain loader keeps the last silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _explain(problem: Mapping[str, Any]) -> str:
    """Say in one clause which key is wrong, how, and what is allowed there."""
    location = problem["loc"]
    key = ".".join(str(part) for part in location)
    parent = ", ".join(_list_allowed(DoorSettings, location[:-1]))
    match problem["type"]:
        case "extra_forbidden":
            return f"{key}: is not known; allowed here: {parent}"
        case "missing":
            return f"{key}: is missing; needed here: {parent}"
        case "model_type":
            inside = ", ".join(_list_allowed(DoorSettings, location))
            return f"{key}: must hold settings by name: {inside}"
        case "value_error":
            return f"{key}: {problem['ctx']['error']}; no batch could ever be warned of"
        case "datetime_type":
            return f"{key}: must be a time such as 2026-11-22T08:00:00Z, not {problem['input']!r}"
    wish = str(problem["msg"]).removeprefix("Input should be ")
    return f"{key}: must be {wish}, not {problem['input']!r}"


def _list_allowed(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Return the keys that are allowed at a place of the file."""
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        model = next(o for o in options if isinstance(o, type) and issubclass(o, BaseModel))
    return [name for name in model.model_fields if name != "source"]


def _join_lines(text: str) -> str:
    return " ".join(text.split())
