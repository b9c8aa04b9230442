"""The flags of `cogitate serve`, by the groups in its help.

Each is also an environment variable, COGITATE_<FLAG>, and a key of the file of --config.

The docstring of a class is the title of its group, the description of a field is the flag's help. Checks of values are
in settings.py.
"""
