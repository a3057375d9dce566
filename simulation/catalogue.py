"""What the shop sells, and at which price when."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulation.calendar import NEVER, Calendar, Floats, Times
from simulation.params import Params
from simulation.people import Codes

_THINGS: Final = {
    "garden": ("Trowel", "Watering can", "Seed box", "Planter"),
    "kitchen": ("Bowl", "Teapot", "Cutting board", "Jar"),
    "lighting": ("Lamp", "Candle", "Lantern", "String light"),
    "outdoor": ("Picnic rug", "Hammock", "Flask", "Rucksack"),
    "paper": ("Notebook", "Card set", "Gift wrap", "Calendar"),
    "textiles": ("Cushion", "Throw", "Apron", "Towel"),
    "toys": ("Puzzle", "Kite", "Wooden train", "Marble run"),
}
_MAKES: Final = ("plain", "striped", "small", "large", "vintage", "blue", "red", "oak")


@dataclass(frozen=True)
class Catalogue:
    """The products: codes of categories, prices in cents before and from `repriced_at` on."""

    categories: tuple[str, ...]
    category: Codes
    ids: list[str]
    names: list[str]
    first_cents: Codes
    later_cents: Codes
    repriced_at: Times
    by_category: tuple[npt.NDArray[np.int64], ...]

    def __len__(self) -> int:
        return len(self.ids)

    def cents(self, products: Codes, at: Times) -> Codes:
        """Return the prices of products at times, in cents."""
        is_later = at >= self.repriced_at[products]
        return np.where(is_later, self.later_cents[products], self.first_cents[products])

    def choose(self, rng: np.random.Generator, tastes: Floats) -> Codes:
        """Draw a product for each row of tastes (one weight per category, summing to 1)."""
        edges = np.cumsum(tastes, axis=1)
        categories = (edges < rng.random(len(tastes))[:, None]).sum(axis=1)
        return self.choose_in(rng, np.minimum(categories, len(self.categories) - 1))

    def choose_in(self, rng: np.random.Generator, categories: Codes) -> Codes:
        """Draw a product of each category; the first ones sell most."""
        counts = np.array([len(products) for products in self.by_category])[categories]
        ranks = (counts * rng.random(len(categories)) ** 2).astype(np.int64)
        starts = np.concatenate([[0], np.cumsum([len(each) for each in self.by_category])[:-1]])
        return np.concatenate(self.by_category)[starts[categories] + ranks]


def draw(rng: np.random.Generator, params: Params, calendar: Calendar) -> Catalogue:
    """Draw the products of the shop."""
    chosen = params.catalogue
    count, categories = chosen.products, tuple(chosen.categories)
    category = np.arange(count) % len(categories)
    cents = np.exp(
        np.log(chosen.median_price * 100) + chosen.price_spread * rng.standard_normal(count)
    )
    first = np.maximum(np.round(cents / 50) * 50 - 1, 99).astype(np.int64)
    is_repriced = rng.random(count) < chosen.share_repriced
    changes = rng.uniform(0.8, 1.2, count)
    moments = calendar.start + (rng.random(count) * (calendar.end - calendar.start)).astype(int)
    names = []
    for number in range(count):
        things = _THINGS.get(categories[number % len(categories)], ("Thing",))
        thing = things[(number // len(categories)) % len(things)]
        names.append(f"{thing}, {_MAKES[number % len(_MAKES)]}, no. {number + 1}")
    return Catalogue(
        categories=categories,
        category=category,
        ids=[f"P{number:04d}" for number in range(1, count + 1)],
        names=names,
        first_cents=first,
        later_cents=np.where(is_repriced, np.round(first * changes), first).astype(np.int64),
        repriced_at=np.where(is_repriced, moments, NEVER),
        by_category=tuple(np.flatnonzero(category == code) for code in range(len(categories))),
    )
