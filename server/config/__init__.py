"""Sources of the settings: command line, vLLM's flags, environment variables, the configuration file."""
