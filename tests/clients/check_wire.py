"""Hears everything on a server, says for each message of which kind it is, and ends with an error
at the first that does not fit its schema or comes at an address that the AsyncAPI document does
not have.

Arguments: the repository's root, and the server's URL."""

import asyncio
import json
import re
import sys
from pathlib import Path

import nats
from check_schemas import check_schemas, read

root, url = Path(sys.argv[1]), sys.argv[2]
validators = check_schemas(root)


def channels():
    """Every channel of what is told: its name, its address as a pattern, its schema."""
    document = read(root / "docs/asyncapi.json")
    for operation in document["operations"].values():
        if operation["action"] != "send":
            continue
        name = operation["channel"]["$ref"].rsplit("/", 1)[1]
        pattern = re.escape(document["channels"][name]["address"])
        pattern = re.sub(r"\\\{\w+\\\}", "[A-Za-z0-9_-]+", pattern)
        schema = document["components"]["messages"][name]["payload"]["schema"]["$ref"]
        yield name, re.compile(pattern), Path(schema).name


async def main():
    known = list(channels())
    client = await nats.connect(url)
    heard = asyncio.Queue()
    for subject in ["pulse.>", "$KV.>"]:
        await client.subscribe(subject, cb=heard.put)
    await client.flush()
    print("listening", flush=True)
    while True:
        message = await heard.get()
        found = [(name, schema) for name, pattern, schema in known if pattern.fullmatch(message.subject)]
        assert len(found) == 1, f"{message.subject}: {found}"
        name, schema = found[0]
        document = json.loads(message.data)
        validators[schema].validate(document)
        if "event_id" in document and "seq" in document:
            assert message.headers["Nats-Msg-Id"] == document["event_id"], message.headers
        print(name, flush=True)


asyncio.run(main())
