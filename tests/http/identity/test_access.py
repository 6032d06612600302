"""Authorization: only the tool itself, by the subject of its certificate."""

import pytest
from aiohttp import web
from multidict import CIMultiDict

from components.http.app import create_app
from components.http.identity.needs import PUBLIC_PATHS
from components.http.identity.subject import Subject
from components.settings import Settings
from tests.factories import TOOL
from tests.http.conftest import CONFIG, HEADER, SUBJECT, Client, Serve, errors_of

PROTECTED = [
    (route.method, route.resource.canonical)
    for route in create_app(Settings()).router.routes()
    if route.resource is not None and route.resource.canonical not in PUBLIC_PATHS
]


@pytest.fixture
async def anonymous(serve: Serve) -> Client:
    """A client without a subject header."""
    return await serve(headers={})


def test_every_route_of_a_tool_is_protected() -> None:
    under_tool = [path for _, path in PROTECTED if path.startswith("/api/v1/tool/{toolname}/")]
    assert len(under_tool) == len(PROTECTED) >= 8


@pytest.mark.parametrize(("method", "path"), PROTECTED)
async def test_protected_routes_reject_requests_without_a_subject(
    anonymous: Client, method: str, path: str
) -> None:
    url = path.format(toolname=TOOL, deploy_id="latest", component="web", name="ci")
    response = await anonymous.request(method, url)
    assert response.status == 401
    if method != "HEAD":
        (error,) = await errors_of(response, 401)
        assert error == f"the header {HEADER} must be given exactly once"


@pytest.mark.parametrize(("method", "path"), PROTECTED)
async def test_protected_routes_reject_another_tool(
    anonymous: Client, method: str, path: str
) -> None:
    url = path.format(toolname="other", deploy_id="latest", component="web", name="ci")
    response = await anonymous.request(method, url, headers={HEADER: f"CN={TOOL},O=toolforge"})
    assert response.status == 403


async def test_routes_that_the_table_does_not_have_are_closed_to_everybody(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    app = create_app(Settings())
    app.router.add_get("/api/v1/tool/{toolname}/new", handler)
    app.router.add_get("/new", handler)
    client = await serve(headers={}, app=app)
    assert (await client.get(f"/api/v1/tool/{TOOL}/new")).status == 401
    assert (await client.get("/new")).status == 401
    own = f"/api/v1/tool/{TOOL}/new"
    (error,) = await errors_of(await client.get(own, headers=SUBJECT), 403)
    assert error == "nobody may do this: the service does not say who may"


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/", "/healthz", "/readyz"])
async def test_public_paths_need_no_subject(anonymous: Client, path: str) -> None:
    assert (await anonymous.get(path)).status == 200


async def test_an_unauthenticated_response_has_a_challenge(anonymous: Client) -> None:
    response = await anonymous.get(CONFIG)
    assert response.headers["WWW-Authenticate"] == (
        'ClientCertificate realm="components-api", Bearer realm="components-api"'
    )


async def test_a_hexadecimal_name_is_reported(anonymous: Client) -> None:
    headers = {HEADER: "CN=#6d79746f6f6c,O=toolforge"}
    (error,) = await errors_of(await anonymous.get(CONFIG, headers=headers), 401)
    assert "its CN and O must be text, not hexadecimal" in error


async def test_a_duplicate_subject_header_is_unauthenticated(anonymous: Client) -> None:
    subject = f"CN={TOOL},O=toolforge"
    headers = CIMultiDict([(HEADER, subject), (HEADER, subject)])
    await errors_of(await anonymous.get(CONFIG, headers=headers), 401)


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "mytool",
        "CN=mytool",
        "O=toolforge",
        "CN=mytool,CN=other,O=toolforge",
        "CN=mytool,cn=other,O=toolforge",
        "CN=mytool,O=toolforge,O=other",
        "CN=mytool+CN=other,O=toolforge",
        "CN=mytool,2.5.4.3=other,O=toolforge",
        "CN=mytool,O=toolforge,",
        "CN=mytool,,O=toolforge",
        "CN=mytool;O=toolforge",
        "CN=my\\zztool,O=toolforge",
        "CN=,O=toolforge",
        "CN=mytool\\,O=toolforge",
        "CN=#6d79746f6f6c,O=toolforge",
        "CN=#0c066d79746f6f6c,O=toolforge",
        "cn=#6d79746f6f6c,O=toolforge",
        "2.5.4.3=#6d79746f6f6c,O=toolforge",
        "OU=a\\\\+CN=#6d79746f6f6c,O=toolforge",
        "CN=mytool,O=#746f6f6c666f726765",
        "CN=mytool,O=toolforge,OU=" + "a" * 4096,
    ],
)
async def test_an_invalid_subject_is_unauthenticated(anonymous: Client, subject: str) -> None:
    (error,) = await errors_of(await anonymous.get(CONFIG, headers={HEADER: subject}), 401)
    assert HEADER in error


@pytest.mark.parametrize(
    "subject",
    [
        "CN=mytool,O=toolforge",
        "O=toolforge,CN=mytool",
        "CN=mytool,OU=some,O=toolforge,C=US",
        "emailAddress=x@example.org,CN=mytool,O=toolforge",
        "serialNumber=7,CN=mytool,O=toolforge",
        "CN=mytool+OU=some,O=toolforge",
        "CN=\\6dytool,O=tool\\66orge",
        "1.2.3.4=#616263,CN=mytool,O=toolforge",
        "OU=CN\\=#61,CN=mytool,O=toolforge",
        "OU=a\\,CN=\\#61,CN=mytool,O=toolforge",
    ],
)
async def test_the_tool_is_authorized_in_every_notation_of_its_subject(
    anonymous: Client, subject: str
) -> None:
    await errors_of(await anonymous.get(CONFIG, headers={HEADER: subject}), 404)


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        ("CN=mytool,O=elsewhere", "the organization 'toolforge'"),
        ("CN=other,O=toolforge", "only the tool 'mytool' itself"),
        ("CN=mytool\\,O\\=toolforge,O=x", "the organization 'toolforge'"),
        ("CN=MYTOOL,O=toolforge", "only the tool 'mytool' itself"),
    ],
)
async def test_other_subjects_are_forbidden(anonymous: Client, subject: str, message: str) -> None:
    (error,) = await errors_of(await anonymous.get(CONFIG, headers={HEADER: subject}), 403)
    assert message in error


def test_escapes_are_decoded() -> None:
    subject = Subject.parse("CN=a\\,b\\2Bc,O=Caf\\C3\\A9")
    assert subject == Subject("a,b+c", "Café")


async def test_the_header_and_the_organization_are_settings(serve: Serve) -> None:
    headers = {"x-subject": "CN=mytool,O=cloud"}
    client = await serve(headers=headers, auth_header="x-subject", auth_organization="cloud")
    await errors_of(await client.get(CONFIG), 404)


@pytest.mark.parametrize("name", ["My_Tool", "-a", "a-", "a" * 59, "a.b", "%20", "a%2Fb", "ø"])
async def test_an_invalid_tool_name_is_a_bad_request(client: Client, name: str) -> None:
    (error,) = await errors_of(await client.get(f"/api/v1/tool/{name}/config"), 400)
    assert "at most 58 characters" in error


async def test_a_tool_name_may_have_58_characters(serve: Serve) -> None:
    name = "a" * 58
    client = await serve(headers={HEADER: f"CN={name},O=toolforge"})
    await errors_of(await client.get(f"/api/v1/tool/{name}/config"), 404)
