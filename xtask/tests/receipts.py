"""Whether docs/receipt.schema.json and the tool agree on what a receipt is.

    receipts.py SCHEMA CORPUS RECEIPT...

The corpus has a receipt, changes of it, and whether each gives a receipt; the tool's own tests hold
it to the same verdicts. The receipts are some that the tool wrote.
"""

import copy
import json
import sys
from pathlib import Path

from jsonschema import Draft202012Validator


def read(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def changed(receipt, change):
    """A copy with `to` in the place `at`, or without what is there if nothing is to be put."""
    whole = {"receipt": copy.deepcopy(receipt)}
    *parents, last = ["receipt", *change["at"].split("/")[1:]]
    place = whole
    for name in parents:
        place = place[int(name) if isinstance(place, list) else name]
    last = int(last) if isinstance(place, list) else last
    if "to" in change:
        place[last] = change["to"]
    else:
        del place[last]
    return whole["receipt"]


def main(schema_file, corpus_file, *receipts):
    schema = read(schema_file)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    corpus = read(corpus_file)
    wrong = []
    for change in corpus["changes"]:
        if validator.is_valid(changed(corpus["receipt"], change)) != change["valid"]:
            wrong.append(f"{corpus_file}: {json.dumps(change)}")
    for path in [corpus_file, *receipts]:
        receipt = corpus["receipt"] if path == corpus_file else read(path)
        wrong += [f"{path}: {error.message}" for error in validator.iter_errors(receipt)]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
