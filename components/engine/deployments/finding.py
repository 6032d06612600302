"""Finding one deployment of a tool, by its id or as the latest."""

import re

from backends.stores.base import Document, NotFound
from components.engine.context import Engine
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.reading import newest_in
from components.engine.errors import NoDeployment, NoDeploymentYet

LATEST = "latest"
"""Stands for the id of a tool's newest deployment."""


async def find(engine: Engine, tool: str, deploy_id: str) -> Document:
    """Return the document of a deployment; `LATEST` is the newest one.

    Raises `NoDeployment`; for `LATEST` also `Corrupt`, where all that there is cannot be read.
    """
    if deploy_id == LATEST:
        newest = await newest_in(engine, await engine.store.list(tool, DEPLOYMENT))
        if newest is None:
            raise NoDeploymentYet(tool)
        return newest
    # What cannot be an id never reaches the store, where it might name something else.
    if re.fullmatch(rf"{re.escape(tool)}-deploy-[0-9]{{14}}-[0-9]+", deploy_id):
        try:
            return await engine.store.get(tool, DEPLOYMENT, deploy_id)
        except NotFound:
            pass
    raise NoDeployment(tool, deploy_id)
