"""A stand-in for conda on test bases: conda's command line and its traps, on top of py-rattler.

Refuses every setting, option and kind of file that `settings` and `parser` do not list.
"""

__version__ = "26.7.1"
