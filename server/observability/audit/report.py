"""What an audit has found."""

from dataclasses import dataclass, field


@dataclass
class Report:
    """What was recomputed, what of it differs from the record, and what cannot be recomputed from a trace."""

    checked: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def compare(self, what: str, recorded: object, computed: object) -> None:
        """Note a value, or that it differs."""
        if recorded == computed:
            self.checked.append(f"{what} {computed}")
        else:
            self.differences.append(f"{what}: the trace says {recorded}, its events say {computed}")

    def expect(self, *, is_so: bool, otherwise: str) -> None:
        """Note a contradiction within the events."""
        if not is_so:
            self.differences.append(otherwise)

    def leave_open(self, what: str) -> None:
        """Note what cannot be recomputed."""
        self.open.append(what)

    def list_lines(self) -> list[str]:
        lines = [f"same       {line}" for line in self.checked]
        lines += [f"open       {line}" for line in self.open]
        return lines + [f"DIFFERENT  {line}" for line in self.differences]
