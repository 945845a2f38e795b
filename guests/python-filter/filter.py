"""A guest in Python: paid orders go on with a tidy note, large ones also to the route `out` as a message of their own.

Built with componentize-py, which puts CPython into the file:

    pip install componentize-py
    componentize-py --wit-path sluicegate.wit --world json componentize --stub-wasi filter --output orders.wasm

`sluicegate.wit` is in the folder `wit` of the repository; `JSON.md` beside it says what rows and verdicts look like. Below the line is what
every guest needs, above it what this one is about.
"""

import json

import wit_world
from componentize_py_types import Err

MANIFEST = {
    "name": "python-filter",
    "version": "0.1.0",
    "subscriptions": [{"table": "public.orders", "columns": ["id", "customer_id", "status", "note", "total"]}],
    "routes": ["out"],
}


def start(config: dict[str, str]) -> None:
    """What is costly is made once. An error keeps the guest from being used, with its text."""
    global keep, large
    keep = config.get("keep", "paid")
    large = float(config.get("large", "1000"))


def judge(change: dict):
    row = change["row"]
    if change["op"] in ("delete", "truncate") or row["status"] != keep:
        return "drop"
    if row["customer_id"] is None:
        return {"reject": {"code": "no-customer", "message": f"order {row['id']} has no customer"}}
    if row["total"] is not None and float(row["total"]) >= large:
        return {"emit": [{"route": "out", "member": row["customer_id"], "body": {"order": row["id"], "large": True}}]}
    # A large value that an update did not touch is not in the row.
    if row.get("note") is not None:
        return {"set": {"note": row["note"].strip()}}
    return "pass"


# ------------------------------------------------------------------------------------------------------------------------------


def judged(change: dict):
    """A mistake costs its own row: without this, the whole call would be run again row by row."""
    try:
        return judge(change)
    except Exception as error:
        return {"reject": {"code": "python", "message": f"{type(error).__name__}: {error}"}}


class WitWorld(wit_world.WitWorld):
    def describe(self) -> str:
        return json.dumps(MANIFEST)

    def init(self, config: str) -> None:
        try:
            start(json.loads(config))
        except Exception as error:
            raise Err(str(error))

    def judge(self, rows: str) -> str:
        return json.dumps([judged(change) for change in json.loads(rows)])
