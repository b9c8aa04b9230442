"""`python -m cogitate.server`: the command `cogitate`."""

from cogitate.server.cli import main

if __name__ == "__main__":
    main()
