"""What applies to every request: deadlines, known parameters, rate limits, headers.

Code for a single route does not belong here.
"""
