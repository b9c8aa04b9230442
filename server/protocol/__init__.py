"""Request and response bodies: OpenAI's API with this server's extensions. No I/O."""
