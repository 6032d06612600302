"""Measures the service: `python -m bench`, or `make bench`.

Everything here is a ratio to something measured in the same run. The service runs as a process of
its own and is measured from outside; nothing here is imported by it.
"""
