"""Reads a library's source by AST, without importing it: modules, definitions, base classes, members."""

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Definition:
    """What a name stands for. `node` is None for a name of another library."""

    module: str
    name: str
    node: ast.AST | None

    @property
    def path(self) -> str:
        return f"{self.module}.{self.name}" if self.name else self.module

    @property
    def is_class(self) -> bool:
        return isinstance(self.node, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Import:
    module: str
    name: str | None
    """None: the module itself."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a class: a statement of its body, or an assignment to `self` in one of its methods."""

    owner: Definition
    node: ast.AST
    method: Function | None = None


@dataclass(frozen=True)
class Library:
    """Source trees. Definitions are found through imports, also those under `if TYPE_CHECKING` or `try`."""

    roots: tuple[Path, ...]
    _scopes: dict[str, dict[str, list[ast.AST | Import]]] = field(default_factory=dict)
    _members: dict[Definition, dict[str, Member]] = field(default_factory=dict)

    def find_file(self, module: str) -> Path | None:
        bases = [root.joinpath(*module.split(".")) for root in self.roots]
        files = (path for base in bases for path in (base / "__init__.py", base.parent / f"{base.name}.py"))
        return next((path for path in files if path.is_file()), None)

    @cached_property
    def packages(self) -> frozenset[str]:
        return frozenset(path.name for root in self.roots for path in root.iterdir())

    def submodules(self, package: str) -> list[str]:
        """Return every module below a package."""
        folder = Path(*package.split("."))
        files = {path.relative_to(root) for root in self.roots for path in (root / folder).rglob("*.py")}
        return sorted(".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files)

    def scope(self, module: str) -> dict[str, list[ast.AST | Import]]:
        """Return what each name of a module may stand for; the last is the one to prefer."""
        if module not in self._scopes:
            scope = self._scopes[module] = {}
            if path := self.find_file(module):
                package = module if path.name == "__init__.py" else module.rpartition(".")[0]
                for statement in flatten(parse(path).body):
                    for name, value in self._bind(statement, package):
                        scope.setdefault(name, []).append(value)
        return self._scopes[module]

    def _bind(self, statement: ast.stmt, package: str) -> Iterator[tuple[str, ast.AST | Import]]:
        match statement:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield statement.name, statement
            case ast.Import():
                for alias in statement.names:
                    top = alias.name.partition(".")[0]
                    yield alias.asname or top, Import(alias.name if alias.asname else top, None)
            case ast.ImportFrom():
                source = absolute_module(statement, package)
                for alias in statement.names:
                    names = self.scope(source) if alias.name == "*" else [alias.name]
                    yield from ((alias.asname or name, Import(source, name)) for name in names)
            case ast.Assign() | ast.AnnAssign():
                yield from ((name, statement) for name in target_names(statement))

    def functions(self, module: str) -> Iterator[tuple[Definition | None, Function]]:
        """Yield the functions of a module, and the methods of its classes with their class."""
        for statement in (each for statements in self.scope(module).values() for each in statements):
            if isinstance(statement, FUNCTIONS):
                yield None, statement
            elif isinstance(statement, ast.ClassDef):
                owner = Definition(module, statement.name, statement)
                yield from ((owner, method) for method in statement.body if isinstance(method, FUNCTIONS))

    def find(self, module: str, name: str, seen: frozenset[tuple[str, str]] = frozenset()) -> Definition | None:
        """Find a name of a module; None where the module, or the name in it, does not exist."""
        if module.partition(".")[0] not in self.packages:
            return Definition(module, name, None)
        if (module, name) not in seen:
            for value in reversed(self.scope(module).get(name, [])):
                found = self._follow(module, name, value, seen | {(module, name)})
                if found:
                    return found
        submodule = f"{module}.{name}"
        return Definition(submodule, "", ast.Module([], [])) if self.find_file(submodule) else None

    def _follow(
        self, module: str, name: str, value: ast.AST | Import, seen: frozenset[tuple[str, str]]
    ) -> Definition | None:
        if not isinstance(value, Import):
            return Definition(module, name, value)
        if value.name is not None:
            return self.find(value.module, value.name, seen)
        is_ours = value.module.partition(".")[0] in self.packages
        return Definition(value.module, "", ast.Module([], []) if is_ours else None)

    def find_dotted(self, module: str, node: ast.AST) -> Definition | None:
        """Find what `a.b.c` stands for in a module; a name that is not in its scope is a builtin."""
        match node:
            case ast.Name():
                return self.find(module, node.id) or Definition("builtins", node.id, None)
            case ast.Attribute():
                parent = self.find_dotted(module, node.value)
                if parent is not None and not parent.is_class:
                    return self.find(parent.path, node.attr)
        return None

    def linearize(self, definition: Definition) -> list[Definition]:
        """Return a class and its base classes, nearest first, those of other libraries included."""
        order = [definition]
        for base in getattr(definition.node, "bases", []):
            head = base.value if isinstance(base, ast.Subscript) else base
            found = self.find_dotted(definition.module, head)
            if found is not None:
                order += [each for each in self.linearize(found) if each not in order]
        return order

    def members(self, definition: Definition) -> dict[str, Member]:
        """Return the members of a class, inherited ones included."""
        if definition not in self._members:
            members: dict[str, Member] = {}
            for each in self.linearize(definition):
                members = own_members(each) | members
            self._members[definition] = members
        return self._members[definition]


def parse(path: Path) -> ast.Module:
    """Parse a file; what Python warns of in another library's source is not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(path.read_text())


def own_members(definition: Definition) -> dict[str, Member]:
    members: dict[str, Member] = {}
    methods = list[Function]()
    for statement in flatten(getattr(definition.node, "body", [])):
        if isinstance(statement, FUNCTIONS):
            methods.append(statement)
        names = [statement.name] if isinstance(statement, (*FUNCTIONS, ast.ClassDef)) else target_names(statement)
        members |= {name: Member(definition, statement) for name in names}
    for method in methods:
        for statement in ast.walk(method):
            for name in self_names(statement):
                members.setdefault(name, Member(definition, statement, method))
    return members


def flatten(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements, and those inside `if`, `try` and `with`."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try | ast.With):
            blocks = (getattr(statement, name, []) for name in ("body", "orelse", "finalbody"))
            handlers = (handler.body for handler in getattr(statement, "handlers", []))
            for block in (*blocks, *handlers):
                yield from flatten(block)


def absolute_module(statement: ast.ImportFrom, package: str) -> str:
    parents = package.split(".")[: len(package.split(".")) - statement.level + 1] if statement.level else []
    return ".".join([*parents, *filter(None, [statement.module])])


def targets(statement: ast.AST) -> list[ast.expr]:
    """Return what a statement assigns to, one level of tuples opened."""
    found = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign | ast.AugAssign):
        found = [statement.target]
    return [part for target in found for part in getattr(target, "elts", [target])]


def target_names(statement: ast.AST) -> list[str]:
    return [target.id for target in targets(statement) if isinstance(target, ast.Name)]


def self_names(statement: ast.AST) -> list[str]:
    """Return the attributes of `self` that a statement assigns."""
    return [
        target.attr
        for target in targets(statement)
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
    ]
