"""What a deployment is, how it is stored, and the one step that moves it.

Begin with `reconcile`: it asks, plans (`plan`), stores that (`storing`), executes it, and merges
what came of it (`merge`). `model` has the values; `documents`, `reading` and `finding` are how they
are stored and found; `pruning` removes old ones; `operations` is what people can do with those that
there are.

How a builder is spoken to does not belong here, and neither does whose turn it is.
"""
