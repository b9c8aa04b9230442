"""Types, and what an annotation states."""

import ast
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from tests.vllm_versions.library import Definition, Library

TRANSPARENT = {"Annotated", "Awaitable", "ClassVar", "Coroutine", "Final", "Optional", "Required", "Union"}
"""Generic types that are taken for their arguments."""
TUPLE = Definition("builtins", "tuple", None)


@dataclass(frozen=True, slots=True)
class Type:
    """One possible type of an expression."""

    definition: Definition
    kind: Literal["instance", "class", "function", "module"] = "instance"
    arguments: tuple[tuple["Type", ...], ...] = ()
    """Of a generic type."""
    receiver: "Type | None" = None
    """The object of a bound method."""


Types: TypeAlias = tuple[Type, ...]
"""The alternatives; empty where nothing is known."""


@dataclass(frozen=True, slots=True)
class Annotations:
    library: Library

    def read(self, module: str, node: ast.AST | None, this: Types = ()) -> Types:
        """Return the type that an annotation states. `this`: the type of Self."""
        match node:
            case ast.Constant(value=str(text)):
                return self.read(module, ast.parse(text, mode="eval").body, this)
            case ast.BinOp(left=left, right=right):
                return self.read(module, left, this) + self.read(module, right, this)
            case ast.Name(id="Self"):
                return this
            case ast.Subscript(value=head, slice=inner):
                return self._read_generic(module, head, getattr(inner, "elts", [inner]), this)
            case ast.Name() | ast.Attribute():
                return self._read_name(module, node, this)
        return ()

    def _read_generic(self, module: str, head: ast.expr, inner: list[ast.expr], this: Types) -> Types:
        name = getattr(head, "attr", getattr(head, "id", ""))
        arguments = tuple(self.read(module, each, this) for each in inner)
        if name in TRANSPARENT:
            return arguments[0] if name == "Annotated" else sum(arguments, ())
        if name in ("type", "Type"):
            return tuple(replace(each, kind="class") for each in arguments[0])
        return tuple(replace(each, arguments=arguments) for each in self.read(module, head, this))

    def _read_name(self, module: str, node: ast.expr, this: Types) -> Types:
        found = self.library.find_dotted(module, node)
        if found is None:
            return ()
        if found.is_class or found.node is None:
            return (Type(found),)
        if isinstance(found.node, ast.Assign | ast.AnnAssign):
            return self.read(found.module, found.node.value, this)
        return ()


def element_type(container: Type) -> Types:
    """Return what iterating over a container yields."""
    return container.arguments[0] if container.arguments else ()


def value_type(container: Type) -> Types:
    """Return what `container[key]` is."""
    return container.arguments[-1] if container.arguments else ()


def part_type(container: Type, index: int) -> Types:
    """Return the type of a part that an assignment unpacks."""
    arguments = container.arguments
    if container.definition == TUPLE and index < len(arguments):
        return arguments[index]
    return element_type(container)
