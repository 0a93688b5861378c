"""Vectors of words: read from files of GloVe, fastText or one's own, and put together for a vocabulary.

Nothing is downloaded: a file that is not there is an error that says where to put it.
"""
from __future__ import annotations

import logging
import os

from ... import registry
from ...base import data_dir
from ...ndarray import NDArray, array, concat, zeros
from . import vocab
from ._files import FASTTEXT, GLOVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .vocab import Vocabulary

__all__ = ["CompositeEmbedding", "CustomEmbedding", "FastText", "GloVe", "create", "get_pretrained_file_names", "register"]


class _TokenEmbedding(vocab.Vocabulary):
    """A vocabulary with a vector for each token: idx_to_vec, of shape (tokens, vec_len), float32.

    Index 0 is the unknown token; its vector is the one the file gives it, else init_unknown_vec((vec_len,)).
    """

    pretrained_file_name_sha1: dict[str, str] = {}  # of a subclass: the names of its files
    _FILES: tuple[str, ...] = ()
    _FOLDER = ""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._vec_len = 0
        self._idx_to_vec: NDArray | None = None

    @property
    def vec_len(self) -> int:
        """The length of each vector."""
        return self._vec_len

    @property
    def idx_to_vec(self) -> NDArray | None:
        """The vectors by index."""
        return self._idx_to_vec

    # --- files
    def _path(self, root: str, name: str) -> str:
        if name not in self._FILES:
            raise KeyError(f"Cannot find pretrained file {name} for token embedding {type(self).__name__.lower()}. Valid "
                           f"pretrained files for embedding {type(self).__name__.lower()}: {', '.join(self._FILES)}")
        path = os.path.join(os.path.expanduser(root), self._FOLDER, name)
        if not os.path.exists(path):
            raise FileNotFoundError(f"{path} is missing: heddle downloads nothing, so put {name} there, or give "
                                    "embedding_root")
        return path

    def _load_embedding(self, path: str, delim: str, init_unknown: Callable[..., Any], encoding: str = "utf8") -> None:
        """Tokens and vectors from the lines of a file; the first line may tell their numbers. For subclasses, too."""
        path = os.path.expanduser(path)
        if not os.path.isfile(path):
            raise ValueError(f"`pretrained_file_path` must be a valid path to the pre-trained token embedding file, found "
                             f"{path}")
        rows: list[list[float]] = [[]]  # the first will be the unknown token's
        unknown: list[float] | None = None
        seen: set[str] = set()
        with open(path, encoding=encoding) as lines:
            for number, line in enumerate(lines, 1):
                token, *numbers = line.rstrip().split(delim)
                if len(numbers) == 1:
                    logging.warning("line %d in %s: found %s with a vector of one number, which looks like a heading and is "
                                    "skipped", number, path, token)
                    continue
                if not numbers:
                    raise ValueError(f"{path}, line {number}: found no vector after {token!r}, expected numbers divided by "
                                     f"{delim!r}")
                vector = self._vector(numbers, path, number)
                if token == self.unknown_token and unknown is None:
                    unknown = vector
                    seen.add(token)
                elif token in seen:
                    logging.warning("line %d in %s: found %s again, which is skipped", number, path, token)
                else:
                    seen.add(token)
                    self._add(token)
                    rows.append(vector)
        if not self._vec_len:
            raise ValueError(f"{path}: found no vectors")
        vectors = zeros((len(rows), self._vec_len))
        if len(rows) > 1:
            vectors[1:] = array(rows[1:])
        vectors[0] = init_unknown(shape=self._vec_len) if unknown is None else array(unknown)
        self._idx_to_vec = vectors

    def _vector(self, numbers: Sequence[str], path: str, line: int) -> list[float]:
        try:
            vector = [float(n) for n in numbers]
        except ValueError as error:
            raise ValueError(f"{path}, line {line}: {error}") from None
        self._vec_len = self._vec_len or len(vector)
        if len(vector) != self._vec_len:
            raise ValueError(f"{path}, line {line}: found a vector of {len(vector)} numbers, expected {self._vec_len}")
        return vector

    # --- for a vocabulary
    def _restrict(self, vocabulary: Vocabulary | None) -> None:
        """Keeps the tokens of a vocabulary, in its order."""
        if vocabulary is None:
            return
        if not isinstance(vocabulary, vocab.Vocabulary):
            raise TypeError(f"found a vocabulary of type {type(vocabulary).__name__}, expected Vocabulary")
        vectors = self.get_vecs_by_tokens(vocabulary.idx_to_token)
        self._take(vocabulary)
        self._idx_to_vec = vectors

    def _take(self, vocabulary: Vocabulary) -> None:
        self._token_to_idx = dict(vocabulary.token_to_idx)
        self._idx_to_token = list(vocabulary.idx_to_token)
        self._unknown_token = vocabulary.unknown_token
        self._reserved_tokens = vocabulary.reserved_tokens

    # --- what users call
    def get_vecs_by_tokens(self, tokens: str | list[str], lower_case_backup: bool = False) -> NDArray:
        """The vector of a token, of shape (vec_len,), or those of a list, of shape (tokens, vec_len).

        Tokens that are not there get the unknown token's; with lower_case_backup that of their lower case, if it is there.
        """
        vectors = self._need()
        single = not isinstance(tokens, list)
        listed: list[Any] = [tokens] if single else list(tokens)
        indices = [self._at(token, lower_case_backup) for token in listed]
        found = vectors.take(array(indices, dtype="int32")) if indices else zeros((0, self._vec_len))
        return found[0] if single else found

    def _at(self, token: str, lower: bool) -> int:
        index = self._token_to_idx.get(token)
        if index is None and lower:
            index = self._token_to_idx.get(token.lower())
        return 0 if index is None else index

    def update_token_vectors(self, tokens: str | list[str], new_vectors: NDArray) -> None:
        """Gives tokens other vectors: of shape (tokens, vec_len), or (vec_len,) for one. Raises ValueError for a token that
        is not there; name the unknown token itself to change its vector."""
        vectors = self._need()
        listed = tokens if isinstance(tokens, list) else [tokens]
        if new_vectors.shape not in ((len(listed), self._vec_len), (self._vec_len,) if len(listed) == 1 else ()):
            raise ValueError(f"found new_vectors of shape {new_vectors.shape}, expected {(len(listed), self._vec_len)}")
        for token in listed:
            if token not in self._token_to_idx:
                raise ValueError(f"Token {token} is unknown. To update the embedding vector for an unknown token, please "
                                 f"specify it explicitly as the `unknown_token` {self._unknown_token}")
        for token, vector in zip(listed, new_vectors.reshape((len(listed), self._vec_len))):
            vectors[self._token_to_idx[token]] = vector

    def _need(self) -> NDArray:
        if self._idx_to_vec is None:
            raise ValueError("The property `idx_to_vec` has not been properly set: there are no vectors yet")
        return self._idx_to_vec


