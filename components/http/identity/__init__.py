"""Who asks, and whether they may: subjects, pages of strangers, authorization.

Nothing here may know what a route does.
"""
