"""Code that runs inside the sandbox: standard library only, Python 3.9 or later, sent as source to an interpreter."""
