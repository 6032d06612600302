"""What runs the images that were built, and can be swapped: one module or package for each.

`base` is the interface. A runner knows no deployments and no configurations: it brings one
component to one wanted state, and says how that does.
"""
