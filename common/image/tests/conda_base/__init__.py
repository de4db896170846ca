"""A conda base for tests: channels of real packages, a server for them, and a stand-in for conda.

`conda/` is the stand-in. It becomes the package `conda` of the channel, and follows conda 26.7
wherever the scripts or a person at a terminal can tell; py-rattler solves and links beneath it.
No part of this is conda itself: what conda does was read from its source and its documentation.
"""
