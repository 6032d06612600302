"""What holds for every request: deadlines, known parameters, budgets, headers.

What only one route needs does not belong here.
"""
