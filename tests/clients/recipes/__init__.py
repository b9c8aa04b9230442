"""The recipes of examples/recipes, run as they stand there."""
