"""What each route needs. A route that is not here is closed to everybody."""

from aiohttp import hdrs, web

from components.http.errors import BadToolName
from components.http.identity.callers import Needs, Permission
from components.http.keys import ROUTE_NEEDS
from components.tool_name import RULE, is_tool_name

OWN = "/api/v1/tool/{toolname}"
"""Where the paths of a tool begin."""

TOOLFORGE = "/v1/tool/{toolname}"
"""The same on the second face, which has the paths of Toolforge's components service."""

_SEE, _READ, _CREATE = Permission.SEE, Permission.READ, Permission.CREATE
_STEER, _MANAGE, _PUBLIC = Permission.STEER, Permission.MANAGE, Permission.PUBLIC

NEEDS: Needs = {
    ("GET", "/openapi.json"): _PUBLIC,
    ("GET", "/docs"): _PUBLIC,
    ("GET", "/docs/"): _PUBLIC,
    ("GET", "/docs/static/{name}"): _PUBLIC,
    ("GET", "/healthz"): _PUBLIC,
    ("GET", "/readyz"): _PUBLIC,
    ("GET", f"{OWN}/config"): _READ,
    ("POST", f"{OWN}/config"): _MANAGE,
    ("DELETE", f"{OWN}/config"): _MANAGE,
    ("GET", f"{OWN}/config/history"): _READ,
    ("GET", f"{OWN}/config/generate"): _READ,
    ("POST", f"{OWN}/deploy"): _CREATE,
    ("GET", f"{OWN}/deploy"): _SEE,
    ("GET", f"{OWN}/deploy/{{deploy_id}}"): _SEE,
    ("DELETE", f"{OWN}/deploy/{{deploy_id}}"): _MANAGE,
    ("PUT", f"{OWN}/deploy/{{deploy_id}}/cancel"): _STEER,
    ("POST", f"{OWN}/deploy/{{deploy_id}}/retry"): _STEER,
    ("POST", f"{OWN}/deploy/{{deploy_id}}/rollback"): _STEER,
    ("GET", f"{OWN}/deploy/{{deploy_id}}/events"): _SEE,
    ("GET", f"{OWN}/deploy/{{deploy_id}}/builds/{{component}}/log"): _SEE,
    ("GET", f"{OWN}/run"): _READ,
    ("DELETE", f"{OWN}/run"): _MANAGE,
    ("DELETE", f"{OWN}/run/{{component}}"): _MANAGE,
    ("GET", f"{OWN}/run/{{component}}/log"): _READ,
    ("POST", f"{OWN}/run/{{component}}/restart"): _MANAGE,
    ("POST", f"{OWN}/run/{{component}}/start"): _MANAGE,
    ("GET", f"{OWN}/tokens"): _MANAGE,
    ("POST", f"{OWN}/tokens"): _MANAGE,
    ("DELETE", f"{OWN}/tokens/{{name}}"): _MANAGE,
    ("GET", "/v1/healthz"): _PUBLIC,
    ("GET", f"{TOOLFORGE}/config"): _READ,
    ("POST", f"{TOOLFORGE}/config"): _MANAGE,
    ("DELETE", f"{TOOLFORGE}/config"): _MANAGE,
    ("GET", f"{TOOLFORGE}/config/generate"): _READ,
    ("POST", f"{TOOLFORGE}/deployment"): _CREATE,
    ("GET", f"{TOOLFORGE}/deployment"): _SEE,
    ("GET", f"{TOOLFORGE}/deployment/token"): _MANAGE,
    ("POST", f"{TOOLFORGE}/deployment/token"): _MANAGE,
    ("PUT", f"{TOOLFORGE}/deployment/token"): _MANAGE,
    ("DELETE", f"{TOOLFORGE}/deployment/token"): _MANAGE,
    ("GET", f"{TOOLFORGE}/deployment/latest"): _SEE,
    ("PUT", f"{TOOLFORGE}/deployment/latest/cancel"): _STEER,
    ("GET", f"{TOOLFORGE}/deployment/{{deploy_id}}"): _SEE,
    ("DELETE", f"{TOOLFORGE}/deployment/{{deploy_id}}"): _MANAGE,
    ("PUT", f"{TOOLFORGE}/deployment/{{deploy_id}}/cancel"): _STEER,
}

PUBLIC_PATHS = frozenset(path for (_, path), need in NEEDS.items() if need is _PUBLIC)


def need_of(request: web.Request) -> Permission | None:
    """Return what the route of a request needs; None if nobody may use it. HEAD is as GET."""
    method = hdrs.METH_GET if request.method == hdrs.METH_HEAD else request.method
    return request.app[ROUTE_NEEDS].get((method, path_of(request)))


def is_toolforge(request: web.Request) -> bool:
    """Whether the route of a request belongs to the second face."""
    return path_of(request).startswith(f"{TOOLFORGE}/")


def tool_of(request: web.Request) -> str:
    """Return the tool in the path. Raises `BadToolName`."""
    tool = request.match_info.get("toolname", "")
    if not is_tool_name(tool):
        raise BadToolName(f"a tool's name is {RULE}")
    return tool


def path_of(request: web.Request) -> str:
    """Return the path of a route, with its placeholders; empty if it has none."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else ""
