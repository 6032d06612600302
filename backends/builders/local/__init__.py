"""A builder on this machine, for development: git fetches, buildah, podman or docker builds.

`builder` is the builder; `checks` rejects invalid requests; `fetch` gets a repository without
running anything from it, and `sizes` bounds its size; `engine` builds the image, which runs
whatever the Dockerfile says; `process` runs programs that can be stopped, each under a
`supervisor`; `memory` limits their memory; `confine` detects the support of this machine for that;
`log` stores their output. Nothing about deployments belongs here.
"""
