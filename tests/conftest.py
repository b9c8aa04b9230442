"""For every test: properties are not races, so hypothesis sets no deadline."""

from hypothesis import settings

settings.register_profile("cogitate", deadline=None, max_examples=60)
settings.load_profile("cogitate")
