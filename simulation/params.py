"""The numbers of the simulated shop, read from `params.yaml` and checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

DEFAULT_FILE: Final = Path(__file__).with_name("params.yaml")

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Span = tuple[Positive, Positive]
Weights = Annotated[dict[str, Share], Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Targets(_Section):
    """What the human opens must look like."""

    open_rate: Annotated[float, Field(gt=0, lt=1)]
    open_delay_hours: tuple[Positive, ...]
    open_delay_shares: tuple[Share, ...]

    @model_validator(mode="after")
    def _is_a_distribution(self) -> Self:
        shares, hours = self.open_delay_shares, self.open_delay_hours
        if len(shares) != len(hours) or shares[0] != 0 or shares[-1] != 1:
            raise ValueError("open_delay_shares must run from 0 to 1, one per open_delay_hours")
        if list(shares) != sorted(set(shares)) or list(hours) != sorted(set(hours)):
            raise ValueError("open_delay_hours and open_delay_shares must rise")
        return self


class Shop(_Section):
    """The shop itself."""

    people_per_chunk: Annotated[int, Field(ge=100)]
    person_days_per_chunk: Annotated[int, Field(ge=100_000)]
    timezone: str
    site: str
    currency: str


class People(_Section):
    """Who the people are."""

    share_signed_up_before: Share
    mean_days_since_sign_up: Positive
    share_in_new_york: Share
    share_with_second_address: Share
    share_of_orders_to_second_address: Share
    share_without_contact: Share
    share_in_shop_system: Share
    share_with_birth_date: Share
    share_travelling: Share
    loyalty_openness_correlation: Share
    devices: Weights
    share_privacy_proxy: Weights
    share_gmail_proxy: Share
    share_behind_scanner: Share


class Opening(_Section):
    """What makes a person read a message."""

    openness_spread: Positive
    taste_spread: float
    mailing_quality_spread: float
    category_effects: dict[str, float]
    device_effects: dict[str, float]
    hour_effect: float
    honeymoon_effect: float
    honeymoon_days: Positive
    frequency_effects: dict[str, float]
    quickness: Annotated[float, Field(ge=0, lt=1)]
    reopen_probabilities: tuple[Share, ...]
    reopen_mean_hours: Positive


class Clicking(_Section):
    """What a reader does with a message."""

    click_rate: Annotated[float, Field(gt=0, lt=1)]
    spread: float
    openness_effect: float
    further_link_probability: Share
    unsubscribe_rate: Share
    complaint_rate: Share
    withdrawal_recorded: Share
    resubscribe_probability: Share


class Leaving(_Section):
    """How people decline and are gone."""

    hazard_per_30_days: Positive
    first_days: Positive
    first_days_factor: Positive
    loyalty_effect: float
    openness_effect: float
    frequency_effects: dict[str, float]
    decline_days: Span
    sunset_days: Span
    share_never_sunset: Share


class Mailing(_Section):
    """What the shop sends."""

    per_week: Annotated[int, Field(ge=1, le=7)]
    categories: Weights
    frequency_shares: Weights
    frequency_inclusion: Weights
    members_loyalty: float
    share_local_time: Share
    links_per_mailing: Annotated[int, Field(ge=5)]
    soft_bounce_rate: Share
    deferred_rate: Share
    dropped_rate: Share
    lost_sent_share: Share
    dead_address_share: Share
    address_death_per_year: Positive
    provider_change_at: Share


class Consents(_Section):
    """Who agreed to what."""

    granted_at_sign_up: Share
    recorded_as_refused: Share
    withdrawn_per_year: Positive
    share_expiring: Share
    expiry_days: tuple[int, int]
    profiling_granted: Share
    profiling_withdrawn: Share


class Browsing(_Section):
    """What people do on the site."""

    visits_per_30_days: Positive
    most_per_30_days: Positive
    interest_effect: float
    return_visits: Annotated[float, Field(ge=0)]
    return_days: Positive
    loyalty_effect: float
    click_opens_session: Share
    click_known: Share
    log_in_probability: Share
    products_viewed: Annotated[float, Field(ge=1)]
    look_probability: Share
    cart_probability: Share
    checkout_probability: Share
    removal_probability: Share
    search_probability: Share
    filter_probability: Share
    cookie_days: Positive
    second_device_share: Share
    stranger_share: Share
    season: dict[int, Positive]


class Orders(_Section):
    """What people buy."""

    per_30_days: Positive
    most_per_30_days: Positive
    interest_effect: float
    loyalty_effect: float
    spread: float
    click_conversion: Share
    lines_mean: Annotated[float, Field(ge=1)]
    paid: Share
    cancelled: Share
    refunded: Share
    line_corrected: Share


class Catalogue(_Section):
    """What the shop sells."""

    products: Annotated[int, Field(ge=10)]
    categories: Annotated[list[str], Field(min_length=1)]
    median_price: Positive
    price_spread: float
    share_repriced: Share
    taste_concentration: Positive


class Machines(_Section):
    """What opens and clicks without a person."""

    proxy_prefetch: Share
    proxy_mean_minutes: Positive
    scanner_open: Share
    scanner_burst: Share
    scanner_fast_click: Share
    scanner_plain_open: Share
    flag_known: Share


class Dirt(_Section):
    """What is wrong with the data."""

    duplicate_same_id: Share
    duplicate_shifted: Share
    duplicate_new_id: Share
    late: Share
    late_days: Span
    messy_address: Share
    invalid_contacts: Share
    invalid_web_address: Share
    contact_versions: Annotated[float, Field(ge=0)]
    contact_changed_address: Share
    contact_deleted: Share
    broken_timezone: Share
    erasure_requests: Count
    broken_rows: dict[str, Count]
    broken_share: Share


class Params(_Section):
    """Every number of the simulated shop."""

    targets: Targets
    shop: Shop
    people: People
    opening: Opening
    clicking: Clicking
    leaving: Leaving
    mailing: Mailing
    consents: Consents
    browsing: Browsing
    orders: Orders
    catalogue: Catalogue
    machines: Machines
    dirt: Dirt

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        for what, first, second in (
            ("categories", self.mailing.categories, self.opening.category_effects),
            ("devices", self.people.devices, self.opening.device_effects),
            ("devices", self.people.devices, self.people.share_privacy_proxy),
            ("frequencies", self.mailing.frequency_shares, self.mailing.frequency_inclusion),
            ("frequencies", self.mailing.frequency_shares, self.opening.frequency_effects),
            ("frequencies", self.mailing.frequency_shares, self.leaving.frequency_effects),
        ):
            _require_same_names(what, first, second)
        return self


def _require_same_names(
    what: str, first: Mapping[str, object], second: Mapping[str, object]
) -> None:
    if list(first) != list(second):
        raise ValueError(
            f"the {what} {list(first)} and {list(second)} must be the same, in the same order"
        )


def load(file: Path = DEFAULT_FILE) -> Params:
    """Read and check the numbers of a shop.

    Raises ValueError that names the file and the setting when one is missing, unknown or out of
    its range.
    """
    try:
        return Params.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ValueError(f"{file}, line {line}, is not YAML: {error.problem}") from error
    except ValidationError as error:
        wrong = error.errors()[0]
        setting = ".".join(str(part) for part in wrong["loc"]) or "the file"
        raise ValueError(f"{file}: {setting}: {wrong['msg']}") from error
