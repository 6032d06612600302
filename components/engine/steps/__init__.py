"""What builds and runs have in common: a step of a component, done by a backend.

`model` has the values, `plan` what to do next with one, `merge` how what becomes known of one is
combined with what is stored, `driver` what a kind of step has to provide; `asking` and `starting`
are the calls that all kinds make alike. Nothing here knows what a builder or a runner is, and
nothing here stores anything.
"""
