"""Lets `python -m isojoule` do what the command `isojoule` does."""

from isojoule.apps.cli import main

if __name__ == "__main__":
    main()
