"""The benchmark, `make bench`: contacts-elt beside a hand-written loader and plain dlt.

All read the same made-up lists from the same server on 127.0.0.1. No test depends on its times.
"""
