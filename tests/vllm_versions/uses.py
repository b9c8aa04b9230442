"""What our source uses of vLLM's: each import, attribute and call, and whether a release of vLLM has it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module

from tests.vllm_versions.annotations import Type
from tests.vllm_versions.inference import STATE, Inference, Scope
from tests.vllm_versions.library import FUNCTIONS, Definition, Library, absolute_module, flatten
from tests.vllm_versions.signature import read_signature

CLOSED_LIBRARIES = {"abc", "builtins", "collections", "enum", "msgspec", "pydantic", "typing", "typing_extensions"}
"""Libraries whose classes are imported to see what their subclasses inherit. Of others, anything may be inherited."""
MODULE_NAMES = {"__doc__", "__file__", "__name__"}
"""Attributes of every module."""


@dataclass(slots=True)
class Report:
    """What was found in our source."""

    uses: set[str] = field(default_factory=set)
    """Full names of what is used and was found."""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks modules of ours against a release of vLLM. `library` has the sources of both."""

    library: Library
    inference: Inference
    report: Report

    def check_module(self, module: str) -> None:
        path = self.library.find_file(module)
        assert path is not None, module
        tree = ast.parse(path.read_text())
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and is_vllm(source := absolute_module(node, package)):
                self._check_import(node, module if is_alternative(node, tree) else source, source, module)
        for node, scope in self._find_scopes(module, tree):
            for each in ast.walk(node):
                self._check_node(each, scope)

    def _find_scopes(self, module: str, tree: ast.Module) -> Iterator[tuple[ast.AST, Scope]]:
        """Yield each function and method with the names in it, and each other statement of the module."""
        for owner, function in self.library.functions(module):
            yield function, self.inference.function_scope(module, function, owner)
        blocks = (*FUNCTIONS, ast.ClassDef, ast.If, ast.Try, ast.With)
        yield from ((each, Scope(module)) for each in flatten(tree.body) if not isinstance(each, blocks))

    def _check_import(self, node: ast.ImportFrom, where: str, source: str, module: str) -> None:
        """`where`: the module in which the names must be found."""
        for alias in node.names:
            self._note(f"{source}.{alias.name}", self.library.find(where, alias.name) is not None, module, node)

    def _check_node(self, node: ast.AST, scope: Scope) -> None:
        if isinstance(node, ast.Attribute):
            receivers = [each for each in self.inference.infer(node.value, scope) if self._is_checked(each)]
            if receivers:
                owner = next((each for each in receivers if self._has(each, node.attr)), None)
                name = f"{(owner or receivers[0]).definition.path}.{node.attr}"
                self._note(name, owner is not None, scope.module, node)
        if isinstance(node, ast.Call):
            self._check_call(to_direct_call(node), scope)

    def _check_call(self, call: ast.Call, scope: Scope) -> None:
        functions = [each for each in self.inference.infer(call.func, scope) if is_vllm(each.definition.module)]
        signatures = [read_signature(self.library, each) for each in functions]
        misfits = [signature.explain_misfit(call) if signature else None for signature in signatures]
        if misfits and all(misfits):
            self._note(f"{functions[0].definition.path}() {misfits[0]}", False, scope.module, call)
        elif any(signatures):
            self._note(f"{functions[misfits.index(None)].definition.path}()", True, scope.module, call)

    def _is_checked(self, receiver: Type) -> bool:
        is_object = receiver.kind in ("class", "instance", "module")
        return is_object and (is_vllm(receiver.definition.module) or receiver.definition.path == STATE)

    def _has(self, receiver: Type, name: str) -> bool:
        definition = receiver.definition
        if receiver.kind == "module":
            return name in MODULE_NAMES or self.library.find(definition.path, name) is not None
        if definition.path == STATE:
            return bool(self.inference.state_member(name))
        members = self.library.members(definition)
        classes = self.library.linearize(definition)
        return name in members or "__getattr__" in members or any(may_have(each, name) for each in classes)

    def _note(self, name: str, is_there: bool, module: str, node: ast.AST) -> None:
        if is_there:
            self.report.uses.add(name)
        else:
            self.report.problems.append(f"{module}:{node.lineno}: {name}")


def may_have(definition: Definition, name: str) -> bool:
    """Whether the class is another library's that may have a member `name`."""
    if definition.node is not None:
        return False
    if definition.module.partition(".")[0] not in CLOSED_LIBRARIES:
        return True
    kind = dict if definition.name == "TypedDict" else getattr(import_module(definition.module), definition.name, None)
    return hasattr(kind, name)


def is_vllm(module: str) -> bool:
    return module.partition(".")[0] == "vllm"


def is_alternative(node: ast.ImportFrom, tree: ast.Module) -> bool:
    """Whether an import stands in a `try` whose handlers import as well: one of them must succeed."""
    attempts = [each for each in ast.walk(tree) if isinstance(each, ast.Try) and node in ast.walk(each)]
    handlers = (handler for attempt in attempts for handler in attempt.handlers)
    return any(isinstance(each, ast.ImportFrom) for handler in handlers for each in ast.walk(handler))


def to_direct_call(call: ast.Call) -> ast.Call:
    """Return the call that `asyncio.to_thread` makes; any other call unchanged."""
    if getattr(call.func, "attr", "") == "to_thread" and call.args:
        return ast.copy_location(ast.Call(call.args[0], call.args[1:], call.keywords), call)
    return call


def check_uses(library: Library, modules: list[str]) -> Report:
    """Check modules of ours against the vLLM in the library."""
    checker = Checker(library, Inference(library), Report())
    for module in modules:
        checker.check_module(module)
    return checker.report
