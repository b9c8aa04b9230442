"""OpenAI's Responses API: the same requests and answers as a chat's, in other words."""
