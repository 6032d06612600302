"""A builder on this machine, for development: git fetches, buildah, podman or docker builds.

`builder` is the builder; `checks` says what is not even tried; `fetch` gets a repository without
running anything of it, and `sizes` adds up what that brings; `engine` turns it into an image, which
runs whatever it says; `process` runs programs so that they can be ended, each under a `supervisor`;
`memory` bounds what they take; `confine` finds out what this machine has for that; `log` keeps what
they print. No rule about what a deployment is may live here.
"""
