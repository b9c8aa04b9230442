"""What strategies are built from: types, ports, Run, budgets, traces. Imports no strategy."""
