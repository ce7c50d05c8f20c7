"""Others' validators on the schema of the settings: it is one, in its own draft and in a newer one,
and judges files as is written in a list on standard input.

Argument: the schema. Standard input: a JSON list of TOML documents. Standard output: for each whether
it fits; null = it is not TOML."""

import json
import sys
import tomllib
from pathlib import Path

from jsonschema import Draft7Validator, Draft202012Validator

schema = json.loads(Path(sys.argv[1]).read_text())
assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
for draft in [Draft7Validator, Draft202012Validator]:
    draft.check_schema(schema)


def judge(text):
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
    fits = {draft(schema).is_valid(document) for draft in [Draft7Validator, Draft202012Validator]}
    assert len(fits) == 1, text
    return fits.pop()


print(json.dumps([judge(text) for text in json.load(sys.stdin)]))
