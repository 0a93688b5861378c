"""Corpora for language models, from local files."""
from __future__ import annotations

import collections
import os
import zipfile

import numpy as np

from ....base import data_dir
from ....contrib.text.vocab import Vocabulary
from ....ndarray import array
from ...data.dataset import _DownloadedDataset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["WikiText103", "WikiText2"]

_END = "<eos>"
_FILES = {"train": "wiki.train.tokens", "validation": "wiki.valid.tokens", "test": "wiki.test.tokens"}


def _root(name: str) -> str:
    return os.path.join(data_dir(), "datasets", name)


class _WikiText(_DownloadedDataset):
    """The words of articles, with <eos> after each line that has any, in pieces of seq_len words."""

    _archive = ""

    def __init__(self, root: str | os.PathLike[str], segment: str, vocab: Any, seq_len: int) -> None:
        if segment not in _FILES:
            raise ValueError(f"[{type(self).__name__}] segment is {segment!r}, expected {', '.join(_FILES)}")
        self._segment = segment
        self._seq_len = seq_len
        self._vocab = vocab
        self._counter: collections.Counter[str] | None = None
        super().__init__(root, None)

    @property
    def vocabulary(self) -> Any:
        """Words and their numbers (contrib.text.vocab.Vocabulary)."""
        return self._vocab

    @property
    def frequencies(self) -> Any:
        """How often each word occurs."""
        return self._counter

    def _get_data(self) -> None:
        lines = [words for line in self._text().splitlines() if (words := line.split())]
        self._counter = collections.Counter(word for words in lines for word in words)
        if self._vocab is None:
            self._vocab = Vocabulary(counter=self._counter, reserved_tokens=[_END])
        numbers = np.asarray(self._vocab.to_indices([word for words in lines for word in (*words, _END)]), np.int32)
        count = max(0, len(numbers) - 1) // self._seq_len
        shape = count, self._seq_len
        self._data = array(numbers[:count * self._seq_len].reshape(shape), dtype="int32")
        self._label = array(numbers[1:count * self._seq_len + 1].reshape(shape), dtype="int32")

    def _text(self) -> str:
        name = _FILES[self._segment]
        path, archive = os.path.join(self._root, name), os.path.join(self._root, self._archive)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                return file.read()
        if not os.path.exists(archive):
            raise FileNotFoundError(f"[{type(self).__name__}] {os.path.abspath(self._root)} has neither {name} nor {self._archive}: "
                                    "put one of them there, or name another folder as root; nothing is downloaded")
        with zipfile.ZipFile(archive) as opened:
            inside = next((member for member in opened.namelist() if os.path.basename(member) == name), None)
            if inside is None:
                raise ValueError(f"[{type(self).__name__}] {archive} lacks {name}")
            return opened.read(inside).decode("utf-8")


class WikiText2(_WikiText):
    """Articles of Wikipedia, two million words ("Pointer sentinel mixture models", Merity et al., 2016): sample i is (words,
    the words that follow each), int32 of (seq_len,).

    root: the folder of wikitext-2-v1.zip, or of wiki.train.tokens and its kin.
    segment: "train", "validation" or "test".
    vocab: a Vocabulary that numbers the words; made of the segment's own unless given.
    seq_len: words in a sample; what is left at the end is left out.

    vocabulary and frequencies say what the words are. Raises FileNotFoundError where a file is missing.
    """

    _archive = "wikitext-2-v1.zip"

    def __init__(self, root: str | os.PathLike[str] = _root("wikitext-2"), segment: str = "train", vocab: Any = None,
                 seq_len: int = 35) -> None:
        super().__init__(root, segment, vocab, seq_len)


class WikiText103(_WikiText):
    """Articles of Wikipedia, a hundred million words: as WikiText2, from wikitext-103-v1.zip."""

    _archive = "wikitext-103-v1.zip"

    def __init__(self, root: str | os.PathLike[str] = _root("wikitext-103"), segment: str = "train", vocab: Any = None,
                 seq_len: int = 35) -> None:
        super().__init__(root, segment, vocab, seq_len)
