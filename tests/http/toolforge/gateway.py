"""A small gateway like Toolforge's: it authenticates, names the tool, and passes requests on.

`/components/...` is passed on to the service as `/...`. A client certificate names the tool, which
must be the one in the path; a request without one, such as one with a deploy token, comes to the
service with neither header.
"""

import re
import ssl
from itertools import cycle
from pathlib import Path

import aiohttp
import trustme
import yaml
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

TOOL_HEADER = "x-toolforge-tool"
SUBJECT_HEADER = "ssl-client-subject-dn"
_OWN = {TOOL_HEADER, SUBJECT_HEADER, "host", "connection", "content-length", "transfer-encoding"}
_TOOL = re.compile(r"/v1/tool/([^/]+)/")


class Gateway:
    """The gateway in front of some instances, which take turns."""

    def __init__(self, directory: Path, *instances: str) -> None:
        self._directory = directory
        self._servers, self._clients = trustme.CA(), trustme.CA()
        self.instances = list(instances)
        self._turns = cycle(range(len(instances)))
        self.url = ""

    async def start(self) -> web.AppRunner:
        """Listen on a free port with TLS; return what has to be cleaned up."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._servers.issue_cert("127.0.0.1").configure_cert(context)
        self._clients.configure_trust(context)
        context.verify_mode = ssl.CERT_OPTIONAL
        app = web.Application(client_max_size=2**22)
        app.router.add_route("*", "/components/{path:.*}", self._pass_on)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    def kubeconfig(self, tool: str) -> Path:
        """Return a kubeconfig with a client certificate, as a tool's maintainer has it."""
        files = {name: self._directory / f"{tool}.{name}" for name in ("crt", "key", "kubeconfig")}
        leaf = self._clients.issue_cert(
            f"{tool}@example.org", common_name=tool, organization_name="toolforge"
        )
        leaf.cert_chain_pems[0].write_to_path(files["crt"])
        leaf.private_key_pem.write_to_path(files["key"])
        cluster = {"server": "https://kubernetes.invalid"}
        user = {"client-certificate": str(files["crt"]), "client-key": str(files["key"])}
        context = {"cluster": "here", "user": tool, "namespace": f"tool-{tool}"}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": cluster}],
            "users": [{"name": tool, "user": user}],
            "contexts": [{"name": "tool", "context": context}],
            "current-context": "tool",
        }
        files["kubeconfig"].write_text(yaml.safe_dump(content))
        return files["kubeconfig"]

    def client(self, tool: str | None = None) -> ssl.SSLContext:
        """Return the TLS context of a client, with the certificate of a tool or without one."""
        context = ssl.create_default_context()
        self._servers.configure_trust(context)
        if tool is not None:
            self.kubeconfig(tool)
            files = [str(self._directory / f"{tool}.{name}") for name in ("crt", "key")]
            context.load_cert_chain(*files)
        return context

    async def _pass_on(self, request: web.Request) -> web.Response:
        path = f"/{request.match_info['path']}"
        headers = CIMultiDict(
            (name, value) for name, value in request.headers.items() if name.lower() not in _OWN
        )
        if tool := _tool_of(request):
            named = _TOOL.match(path)
            if named and named[1] != tool:
                return web.json_response({"message": "this is another's tool"}, status=403)
            headers[TOOL_HEADER] = tool
            headers[SUBJECT_HEADER] = f"CN={tool},O=toolforge"
        url = URL(f"{self.instances[next(self._turns)].rstrip('/')}{path}", encoded=True)
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method,
                url.with_query(request.query),
                headers=headers,
                data=await request.read() or None,
            ) as answer,
        ):
            body = await answer.read()
            return web.Response(
                body=body,
                status=answer.status,
                headers={"Content-Type": answer.headers.get("Content-Type", "text/plain")},
            )


def _tool_of(request: web.Request) -> str | None:
    """Return the tool that the client certificate names, if there is one."""
    certificate = request.transport and request.transport.get_extra_info("peercert")
    if not certificate:
        return None
    subject = {name: value for part in certificate["subject"] for name, value in part}
    return str(subject["commonName"])
