"""A builder in the cluster: Tekton PipelineRuns, from the operator's template.

`builder` is the builder; `checks` rejects sources that could inject something; `template` renders a
request; `runs` reads the status of a PipelineRun, and `slots` counts those of a tool; `logs` reads
the logs of its pods.
"""
