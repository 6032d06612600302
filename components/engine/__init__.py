"""What happens to configurations and deployments.

The rooms, from the top down: `loop` moves every deployment on and keeps those who wait posted;
`creation` decides what a new one is to be; `deployments` has what a deployment is and the one step
that moves it (`reconcile`, `plan`, `merge`); `queue` says whose turn it is; `builds` starts, seeks,
asks for and ends builds; `configurations` keeps a tool's configuration. `make lint` holds their
order.

Nothing here may know of HTTP, of Kubernetes, or of what a store or a builder is made of.
"""
