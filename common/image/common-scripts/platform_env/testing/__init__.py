"""Testing an image: which tests, running them, and what they came to."""
