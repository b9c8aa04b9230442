"""JSON schemas that clients send: they refer to nothing outside themselves, and not to themselves alone.

A grammar made of a schema that only leads back to itself admits no text at all, and ends its request in an error of the
engine's; a reference to another document would be left out without a word.
"""


def check_refs(schema: dict[str, object]) -> dict[str, object]:
    """The schema. Raises ValueError."""
    for node in collect_nodes(schema):
        seen = list[str]()
        while isinstance(node, dict) and isinstance(pointer := node.get("$ref"), str):
            if pointer != "#" and not pointer.startswith("#/"):
                raise ValueError("a schema may refer only to its own parts (#/...)")
            if pointer in seen:
                raise ValueError("a schema's references lead only back to themselves")
            seen.append(pointer)
            node = resolve_pointer(schema, pointer)
    return schema


def collect_nodes(schema: object) -> list[object]:
    """Every dict and list in it, itself first."""
    found = [schema]
    for node in found:
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        found += [part for part in inner if isinstance(part, dict | list)]
    return found


def resolve_pointer(schema: object, pointer: str) -> object:
    """What a pointer leads to; None where there is nothing."""
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(schema, list):
            schema = schema[int(step)] if step.isdecimal() and int(step) < len(schema) else None
        else:
            schema = schema.get(step) if isinstance(schema, dict) else None
    return schema
