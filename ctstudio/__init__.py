"""CT Studio: a desktop viewer and trainer for CT. For research use, not for diagnosis."""

__version__ = "0.1.0"
