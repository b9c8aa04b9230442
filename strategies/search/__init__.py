"""Tree and population search: steps, trajectories, resampling, AB-MCTS."""
