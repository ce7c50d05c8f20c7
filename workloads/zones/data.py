"""The places of the tz database: where each lies, and in which area of the world it is filed."""

import math
import os
import random
import re
from typing import List, NamedTuple, Tuple

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "zone.tab")
# The first part of a zone's name.
AREAS = (
    "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe",
    "Indian", "Pacific",
)  # fmt: skip
# ISO 6709: ±DDMM±DDDMM or ±DDMMSS±DDDMMSS.
COORDINATES = re.compile(r"([+-])(\d\d)(\d\d)(\d\d)?([+-])(\d{3})(\d\d)(\d\d)?\Z")
# One row of so many is held out.
HELD_OUT_EVERY = 5


class Place(NamedTuple):
    """A point on the unit sphere, and the index of its area in `AREAS`."""

    position: Tuple[float, float, float]
    area: int


def load(path: str = PATH) -> List[Place]:
    """The rows of the file, in its order. Raises `ValueError` for one that is not of its format."""
    with open(path, encoding="ascii") as file:
        rows = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    return [place(row) for row in rows]


def place(row: List[str]) -> Place:
    """One row: country code, coordinates, zone, and perhaps a comment."""
    if len(row) < 3:
        raise ValueError("expected three columns: {!r}".format(row))
    found = COORDINATES.match(row[1])
    area = row[2].split("/")[0]
    if found is None or area not in AREAS:
        raise ValueError("not a place: {!r}".format(row))
    latitude, longitude = degrees(found.groups()[:4]), degrees(found.groups()[4:])
    return Place(on_sphere(latitude, longitude), AREAS.index(area))


def degrees(parts: Tuple[str, ...]) -> float:
    sign, whole, minutes, seconds = parts
    size = int(whole) + int(minutes) / 60 + int(seconds or 0) / 3600
    return -size if sign == "-" else size


def on_sphere(latitude: float, longitude: float) -> Tuple[float, float, float]:
    """Degrees as a unit vector: unlike the longitude, it has no jump in the Pacific."""
    a, b = math.radians(latitude), math.radians(longitude)
    return (math.cos(a) * math.cos(b), math.cos(a) * math.sin(b), math.sin(a))


def split(places: List[Place], seed: int) -> Tuple[List[Place], List[Place]]:
    """Places to train on, and places held out: one in five, chosen by the seed."""
    shuffled = list(places)
    random.Random("split {}".format(seed)).shuffle(shuffled)
    train = [item for index, item in enumerate(shuffled) if index % HELD_OUT_EVERY]
    return train, shuffled[::HELD_OUT_EVERY]


def majority_accuracy(train: List[Place], held_out: List[Place]) -> float:
    """What is right for whoever always answers with the most frequent area of `train`."""
    areas = [item.area for item in train]
    frequent = max(range(len(AREAS)), key=areas.count)
    return sum(item.area == frequent for item in held_out) / len(held_out)
