"""`python -m conda`."""

from .main import run

run()
