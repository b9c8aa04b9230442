"""The wire: thin routes, OpenAI's types, streams and responses."""
