"""How the API server is reached, and as whom: from a kubeconfig, or from the cluster around this.

The client library reads both. It would leave the program of an exec plugin running for ever, so
that is run here, and what it says takes its place before the library reads the rest.
"""

import asyncio
import base64
import contextlib
import json
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE
from typing import Any

from environs import EnvError
from kubernetes_asyncio import client, config
from kubernetes_asyncio.config.exec_provider import ExecProvider
from kubernetes_asyncio.config.kube_config import (
    KUBE_CONFIG_DEFAULT_LOCATION,
    ConfigNode,
    KubeConfigLoader,
    KubeConfigMerger,
)

READ_SECONDS = 30.0
"""How long reading it may take, with the program of a plugin or a question to an OIDC issuer."""


async def new_client(
    kubeconfig: str | None, context: str | None, limit: float = READ_SECONDS
) -> client.ApiClient:
    """Return a client as a kubeconfig says, or as the cluster does where none is named.

    `kubeconfig` and `context` are as `KubeConnection` has them; it takes at most `limit` seconds.
    Raises `EnvError` where there is nothing that can be used.
    """
    configuration = client.Configuration()
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and not (kubeconfig or context):
            config.load_incluster_config(client_configuration=configuration)
        else:
            async with asyncio.timeout(limit):
                await _read_file(kubeconfig or KUBE_CONFIG_DEFAULT_LOCATION, context, configuration)
        made = client.ApiClient(configuration)
    except Exception as error:  # whatever is in the file, the library stumbles over it
        reason = str(error) or f"it took longer than {limit:g} s"
        raise EnvError(
            "no Kubernetes configuration can be used, neither of KUBECONFIG nor of a cluster "
            f"around this: {reason}"
        ) from None
    # aiohttp would by itself repeat a PUT or DELETE whose connection was cut: we would not know
    # that the first one may have been carried out. It has no public switch for it.
    made.rest_client.pool_manager._retry_connection = False
    return made


async def _read_file(path: str, context: str | None, configuration: client.Configuration) -> None:
    found = KubeConfigMerger(path).config
    if found is None:
        raise FileNotFoundError(f"there is no file {path}")

    user = _user(found, context)
    if user is not None and "exec" in user and "auth-provider" not in user:
        said = await _ask_plugin(user["exec"])
        del user.value["exec"]
        user.value.update(said)
    # Without a persister: the file is its owner's, and nothing is written into it.
    loader = KubeConfigLoader(found, context, config_base_path=None)
    await loader.load_and_set(configuration)


def _user(found: ConfigNode, context: str | None) -> Any:
    """Return the user of the context that is named, or else of the current one; None without."""
    chosen: Any = found["contexts"].get_with_name(context or found["current-context"])
    name = chosen["context"].safe_get("user")
    named = found["users"].get_with_name(name, safe=True) if name and found["users"] else None
    return named["user"] if named is not None else None


async def _ask_plugin(plugin_config: ConfigNode) -> dict[str, str]:
    """Return what a plugin says, in the fields that a user of a kubeconfig has for it.

    kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
    """
    plugin = ExecProvider(plugin_config)
    info = {
        "apiVersion": plugin.api_version,
        "kind": "ExecCredential",
        "spec": {"interactive": False},
    }
    credential = json.loads(
        await _output(plugin.args, plugin.env | {"KUBERNETES_EXEC_INFO": json.dumps(info)})
    )
    status = credential["status"]
    said = {}
    if "token" in status:
        said["token"] = status["token"]
    if "clientCertificateData" in status:
        for theirs, ours in (
            ("clientCertificateData", "client-certificate-data"),
            ("clientKeyData", "client-key-data"),
        ):
            said[ours] = base64.b64encode(status[theirs].encode()).decode()
    if not said:
        raise ValueError(f"{plugin.args[0]} has printed neither a token nor a certificate")
    return said


async def _output(arguments: list[str], env: dict[str, str]) -> bytes:
    """Return what a program prints. Where this is cancelled, the program and its own end too."""
    process = await asyncio.create_subprocess_exec(
        *arguments, env=env, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    try:
        output, complaint = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode:
        told = complaint.decode(errors="replace").strip()[-1000:]
        raise ValueError(f"{arguments[0]} ended with {process.returncode}: {told}")
    return output
