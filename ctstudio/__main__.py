"""``python -m ctstudio``."""

from ctstudio.cli.main import main

if __name__ == "__main__":
    main()
