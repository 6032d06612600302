"""Finding one deployment of a tool, by its id or as `latest`."""

import re

from backends.stores.base import Document, NotFound
from components.engine.context import Engine
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.reading import newest_in
from components.engine.errors import NoDeployment, NoDeploymentYet

LATEST = "latest"
"""An alias for the id of a tool's newest deployment."""


async def find(engine: Engine, tool: str, deploy_id: str) -> Document:
    """Return the document of a deployment; `LATEST` is the newest one.

    Raises `NoDeployment`; for `LATEST` also `Corrupt`, where no deployment can be read.
    """
    if deploy_id == LATEST:
        newest = await newest_in(engine, await engine.store.list(tool, DEPLOYMENT))
        if newest is None:
            raise NoDeploymentYet(tool)
        return newest
    # An invalid id never reaches the store, where it could name another object.
    if re.fullmatch(rf"{re.escape(tool)}-deploy-[0-9]{{14}}-[0-9]+", deploy_id):
        try:
            return await engine.store.get(tool, DEPLOYMENT, deploy_id)
        except NotFound:
            pass
    raise NoDeployment(tool, deploy_id)
