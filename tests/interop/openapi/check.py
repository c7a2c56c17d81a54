"""Holds exchanges to docs/api/openapi.yaml, in the Python that has jsonschema: scripts/setup's.

Reads JSON lines from the standard input, {"name", "path", "method", "status", "content_type"} with "request" and "answer" (text;
either may be absent); ends with 1 and says which do not fit. A request is held to the schema only if it was answered with 2xx."""
import json
import sys

import jsonschema
import yaml


class Document:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.tree = yaml.safe_load(file)
        self.validators = {}

    def resolved(self, node):
        while "$ref" in node:
            target = self.tree
            for part in node["$ref"][2:].split("/"):
                target = target[part]
            node = target
        return node

    def validator(self, schema):
        key = json.dumps(schema, sort_keys=True)
        if key not in self.validators:
            self.validators[key] = jsonschema.Draft202012Validator({**schema, "components": self.tree["components"]})
        return self.validators[key]

    def mistakes(self, exchange):
        operation = self.tree["paths"].get(exchange["path"], {}).get(exchange["method"])
        if not operation:
            return ["no such operation"]
        answer = operation["responses"].get(str(exchange["status"]))
        if not answer:
            return [f"status {exchange['status']} is not documented"]
        media = self.resolved(answer).get("content", {}).get(exchange["content_type"])
        if not media:
            return [f"content type {exchange['content_type']} is not documented for {exchange['status']}"]
        found = []
        if "answer" in exchange:
            value = exchange["answer"] if exchange["content_type"].startswith("text/") else json.loads(exchange["answer"])
            found += [f"answer: {e.json_path}: {e.message[:200]}" for e in self.validator(media["schema"]).iter_errors(value)]
        if "request" in exchange and exchange["status"] < 300:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            found += [f"request: {e.json_path}: {e.message[:200]}"
                      for e in self.validator(schema).iter_errors(json.loads(exchange["request"]))]
        return found


def main():
    document, count, wrong = Document(sys.argv[1]), 0, 0
    for line in sys.stdin:
        exchange = json.loads(line)
        found = document.mistakes(exchange)
        count += 1
        wrong += bool(found)
        for mistake in found:
            print(f"{exchange['name']}: {mistake}")
    print(f"{count} exchanges, {wrong} do not fit")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