_register = registry.get_register_func(_TokenEmbedding, "token embedding")
_create = registry.get_create_func(_TokenEmbedding, "token embedding")


def register(embedding_cls: type[Any]) -> type[Any]:
    """Makes a class known to create() under its lower-case name. Use as a decorator."""
    return _register(embedding_cls)


def create(embedding_name: str, **kwargs: Any) -> _TokenEmbedding:
    """An embedding by the name of its class, such as "glove". Raises ValueError for a name that no class has."""
    return _create(embedding_name, **kwargs)


def get_pretrained_file_names(embedding_name: str | None = None) -> Any:
    """The names of the files that an embedding can read, or those of every embedding by its name."""
    files = {name: list(cls._FILES or cls.pretrained_file_name_sha1)
             for name, cls in registry.get_registry(_TokenEmbedding).items()}
    known = {name: names for name, names in files.items() if names}
    if embedding_name is None:
        return known
    if embedding_name not in known:
        raise KeyError(f"Cannot find `embedding_name` {embedding_name}, expected one of {', '.join(sorted(known))}")
    return known[embedding_name]


def _default_root() -> str:
    return os.path.join(data_dir(), "embeddings")


@register
class GloVe(_TokenEmbedding):
    """GloVe's vectors (Pennington, Socher and Manning 2014), from EMBEDDING_ROOT/glove/FILE.

    vocabulary: keeps its tokens only. Raises KeyError for a file that GloVe does not have, FileNotFoundError where it is
    not on this machine.
    """

    _FILES = GLOVE
    _FOLDER = "glove"

    def __init__(self, pretrained_file_name: str = "glove.840B.300d.txt", embedding_root: str = _default_root(),
                 init_unknown_vec: Callable[..., Any] = zeros, vocabulary: Vocabulary | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._load_embedding(self._path(embedding_root, pretrained_file_name), " ", init_unknown_vec)
        self._restrict(vocabulary)


@register
class FastText(_TokenEmbedding):
    """fastText's vectors (Bojanowski and others, arXiv:1607.04606), from EMBEDDING_ROOT/fasttext/FILE.

    vocabulary: keeps its tokens only. Raises KeyError for a file that fastText does not have, FileNotFoundError where it is
    not on this machine.
    """

    _FILES = FASTTEXT
    _FOLDER = "fasttext"

    def __init__(self, pretrained_file_name: str = "wiki.simple.vec", embedding_root: str = _default_root(),
                 init_unknown_vec: Callable[..., Any] = zeros, vocabulary: Vocabulary | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._load_embedding(self._path(embedding_root, pretrained_file_name), " ", init_unknown_vec)
        self._restrict(vocabulary)


@register
class CustomEmbedding(_TokenEmbedding):
    """Vectors from a file of one's own: on each line a token and its numbers, divided by elem_delim.

    Raises ValueError, naming the line, where a vector has another length than the first.
    """

    def __init__(self, pretrained_file_path: str, elem_delim: str = " ", encoding: str = "utf8",
                 init_unknown_vec: Callable[..., Any] = zeros, vocabulary: Vocabulary | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._load_embedding(pretrained_file_path, elem_delim, init_unknown_vec, encoding)
        self._restrict(vocabulary)


class CompositeEmbedding(_TokenEmbedding):
    """The vectors that several embeddings have for the tokens of a vocabulary, one after the other."""

    def __init__(self, vocabulary: Vocabulary, token_embeddings: _TokenEmbedding | list[_TokenEmbedding]) -> None:
        super().__init__()
        listed = token_embeddings if isinstance(token_embeddings, list) else [token_embeddings]
        for embedding in listed:
            if not isinstance(embedding, _TokenEmbedding):
                raise TypeError(f"found {type(embedding).__name__} among the token embeddings")
        self._take(vocabulary)
        self._vec_len = sum(e.vec_len for e in listed)
        self._idx_to_vec = concat(*(e.get_vecs_by_tokens(self._idx_to_token) for e in listed), dim=1)
