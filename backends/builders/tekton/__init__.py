"""A builder in the cluster: Tekton PipelineRuns, from a template of the operator's.

`builder` is the builder; `checks` refuses what would be more than text; `template` is what becomes
of a request; `runs` reads what Tekton says of a run; `logs` reads those of its pods.
"""
