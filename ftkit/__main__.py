"""`python -m ftkit` is the command line (torchrun -m ftkit works too)."""

from ftkit.cli.main import main

if __name__ == "__main__":
    main()
