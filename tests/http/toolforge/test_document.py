"""The document of the API has the second face where that is on, and only there."""

from openapi_spec_validator import OpenAPIV30SpecValidator

from components.http.identity.needs import NEEDS
from components.http.toolforge.routes import ROUTES
from tests.http.conftest import Client


async def test_the_document_has_every_route_of_the_second_face(theirs: Client) -> None:
    document = await (await theirs.get("/openapi.json")).json()
    OpenAPIV30SpecValidator(document).validate()
    documented = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    routes = {(each.method, each.path) for each in ROUTES}
    assert routes == {each for each in documented if each[1].startswith("/v1/")}
    assert routes <= NEEDS.keys()


async def test_without_the_second_face_the_document_has_nothing_of_it(client: Client) -> None:
    text = await (await client.get("/openapi.json")).text()
    assert "toolforge" not in text.replace("O=toolforge", "").lower()
