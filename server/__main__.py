"""python -m server is the command `cogitate`."""

from cogitate.server.cli import main

if __name__ == "__main__":
    main()
