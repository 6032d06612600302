"""Messages of builders are printable and limited in size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.builders.base import BuildRejected, BuildState, BuildStatus
from backends.errors import clip


@given(st.text(max_size=5000))
def test_a_message_has_at_most_two_kibibytes(message: str) -> None:
    clipped = clip(message * 2)
    assert len(clipped.encode()) <= 2048
    assert clip(clipped) == clipped


def test_a_message_that_fits_is_unchanged() -> None:
    assert clip("cannot find ref\n'mäin'") == "cannot find ref\n'mäin'"


def test_a_message_that_does_not_fit_ends_with_an_ellipsis() -> None:
    assert clip("ø" * 2000).endswith("ø…")


@pytest.mark.parametrize("control", ["\x1b[31m", "\x00", "\x07"])
def test_a_message_has_no_control_characters(control: str) -> None:
    assert control[0] not in clip(f"a{control}b")


def test_states_and_errors_clip_their_messages() -> None:
    assert len(BuildState("id", BuildStatus.ERROR, "x" * 9000).message.encode()) == 2048
    assert len(str(BuildRejected("x" * 9000)).encode()) == 2048
