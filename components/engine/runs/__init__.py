"""The runs of a deployment, and what runs of a tool now.

`wanted` says what is to run of a component, `beginning` what a deployment does with each when its
run phase begins, `driver` how the runner is asked to do it and to put it back, `states` what its
listing says of a run, `unmarked` what a listing does not say itself. Nothing here stores a
deployment, or decides when a run starts or is put back: `deployments.plan` says that.
"""
