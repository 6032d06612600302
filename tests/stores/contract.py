"""The contract of all stores. A store's tests subclass it and provide the fixtures."""

import asyncio
import json
from datetime import UTC, timedelta

import pytest

from backends.stores.base import (
    AlreadyExists,
    Conflict,
    Document,
    DocumentState,
    NotFound,
    Rejected,
    Sealed,
    Store,
)

KIND = "deployment"
DATA = {"answer": 42, "nested": {"b": [1, 2.5, None, True], "a": "ø"}}


class StoreContract:
    """The behaviour of a store.

    `store` and `tools` (the names of two existing tools without documents) are fixtures.
    """

    @pytest.fixture
    async def store(self) -> Store:
        raise NotImplementedError

    @pytest.fixture
    def tool(self, tools: tuple[str, str]) -> str:
        return tools[0]

    @pytest.fixture
    async def document(self, store: Store, tool: str) -> Document:
        return await store.create(tool, KIND, "one", DATA)

    async def test_a_created_document_can_be_read(self, store: Store, document: Document) -> None:
        assert await store.get(document.tool, KIND, "one") == document
        assert document.data == DATA
        assert document.state is DocumentState.PLAIN

    async def test_keys_keep_their_order(self, store: Store, tool: str) -> None:
        data = {"z": 1, "a": {"y": 1, "b": 2}}
        await store.create(tool, KIND, "one", data)
        assert json.dumps((await store.get(tool, KIND, "one")).data) == json.dumps(data)

    async def test_reading_a_missing_document_is_not_found(self, store: Store, tool: str) -> None:
        with pytest.raises(NotFound, match="'one'"):
            await store.get(tool, KIND, "one")

    async def test_creating_twice_is_an_error_and_changes_nothing(
        self, store: Store, document: Document
    ) -> None:
        with pytest.raises(AlreadyExists):
            await store.create(document.tool, KIND, "one", {"other": 1})
        assert await store.get(document.tool, KIND, "one") == document

    async def test_documents_differ_by_tool_kind_and_name(
        self, store: Store, tools: tuple[str, str]
    ) -> None:
        await store.create(tools[0], "config", "config", {"is": "config"})
        await store.create(tools[0], KIND, "one", {"is": "one"})
        await store.create(tools[0], KIND, "two", {"is": "two"})
        await store.create(tools[1], KIND, "one", {"is": "beta's"})
        assert (await store.get(tools[0], "config", "config")).data == {"is": "config"}
        assert (await store.get(tools[0], KIND, "two")).data == {"is": "two"}
        assert (await store.get(tools[1], KIND, "one")).data == {"is": "beta's"}

    async def test_replacing_gives_new_data_state_and_version(
        self, store: Store, document: Document
    ) -> None:
        replaced = await store.replace(document, {"new": 1}, DocumentState.OPEN)
        assert replaced == await store.get(document.tool, KIND, "one")
        assert replaced.data == {"new": 1}
        assert replaced.state is DocumentState.OPEN
        assert replaced.version != document.version

    async def test_replacing_an_older_version_is_a_conflict(
        self, store: Store, document: Document
    ) -> None:
        newer = await store.replace(document, {"new": 1}, DocumentState.PLAIN)
        with pytest.raises(Conflict):
            await store.replace(document, {"new": 2}, DocumentState.PLAIN)
        assert await store.get(document.tool, KIND, "one") == newer

    async def test_replacing_a_missing_document_is_not_found(
        self, store: Store, document: Document
    ) -> None:
        await store.delete(document.tool, KIND, "one")
        with pytest.raises(NotFound):
            await store.replace(document, {"new": 1}, DocumentState.PLAIN)

    async def test_one_of_many_concurrent_replacements_succeeds(
        self, store: Store, document: Document
    ) -> None:
        outcomes = await asyncio.gather(
            *(store.replace(document, {"by": n}, DocumentState.PLAIN) for n in range(10)),
            return_exceptions=True,
        )
        winners = [each for each in outcomes if isinstance(each, Document)]
        assert len(winners) == 1
        assert sum(isinstance(each, Conflict) for each in outcomes) == 9
        assert await store.get(document.tool, KIND, "one") == winners[0]

    async def test_a_sealed_document_cannot_be_replaced(self, store: Store, tool: str) -> None:
        sealed = await store.create(tool, KIND, "one", DATA, DocumentState.SEALED)
        with pytest.raises(Sealed):
            await store.replace(sealed, {"new": 1}, DocumentState.PLAIN)
        assert await store.get(tool, KIND, "one") == sealed

    async def test_a_replacement_can_seal_a_document(
        self, store: Store, document: Document
    ) -> None:
        sealed = await store.replace(document, {"last": 1}, DocumentState.SEALED)
        assert sealed.data == {"last": 1}
        with pytest.raises(Sealed):
            await store.replace(sealed, {"new": 1}, DocumentState.OPEN)

    async def test_a_sealed_document_can_be_deleted(self, store: Store, tool: str) -> None:
        await store.create(tool, KIND, "one", DATA, DocumentState.SEALED)
        await store.delete(tool, KIND, "one")
        with pytest.raises(NotFound):
            await store.get(tool, KIND, "one")

    async def test_deleting_a_missing_document_is_not_found(self, store: Store, tool: str) -> None:
        with pytest.raises(NotFound):
            await store.delete(tool, KIND, "one")

    async def test_deleting_an_older_version_is_a_conflict(
        self, store: Store, document: Document
    ) -> None:
        newer = await store.replace(document, {"new": 1}, DocumentState.PLAIN)
        with pytest.raises(Conflict):
            await store.delete(document.tool, KIND, "one", document.version)
        await store.delete(document.tool, KIND, "one", newer.version)

    async def test_a_name_can_be_used_again_after_its_document_was_deleted(
        self, store: Store, document: Document
    ) -> None:
        await store.delete(document.tool, KIND, "one")
        again = await store.create(document.tool, KIND, "one", {"second": 1})
        assert again.version != document.version
        with pytest.raises(Conflict):
            await store.replace(document, {"stale": 1}, DocumentState.PLAIN)

    async def test_a_list_has_exactly_the_documents_of_a_tool_and_kind(
        self, store: Store, tools: tuple[str, str]
    ) -> None:
        one = await store.create(tools[0], KIND, "one", DATA)
        two = await store.create(tools[0], KIND, "two", DATA, DocumentState.SEALED)
        await store.create(tools[0], "config", "config", DATA)
        await store.create(tools[1], KIND, "one", DATA)
        listing = await store.list(tools[0], KIND)
        assert sorted(listing.documents, key=lambda each: each.name) == [one, two]
        assert listing.corrupt == ()

    async def test_a_list_can_have_several_kinds(self, store: Store, tool: str) -> None:
        one = await store.create(tool, KIND, "one", DATA)
        config = await store.create(tool, "config", "config", DATA)
        await store.create(tool, "config-history", "20240404120000-a", DATA)
        listing = await store.list(tool, KIND, "config", "queue")
        assert sorted(listing.documents, key=lambda each: each.kind) == [config, one]

    async def test_a_list_without_documents_is_empty(self, store: Store, tool: str) -> None:
        assert (await store.list(tool, KIND)).documents == ()

    async def test_list_open_finds_the_documents_of_all_tools(
        self, store: Store, tools: tuple[str, str]
    ) -> None:
        alphas = await store.create(tools[0], KIND, "one", DATA, DocumentState.OPEN)
        betas = await store.create(tools[1], KIND, "two", DATA, DocumentState.OPEN)
        await store.create(tools[1], KIND, "plain", DATA)
        await store.create(tools[1], KIND, "sealed", DATA, DocumentState.SEALED)
        await store.create(tools[1], "other", "open", DATA, DocumentState.OPEN)
        found = (await store.list_open(KIND)).documents
        assert sorted(found, key=lambda each: each.tool) == [alphas, betas]

    async def test_a_sealed_document_is_no_longer_open(self, store: Store, tool: str) -> None:
        document = await store.create(tool, KIND, "one", DATA, DocumentState.OPEN)
        await store.replace(document, DATA, DocumentState.SEALED)
        assert (await store.list_open(KIND)).documents == ()

    async def test_a_too_large_document_is_rejected_and_not_stored(
        self, store: Store, tool: str
    ) -> None:
        with pytest.raises(Rejected):
            await store.create(tool, KIND, "one", {"large": "x" * (1024 * 1024 + 1)})
        with pytest.raises(NotFound):
            await store.get(tool, KIND, "one")

    async def test_a_too_large_replacement_is_rejected_and_changes_nothing(
        self, store: Store, document: Document
    ) -> None:
        with pytest.raises(Rejected):
            await store.replace(document, {"large": "x" * 1024 * 1024}, DocumentState.PLAIN)
        assert await store.get(document.tool, KIND, "one") == document

    async def test_changing_a_returned_document_does_not_change_the_stored_one(
        self, store: Store, document: Document
    ) -> None:
        document.data["nested"]["a"] = "changed"
        (await store.get(document.tool, KIND, "one")).data.clear()
        (await store.list(document.tool, KIND)).documents[0].data.clear()
        assert (await store.get(document.tool, KIND, "one")).data == DATA

    async def test_changing_passed_data_does_not_change_the_stored_document(
        self, store: Store, tool: str
    ) -> None:
        data = {"list": [1]}
        await store.create(tool, KIND, "one", data)
        data["list"].append(2)
        assert (await store.get(tool, KIND, "one")).data == {"list": [1]}

    async def test_the_clock_is_in_utc_and_does_not_go_back(self, store: Store) -> None:
        first = await store.now()
        assert first.tzinfo is UTC
        assert await store.now() - first >= timedelta()

    async def test_ping_succeeds(self, store: Store) -> None:
        await store.ping()
