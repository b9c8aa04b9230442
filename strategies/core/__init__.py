"""What every strategy is built from: types, ports, Run, budgets, traces. Imports no strategy."""
