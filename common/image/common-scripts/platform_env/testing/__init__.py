"""Tests of an image: their selection, their execution, and their results."""
