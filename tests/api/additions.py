"""Compares two descriptions of the API: the newer one may only add."""

from __future__ import annotations

from collections.abc import Iterator

# Words that say how a value is written. A program that fits the old one must fit the new one.
_FORMS = ("type", "pattern", "format", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "enum")


def find_breaks(old: dict, new: dict) -> list[str]:
    """Return what a program that was written for `old` could miss in `new`, in words."""
    return [*_compare_paths(old, new), *_compare_schemas(old, new)]


def _compare_paths(old: dict, new: dict) -> Iterator[str]:
    for path, operations in old["paths"].items():
        for method, operation in operations.items():
            other = new["paths"].get(path, {}).get(method)
            if other is None:
                yield f"{method} {path} is gone"
            else:
                yield from _compare_operations(operation, other, f"{method} {path}")


def _compare_operations(old: dict, new: dict, place: str) -> Iterator[str]:
    if old["security"] != new["security"]:
        yield f"{place} demands another scope"
    yield from (f"{place} answers no {each}" for each in old["responses"].keys() - new["responses"].keys())
    before, after = _list_parameters(old), _list_parameters(new)
    yield from (f"{place} lacks {name}" for _, name in before.keys() - after.keys())
    for key, parameter in after.items():
        if parameter.get("required") and not before.get(key, {}).get("required"):
            yield f"{place} demands {key[1]}"
        if key in before:
            yield from _compare(before[key]["schema"], parameter["schema"], f"{place} {key[1]}")


def _list_parameters(operation: dict) -> dict:
    return {(each["in"], each["name"]): each for each in operation["parameters"]}


def _compare_schemas(old: dict, new: dict) -> Iterator[str]:
    for name, schema in old["components"]["schemas"].items():
        other = new["components"]["schemas"].get(name)
        if other is None:
            yield f"{name} is gone"
        else:
            yield from _compare(schema, other, name)


def _compare(old: dict, new: dict, place: str) -> Iterator[str]:
    is_sent = old.get("additionalProperties") is False  # by programs; the other schemas are sent to programs
    required = set(old.get("required", ())), set(new.get("required", ()))
    changed = required[1] - required[0] if is_sent else required[0] - required[1]
    yield from (f"{place}.{name} changed whether it is required" for name in sorted(changed))
    if set(old.get("enum", ())) - set(new.get("enum", ())):
        yield f"{place} lacks values"
    yield from (f"{place} has another {each}" for each in _FORMS if each != "enum" and old.get(each) != new.get(each))
    for name, schema in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            yield f"{place}.{name} is gone"
        else:
            yield from _compare(schema, new["properties"][name], f"{place}.{name}")
    for word in ("items", "additionalProperties"):
        if isinstance(old.get(word), dict):
            yield from _compare(old[word], new.get(word, {}), f"{place}[]")
    if old.get("$ref") != new.get("$ref") or len(old.get("anyOf", ())) != len(new.get("anyOf", ())):
        yield f"{place} has another form"
    for one, other in zip(old.get("anyOf", ()), new.get("anyOf", ()), strict=False):
        yield from _compare(one, other, place)
