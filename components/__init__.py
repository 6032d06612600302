"""The components API: stores a tool's configuration, deploys its components, reports their status.

Data flows one way. `cli` and `http` are the interfaces for people and programs; `engine` decides
what happens to a deployment; `configuration` validates configurations; `backends` (another
package) store documents and build images. `.importlinter` enforces these directions.
"""

from importlib.metadata import version

__version__ = version("components-api")
