"""The text of a token can be recognised, and checked without the store."""

import re
import zlib

import pytest

from components.engine.tokens.text import digest_of, is_whole, new_text


def test_a_token_has_a_prefix_and_always_the_same_length() -> None:
    texts = {new_text() for _ in range(200)}
    assert len(texts) == 200
    assert all(re.fullmatch("ctk_[0-9A-Za-z]{49}", each) for each in texts)
    assert all(map(is_whole, texts))


def test_the_checksum_is_the_crc_32_in_base_62() -> None:
    text = new_text()
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    value = 0
    for each in text[-6:]:
        value = value * 62 + digits.index(each)
    assert value == zlib.crc32(text[:-6].encode())


@pytest.mark.parametrize("position", [0, 3, 4, 20, 46, 47, 52])
def test_a_token_with_one_other_character_is_not_whole(position: int) -> None:
    text = new_text()
    other = "0" if text[position] != "0" else "1"
    assert not is_whole(text[:position] + other + text[position + 1 :])


@pytest.mark.parametrize("text", ["", "ctk_", "é" * 53, "ctk_" + "0" * 49, "ctk_" + "0" * 100_000])
def test_other_texts_are_not_whole(text: str) -> None:
    assert not is_whole(text)


def test_a_token_with_a_line_end_is_not_whole() -> None:
    assert not is_whole(f"{new_text()}\n")


def test_the_hash_does_not_have_the_token() -> None:
    text = new_text()
    assert len(digest_of(text)) == 64
    assert text[4:] not in digest_of(text)
