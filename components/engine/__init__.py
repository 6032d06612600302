"""The engine: configurations, deployments and their reconciliation.

The packages, from the top down: `loop` reconciles every open deployment and serves the requests
that wait for one; `creation` creates deployments; `deployments` has the model of a deployment and
its reconciliation (`reconcile`, `plan`, `merge`); `queue` decides which deployment may start;
`steps` has what builds and runs have in common, `builds` and `runs` what each asks of its backend;
`configurations` stores a tool's configuration.
`make lint` enforces this order.

Nothing here may depend on HTTP, on Kubernetes, or on how a store or a builder works.
"""
