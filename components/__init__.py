"""The components API: keeps a tool's configuration, deploys its components, says how they go.

Data flows one way. `cli` and `http` speak to people and programs; `engine` decides what happens
to a deployment; `configuration` knows what a configuration may say; `backends` (another package)
keep documents and build images. `.importlinter` holds these directions.
"""

from importlib.metadata import version

__version__ = version("components-api")
