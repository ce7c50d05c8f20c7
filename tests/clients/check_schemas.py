"""Others' validators on what we publish: every schema is one, every sample of an event fits its
own, and the AsyncAPI document fits the official schema of AsyncAPI 3.0.0.

Arguments: the repository's root, and the folder of the npm packages."""

import copy
import json
import sys
from pathlib import Path

from jsonschema import Draft7Validator, Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012


def read(path):
    return json.loads(path.read_text())


def check_schemas(root):
    schemas = {path.name: read(path) for path in sorted((root / "docs/schemas").glob("*.json"))}
    for name, schema in schemas.items():
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema", name
        Draft202012Validator.check_schema(schema)
    resources = ((name, DRAFT202012.create_resource(schema)) for name, schema in schemas.items())
    registry = Registry().with_resources(resources)
    checker = Draft202012Validator.FORMAT_CHECKER
    return {
        name: Draft202012Validator(schema, registry=registry, format_checker=checker)
        for name, schema in schemas.items()
    }


def check_samples(root, validators):
    samples = [json.loads(line) for line in (root / "core/testdata/pulse-v2.jsonl").open()]
    for sample in samples:
        validator = validators[f"event_{sample['event_type']}.json"]
        validator.validate(sample)
        for field in ["training_id", "payload", "seq" if "seq" in sample else "tick"]:
            broken = copy.deepcopy(sample)
            del broken[field]
            assert not validator.is_valid(broken), broken
        assert not validator.is_valid(sample | {"node": "No Slug"}), sample
    return len(samples)


def check_asyncapi(root, packages):
    official = read(packages / "@asyncapi/specs/schemas/3.0.0.json")
    validator = Draft7Validator(official)
    document = read(root / "docs/asyncapi.json")
    validator.validate(document)
    for field in ["info", "asyncapi"]:
        assert not validator.is_valid({k: v for k, v in document.items() if k != field}), field
    broken = copy.deepcopy(document)
    next(iter(broken["operations"].values()))["action"] = "shout"
    assert not validator.is_valid(broken)


if __name__ == "__main__":
    root, packages = Path(sys.argv[1]), Path(sys.argv[2])
    validators = check_schemas(root)
    print(f"{len(validators)} schemas, {check_samples(root, validators)} samples fit")
    check_asyncapi(root, packages)
    print("the AsyncAPI document fits")
