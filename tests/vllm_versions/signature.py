"""Parameters of functions and classes, and whether a call fits them."""

import ast
from dataclasses import dataclass

from tests.vllm_versions.annotations import Type
from tests.vllm_versions.inference import decorators
from tests.vllm_versions.library import FUNCTIONS, Definition, Function, Library, own_members, target_names

FIELD_DECORATORS = {"config", "dataclass"}
FIELD_BASES = {"BaseModel", "NamedTuple", "Struct", "TypedDict"}


@dataclass(frozen=True, slots=True)
class Signature:
    """What a callable takes."""

    positional: tuple[str, ...]
    keyword_only: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    any_positional: bool = False
    any_keyword: bool = False

    def explain_misfit(self, call: ast.Call) -> str | None:
        """Return why a call does not fit; None where it does, or where it passes on arguments of its own."""
        keywords = [keyword.arg for keyword in call.keywords]
        has_star = any(isinstance(argument, ast.Starred) for argument in call.args)
        count = len(call.args) - has_star
        unknown = [name for name in keywords if name and name not in self.keyword_only.union(self.positional)]
        if unknown and not self.any_keyword:
            return f"has no parameter {', '.join(unknown)}"
        if count > len(self.positional) and not self.any_positional:
            return f"takes {len(self.positional)} positional arguments, not {count}"
        missing = self.required.difference(keywords, self.positional[:count])
        if missing and not has_star and None not in keywords:
            return f"requires {', '.join(sorted(missing))}"
        return None


def read_signature(library: Library, function: Type) -> Signature | None:
    """Return the signature of a function, a method or a class; None where its source is not at hand."""
    if function.kind == "class":
        return read_constructor(library, function.definition)
    node = function.definition.node
    if not isinstance(node, FUNCTIONS):
        return None
    bound = function.receiver is not None and "staticmethod" not in decorators(node)
    is_instance = bound and (function.receiver.kind == "instance" or "classmethod" in decorators(node))
    return read_function(node, skip=int(is_instance))


def read_function(node: Function, skip: int) -> Signature:
    arguments = node.args
    positional = [each.arg for each in (*arguments.posonlyargs, *arguments.args)][skip:]
    optional = len(arguments.defaults)
    keyword_required = {
        each.arg for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None
    }
    return Signature(
        tuple(positional),
        frozenset(each.arg for each in arguments.kwonlyargs),
        frozenset({*positional[: len(positional) - optional], *keyword_required}),
        arguments.vararg is not None,
        arguments.kwarg is not None,
    )


def read_constructor(library: Library, definition: Definition) -> Signature | None:
    """Read `__init__`, or the fields of a dataclass, a struct or a pydantic model."""
    classes = library.linearize(definition)
    for each in classes:
        initializer = own_members(each).get("__init__")
        if initializer is not None and isinstance(initializer.node, FUNCTIONS):
            return read_function(initializer.node, skip=1)
        if decorators(each.node) & FIELD_DECORATORS:
            return read_fields(classes)
    return read_fields(classes) if any(each.name in FIELD_BASES for each in classes) else None


def read_fields(classes: list[Definition]) -> Signature:
    fields = dict[str, bool]()
    for each in reversed(classes):
        for statement in getattr(each.node, "body", []):
            if isinstance(statement, ast.AnnAssign) and "ClassVar" not in ast.unparse(statement.annotation):
                fields |= {name: statement.value is None for name in target_names(statement)}
    return Signature(tuple(fields), required=frozenset(name for name, required in fields.items() if required))
