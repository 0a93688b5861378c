"""A list of tokens, and each token's place in it."""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from typing import Any


class Vocabulary:
    """Tokens by index: the unknown token first, then the reserved ones, then those of a counter, the most frequent first.

    counter: how often each token occurs; tokens that occur equally often come in alphabetic order. most_freq_count: how
    many of them to take at most. min_freq: those that occur less often are left out. Raises ValueError for a min_freq
    below 1, and for reserved tokens that repeat each other or the unknown token.
    """

    def __init__(self, counter: Mapping[str, int] | None = None, most_freq_count: int | None = None, min_freq: int = 1,
                 unknown_token: Hashable = "<unk>", reserved_tokens: Sequence[str] | None = None) -> None:
        if min_freq < 1:
            raise ValueError(f"found min_freq {min_freq}, expected 1 or more")
        if reserved_tokens is not None:
            if unknown_token in reserved_tokens:
                raise ValueError(f"found the unknown token {unknown_token!r} among the reserved tokens")
            if len(set(reserved_tokens)) != len(reserved_tokens):
                raise ValueError(f"found the same reserved token twice in {list(reserved_tokens)}")
        self._unknown_token: Any = unknown_token
        self._reserved_tokens = None if reserved_tokens is None else list(reserved_tokens)
        self._idx_to_token: list[Any] = [unknown_token, *(reserved_tokens or [])]
        self._token_to_idx = {token: i for i, token in enumerate(self._idx_to_token)}
        if counter is not None:
            self._index(counter, most_freq_count, min_freq)

    def _index(self, counter: Mapping[str, int], most: int | None, min_freq: int) -> None:
        known = set(self._idx_to_token)
        ordered = sorted(sorted(counter.items()), key=lambda item: item[1], reverse=True)
        end = len(known) + (len(counter) if most is None else most)
        for token, count in ordered:
            if count < min_freq or len(self._idx_to_token) >= end:
                break
            if token not in known:
                self._add(token)

    def _add(self, token: Any) -> None:
        self._token_to_idx[token] = len(self._idx_to_token)
        self._idx_to_token.append(token)

    def __len__(self) -> int:
        return len(self._idx_to_token)

    @property
    def token_to_idx(self) -> dict[Any, int]:
        """Tokens to their indices."""
        return self._token_to_idx

    @property
    def idx_to_token(self) -> list[Any]:
        """The tokens by index."""
        return self._idx_to_token

    @property
    def unknown_token(self) -> Any:
        """What stands for all tokens that are not there; its index is 0."""
        return self._unknown_token

    @property
    def reserved_tokens(self) -> list[str] | None:
        """The tokens that are there whatever the counter holds; None where none were given."""
        return self._reserved_tokens

    def to_indices(self, tokens: Any) -> Any:
        """The index of a token, or a list of indices for a list of tokens; 0 for unknown ones."""
        if isinstance(tokens, list):
            return [self._token_to_idx.get(token, 0) for token in tokens]
        return self._token_to_idx.get(tokens, 0)

    def to_tokens(self, indices: Any) -> Any:
        """The token of an index, or a list of them. Raises ValueError for an index that no token has."""
        single = not isinstance(indices, list)
        found = []
        for index in [indices] if single else indices:
            if not isinstance(index, int) or not 0 <= index < len(self):
                raise ValueError(f"Token index {index} in the provided `indices` is invalid, expected 0 to {len(self) - 1}")
            found.append(self._idx_to_token[index])
        return found[0] if single else found
