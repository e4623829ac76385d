"""MLX behind the engine's port, through mlx-lm's models: Apple silicon, and Linux on the CPU."""
