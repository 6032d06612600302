"""Deployments: their model, how they are stored, and their reconciliation.

Begin with `reconcile`: it queries the builder, plans the next step (`plan`), stores the plan
(`storing`), executes it and merges the outcome (`merge`). What is put
back when a run fails is in `plan`. `model` has the dataclasses; `documents`,
`reading` and `finding` store and find them; `pruning` removes old ones; `operations` lists, shows,
cancels and deletes existing ones.

Calls to a builder belong in `builds`, and the order of deployments in `queue`.
"""
