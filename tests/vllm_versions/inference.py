"""Types of expressions, as far as annotations and constructors tell."""

import ast
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.vllm_versions.annotations import TUPLE, Annotations, Type, Types, element_type, part_type, value_type
from tests.vllm_versions.library import FUNCTIONS, Definition, Function, Library, Member, targets

SAME_AS_FIRST = {
    "copy",
    "ensure_future",
    "iter",
    "list",
    "replace",
    "reversed",
    "shield",
    "sorted",
    "tuple",
    "wait_for",
}
"""Functions that are taken to return their first argument."""
SAME_AS_OBJECT = {"model_copy", "model_validate"}
"""Methods of pydantic that return an instance of their class."""
STATE = "starlette.datastructures.State"
"""Attributes of a server's state: whatever is assigned to one in these packages."""
STATE_PACKAGES = ("vllm.entrypoints", "cogitate.server")
UNKNOWN = Definition("", "", None)


@dataclass(frozen=True, slots=True)
class Scope:
    module: str
    names: dict[str, Types] = field(default_factory=dict)
    owner: Definition | None = None
    """The class of a method."""


@dataclass(frozen=True, slots=True)
class Inference:
    """Infers types in the modules of a library. Names in a function have all types that are assigned to them."""

    library: Library
    _known: dict[Member, Types] = field(default_factory=dict)
    _state: dict[str, Types] = field(default_factory=dict)

    @property
    def annotations(self) -> Annotations:
        return Annotations(self.library)

    def infer(self, node: ast.AST | None, scope: Scope) -> Types:
        """Return the types that an expression may have."""
        match node:
            case ast.Name(id=name):
                return scope.names[name] if name in scope.names else self._infer_global(scope.module, node)
            case ast.Attribute(value=value, attr=name):
                return self._each(self.infer(value, scope), lambda each: self.member(each, name))
            case ast.Call(func=function, args=arguments):
                return self._infer_call(function, arguments, scope)
            case ast.Await(value=value) | ast.NamedExpr(value=value) | ast.Starred(value=value):
                return self.infer(value, scope)
            case ast.Subscript(value=value):
                return self._each(self.infer(value, scope), value_type)
        return self._infer_parts(node, scope)

    def _infer_parts(self, node: ast.AST | None, scope: Scope) -> Types:
        """Return the types of a choice between expressions, or of a container of them."""
        match node:
            case ast.IfExp(body=one, orelse=other):
                return self.infer(one, scope) + self.infer(other, scope)
            case ast.BoolOp(values=values):
                return sum((self.infer(value, scope) for value in values), ())
            case ast.Tuple(elts=parts):
                return (Type(TUPLE, arguments=tuple(self.infer(part, scope) for part in parts)),)
            case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element):
                return (Type(Definition("builtins", "list", None), arguments=(self.infer(element, scope),)),)
        return ()

    @staticmethod
    def _each(types: Types, of: Callable[[Type], Types]) -> Types:
        return tuple(dict.fromkeys(found for each in types for found in of(each)))

    def _infer_global(self, module: str, node: ast.Name) -> Types:
        found = self.library.find_dotted(module, node)
        return self._refer(found) if found else ()

    def _refer(self, found: Definition) -> Types:
        if isinstance(found.node, ast.Assign | ast.AnnAssign):
            statement = found.node
            stated = self.annotations.read(found.module, getattr(statement, "annotation", None))
            return stated or self.infer(statement.value, Scope(found.module))
        if isinstance(found.node, FUNCTIONS):
            return (Type(found, "function"),)
        return (Type(found, "module" if isinstance(found.node, ast.Module) else "class"),)

    def _infer_call(self, function: ast.expr, arguments: list[ast.expr], scope: Scope) -> Types:
        name = getattr(function, "attr", getattr(function, "id", ""))
        if name == "super" and scope.owner is not None:
            return tuple(Type(base) for base in self.library.linearize(scope.owner)[1:2])
        if name == "to_thread" and arguments:
            return self._infer_call(arguments[0], arguments[1:], scope)
        if name == "next" and arguments:
            return self._each(self.infer(arguments[0], scope), element_type)
        found = self._each(self.infer(function, scope), self.result)
        if not found and name in SAME_AS_FIRST and arguments:
            return self.infer(arguments[0], scope)
        return found or self._infer_method_of_library(function, name, scope)

    def _infer_method_of_library(self, function: ast.expr, name: str, scope: Scope) -> Types:
        """Return what a method of a container, or of pydantic's classes, returns."""
        receivers = self.infer(function.value, scope) if isinstance(function, ast.Attribute) else ()
        if name in SAME_AS_OBJECT:
            return tuple(replace(each, kind="instance") for each in receivers)
        if name in ("get", "pop"):
            return self._each(receivers, value_type)
        if name == "values":
            return tuple(replace(each, arguments=each.arguments[1:]) for each in receivers)
        if name == "items":
            return tuple(replace(each, arguments=((Type(TUPLE, arguments=each.arguments),),)) for each in receivers)
        return ()

    def result(self, function: Type) -> Types:
        """Return what a call of a class or of a function returns."""
        if function.kind == "class":
            return (replace(function, kind="instance"),)
        node = function.definition.node
        if function.kind != "function" or not isinstance(node, FUNCTIONS):
            return ()
        this = (replace(function.receiver, kind="instance"),) if function.receiver else ()
        return self.annotations.read(function.definition.module, node.returns, this)

    def member(self, receiver: Type, name: str) -> Types:
        """Return the types of a member of an object, a class or a module."""
        if receiver.kind == "module":
            return self._infer_global(receiver.definition.path, ast.Name(name))
        if receiver.definition.path == STATE:
            return self.state_member(name)
        member = self.library.members(receiver.definition).get(name)
        if member is None:
            return ()
        if isinstance(member.node, FUNCTIONS):
            return self._method(receiver, member)
        if member not in self._known:
            self._known[member] = ()
            self._known[member] = self._infer_field(member)
        return self._known[member]

    def _method(self, receiver: Type, member: Member) -> Types:
        method = Definition(member.owner.module, f"{member.owner.name}.{member.node.name}", member.node)
        this = (replace(receiver, kind="instance"),)
        if decorators(member.node) & {"property", "cached_property"}:
            return self.annotations.read(member.owner.module, member.node.returns, this)
        return (Type(method, "function", receiver=receiver),)

    def _infer_field(self, member: Member) -> Types:
        module, node = member.owner.module, member.node
        if isinstance(node, ast.ClassDef):
            return (Type(Definition(module, f"{member.owner.name}.{node.name}", node), "class"),)
        stated = self.annotations.read(module, getattr(node, "annotation", None))
        if stated:
            return stated
        scope = self.function_scope(module, member.method, member.owner) if member.method else Scope(module)
        return self.infer(getattr(node, "value", None), scope)

    def state_member(self, name: str) -> Types:
        """Return the types of what is assigned to `state.NAME`; empty where nothing is."""
        if not self._state:
            for module in sum(map(self.library.submodules, STATE_PACKAGES), []):
                self._collect_state(module)
        return self._state.get(name, ())

    def _collect_state(self, module: str) -> None:
        for owner, function in self.library.functions(module):
            scope = None
            for statement in ast.walk(function):
                for target in targets(statement):
                    if isinstance(target, ast.Attribute) and ast.unparse(target.value) in ("state", "app.state"):
                        scope = scope or self.function_scope(module, function, owner)
                        types = self.infer(statement.value, scope) or (Type(UNKNOWN),)
                        self._state[target.attr] = self._state.get(target.attr, ()) + types

    def function_scope(self, module: str, function: Function, owner: Definition | None = None) -> Scope:
        """Return the names in a function and in those inside it, each with all types that are assigned to it."""
        scope = Scope(module, {}, owner)
        nodes = [node for node in ast.walk(function) if hasattr(node, "lineno") or isinstance(node, ast.comprehension)]
        # Twice: a comprehension stands before the name that it binds.
        for node in sorted(nodes, key=position) * 2:
            self._bind(node, scope, is_method=owner is not None and node is function)
        return scope

    def _bind(self, node: ast.AST, scope: Scope, *, is_method: bool) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                self._bind_parameters(node, scope, is_method=is_method)
            case ast.ImportFrom(level=0):
                for alias in node.names:
                    found = self.library.find(node.module or "", alias.name)
                    scope.names[alias.asname or alias.name] = self._refer(found) if found else ()
            case ast.For() | ast.AsyncFor() | ast.comprehension():
                self._assign(node.target, self._each(self.infer(node.iter, scope), element_type), scope)
            case ast.Assign() | ast.AnnAssign() | ast.NamedExpr():
                stated = self.annotations.read(scope.module, getattr(node, "annotation", None))
                for target in getattr(node, "targets", None) or [node.target]:
                    self._assign(target, stated or self.infer(node.value, scope), scope)

    def _bind_parameters(self, node: Function | ast.Lambda, scope: Scope, *, is_method: bool) -> None:
        parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        for parameter in parameters:
            stated = self.annotations.read(scope.module, parameter.annotation)
            scope.names[parameter.arg] = stated or scope.names.get(parameter.arg, ())
        if is_method and parameters and "staticmethod" not in decorators(node):
            kind = "class" if "classmethod" in decorators(node) else "instance"
            scope.names[parameters[0].arg] = (Type(scope.owner, kind),)

    def _assign(self, target: ast.expr, types: Types, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            scope.names[target.id] = tuple(dict.fromkeys((*scope.names.get(target.id, ()), *types)))
        for index, part in enumerate(getattr(target, "elts", [])):
            self._assign(part, self._each(types, lambda each, index=index: part_type(each, index)), scope)


def decorators(node: ast.AST) -> set[str]:
    """Return the last part of the name of each decorator."""
    heads = (getattr(each, "func", each) for each in getattr(node, "decorator_list", []))
    return {getattr(head, "attr", getattr(head, "id", "")) for head in heads}


def position(node: ast.AST) -> tuple[int, int]:
    start = node.target if isinstance(node, ast.comprehension) else node
    return start.lineno, start.col_offset
