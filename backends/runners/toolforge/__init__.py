"""Toolforge's jobs service as a runner, over HTTP.

`runner` is the runner; `payloads` converts run parts to jobs and back, `states` says how a job
does, `differences` how it differs from what is wanted, `errors` what a failed call means. The calls
themselves are made by `backends.toolforge`. Nothing is kept here: a job has no field for what it
came from, so the caller remembers that.
"""

from backends.runners.toolforge.runner import ToolforgeRunner

__all__ = ["ToolforgeRunner"]
