"""The rules of PULSE for a worker's line, as a table to check lines against."""

import math
import re

from support import resus

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
CODE = re.compile(r"[A-Z0-9_]{1,64}\Z")


def text(bytes_max):
    return lambda value: isinstance(value, str) and len(value.encode("utf-8")) <= bytes_max


def one_of(words):
    return lambda value: value in words


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def whole(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def truth(value):
    return isinstance(value, bool)


def numbers(value):
    names = isinstance(value, dict) and len(value) <= 64 and all(len(name) <= 64 for name in value)
    return names and all(item is None or number(item) for item in value.values())


def broken(value):
    return isinstance(value, dict) and set(value.values()) <= {"nan", "inf", "-inf"}


NAME = text(256)
METRICS = {"metrics": numbers, "nonfinite": broken}

# event_type: fields that must be there, fields that may be there.
EVENTS = {
    "status": (
        {"status": one_of(resus.STATUSES)},
        {"message": text(256)},
    ),
    "progress": (
        {"unit": one_of(resus.UNITS)},
        {
            "epoch": number,
            "total_epochs": number,
            "done": number,
            "total": number,
            "loss": number,
            "session_start": number,
            "step": whole,
            "total_steps": whole,
            "stage": NAME,
            "current_target": NAME,
            "message": text(256),
        },
    ),
    "metric": ({"metrics": numbers}, {"step": whole, "nonfinite": broken}),
    "heartbeat": ({"alive_at": TIMESTAMP.match}, {}),
    "error": (
        {"error_code": CODE.match, "message": text(1024), "fatal": truth},
        {"is_retryable": truth, "target": NAME, "details": lambda value: isinstance(value, dict)},
    ),
    "stage_change": ({"new_stage": NAME}, {"previous_stage": NAME}),
    "target_start": ({"target": NAME}, {"target_index": whole, "total_targets": whole}),
    "target_complete": (
        {"target": NAME, "status": one_of(("success", "failed", "skipped"))},
        {
            "target_index": whole,
            "total_targets": whole,
            "best_auc": number,
            "models_trained": whole,
            "duration_seconds": number,
            **METRICS,
        },
    ),
    "run_complete": (
        {"status": one_of(("success", "failed", "cancelled"))},
        {
            "epochs_completed": number,
            "final_loss": number,
            "duration_seconds": number,
            "message": text(256),
            **METRICS,
        },
    ),
    "checkpoint": (
        {
            "action": one_of(("saved",)),
            "checkpoint_id": NAME,
            "path": lambda value: value.startswith("/") and "\0" not in value,
        },
        {
            "step": whole,
            "epoch": number,
            "size_bytes": whole,
            "duration_s": number,
            "digest": NAME,
            "health": one_of(("finite", "not_finite")),
            "loss": lambda value: value is None or number(value),
            **METRICS,
        },
    ),
}


def violations(line):
    """What is wrong with a decoded line; nothing for a line of the contract."""
    wrong = []
    required, optional = EVENTS.get(line.get("event_type"), ({}, None))
    if optional is None:
        return ["event_type {!r}".format(line.get("event_type"))]
    payload = line.get("payload", {})
    wrong += ["{} is missing".format(field) for field in required if field not in payload]
    for field, value in payload.items():
        rule = required.get(field) or optional.get(field)
        if rule is None:
            wrong.append("{} is not a field".format(field))
        elif not rule(value):
            wrong.append("{} is {!r}".format(field, value))
    for name in payload.get("nonfinite", {}):
        if payload["metrics"].get(name, 0) is not None:
            wrong.append("{} is not null".format(name))
    if not TIMESTAMP.match(line.get("timestamp", "")):
        wrong.append("timestamp is {!r}".format(line.get("timestamp")))
    if "n" in line and not whole(line["n"]):
        wrong.append("n is {!r}".format(line["n"]))
    return wrong + ["{} beside the envelope".format(key) for key in set(line) - ENVELOPE]


ENVELOPE = {"event_type", "payload", "timestamp", "n"}
