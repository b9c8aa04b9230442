"""The types of the wire: request and response bodies of the OpenAI API, with our extensions."""
