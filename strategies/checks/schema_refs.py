"""`$ref` in clients' JSON schemas: references stay inside the schema and lead somewhere.

A grammar compiled from a schema that only refers back to itself admits no text, and ends its request with an engine
error; a reference to another document would be ignored silently.
"""


def check_refs(schema: dict[str, object]) -> dict[str, object]:
    """Return the schema. Raises ValueError for a reference to another document or back to itself."""
    for node in collect_nodes(schema):
        visited = list[str]()
        while isinstance(node, dict) and isinstance(pointer := node.get("$ref"), str):
            if pointer != "#" and not pointer.startswith("#/"):
                raise ValueError("a schema may refer only to its own parts: $ref must be # or start with #/")
            if pointer in visited:
                raise ValueError("a schema must not contain references that lead only back to themselves")
            visited.append(pointer)
            node = resolve_pointer(schema, pointer)
    return schema


def collect_nodes(schema: object) -> list[object]:
    """Every dict and list in the schema, itself first."""
    nodes = [schema]
    for node in nodes:
        children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        nodes += [child for child in children if isinstance(child, dict | list)]
    return nodes


def resolve_pointer(schema: object, pointer: str) -> object:
    """The part that a JSON pointer such as `#/$defs/a` leads to; None where there is none."""
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(schema, list):
            schema = schema[int(step)] if step.isdecimal() and int(step) < len(schema) else None
        else:
            schema = schema.get(step) if isinstance(schema, dict) else None
    return schema
