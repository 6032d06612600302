"""The address of the API server and the credentials: from a kubeconfig or the cluster itself.

The client library reads both. It does not bound the run time of an exec plugin, so the plugin is
run here, and its output is put into the configuration before the library reads the rest.
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
"""How long loading may take, including an exec plugin or a request to an OIDC issuer."""


async def new_client(
    kubeconfig: str | None, context: str | None, limit: float = READ_SECONDS
) -> client.ApiClient:
    """Return a client for a kubeconfig, or for the surrounding cluster if none is given.

    `kubeconfig` and `context` are those of `KubeConnection`; it takes at most `limit` seconds.
    Raises `EnvError` if there is no usable configuration.
    """
    configuration = client.Configuration()
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and not (kubeconfig or context):
            config.load_incluster_config(client_configuration=configuration)
        else:
            async with asyncio.timeout(limit):
                await _read_file(kubeconfig or KUBE_CONFIG_DEFAULT_LOCATION, context, configuration)
        made = client.ApiClient(configuration)
    except Exception as error:  # the library raises all kinds of errors for a bad file
        reason = str(error) or f"it took longer than {limit:g} s"
        raise EnvError(
            "there is no usable Kubernetes configuration, neither from KUBECONFIG nor from a "
            f"surrounding cluster: {reason}"
        ) from None
    # aiohttp would itself repeat a PUT or DELETE on a cut connection; we would not know that the
    # first one may have been executed. It has no public option for that.
    made.rest_client.pool_manager._retry_connection = False
    return made


async def _read_file(path: str, context: str | None, configuration: client.Configuration) -> None:
    found = KubeConfigMerger(path).config
    if found is None:
        raise FileNotFoundError(f"there is no file {path}")

    user = _user(found, context)
    if user is not None and "exec" in user and "auth-provider" not in user:
        credentials = await _run_plugin(user["exec"])
        del user.value["exec"]
        user.value.update(credentials)
    # Without a persister: never write to the user's kubeconfig.
    loader = KubeConfigLoader(found, context, config_base_path=None)
    await loader.load_and_set(configuration)


def _user(found: ConfigNode, context: str | None) -> Any:
    """Return the user of the named context, or else of the current one; None if there is none."""
    chosen: Any = found["contexts"].get_with_name(context or found["current-context"])
    name = chosen["context"].safe_get("user")
    named = found["users"].get_with_name(name, safe=True) if name and found["users"] else None
    return named["user"] if named is not None else None


async def _run_plugin(plugin_config: ConfigNode) -> dict[str, str]:
    """Return the credentials from a plugin, as fields of a user in a kubeconfig.

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
    credentials = {}
    if "token" in status:
        credentials["token"] = status["token"]
    if "clientCertificateData" in status:
        for theirs, ours in (
            ("clientCertificateData", "client-certificate-data"),
            ("clientKeyData", "client-key-data"),
        ):
            credentials[ours] = base64.b64encode(status[theirs].encode()).decode()
    if not credentials:
        raise ValueError(f"{plugin.args[0]} printed neither a token nor a certificate")
    return credentials


async def _output(arguments: list[str], env: dict[str, str]) -> bytes:
    """Return what a program prints. If cancelled, kill the program and its children too."""
    process = await asyncio.create_subprocess_exec(
        *arguments, env=env, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    try:
        output, stderr = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode:
        message = stderr.decode(errors="replace").strip()[-1000:]
        raise ValueError(f"{arguments[0]} exited with {process.returncode}: {message}")
    return output
