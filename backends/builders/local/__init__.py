"""A builder on this machine, for development: git fetches, buildah, podman or docker builds.

`builder` is the builder; `checks` says what is not even tried; `fetch` gets a repository without
running anything of it; `engine` turns it into an image, which runs whatever it says; `process` runs
programs so that they can be ended; `log` keeps what they print.
"""
