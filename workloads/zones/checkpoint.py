"""Checkpoints as JSON files: whole or absent, and checked before they are believed."""

import json
import os
import re
import zlib
from typing import Any, Dict, List, Optional

FORMAT = "zones-1"
# By hand, older files are deleted beyond so many; under Resus its retention does that.
KEPT = 3
NAME = re.compile(r"zones-\d{9}\.json\Z")


class Mismatch(ValueError):
    """A whole checkpoint, but of a training with other settings."""


def save(folder: str, settings: Dict[str, Any], body: Dict[str, Any], prune: bool) -> str:
    """Writes `body`, durable under its final name when this returns. Returns that path.

    Raises `FloatingPointError`, and writes nothing, where a number of it is not finite.
    """
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "zones-{:09d}.json".format(body["step"]))
    try:
        text = _canonical({"format": FORMAT, "settings": settings, "body": body})
    except ValueError as problem:
        raise FloatingPointError("the state of step {} is not finite".format(body["step"])) from problem
    temporary = os.path.join(folder, ".{}.tmp".format(os.path.basename(path)))
    with open(temporary, "w", encoding="ascii") as file:
        file.write("{:08x} {}\n".format(zlib.crc32(text.encode("ascii")), text))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    _sync_folder(folder)
    for old in _newest_first(folder)[KEPT:] if prune else []:
        os.remove(old)
    return path


def load(path: str, settings: Dict[str, Any]) -> Dict[str, Any]:
    """The body of a checkpoint. Raises `ValueError` for a damaged one, `Mismatch` for a foreign one."""
    with open(path, encoding="ascii") as file:
        digest, _, text = file.read().rstrip("\n").partition(" ")
    if digest != "{:08x}".format(zlib.crc32(text.encode("ascii"))):
        raise ValueError("checksum of {} does not fit".format(path))
    found = json.loads(text)
    if found["format"] != FORMAT or found["settings"] != settings:
        raise Mismatch("{} is of another training: {}".format(path, found["settings"]))
    body: Dict[str, Any] = found["body"]
    return body


def newest(folder: str, settings: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """The newest checkpoint of `folder` that can be believed, if there is one."""
    for path in _newest_first(folder):
        try:
            return load(path, settings)
        except (ValueError, KeyError, TypeError, OSError) as problem:
            print("skipped {}: {}".format(path, problem), flush=True)
    return None


def _newest_first(folder: str) -> List[str]:
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return [os.path.join(folder, name) for name in sorted(filter(NAME.match, names), reverse=True)]


def _canonical(value: Dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _sync_folder(folder: str) -> None:
    """A rename is durable when its folder is."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
