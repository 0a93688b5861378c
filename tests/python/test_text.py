"""Vocabularies, counting words, and vectors of words from files."""
from collections import Counter

import pytest

import heddle as mx
from heddle.contrib import text
from heddle.contrib.text import embedding


@pytest.fixture()
def counter():
    return Counter(["a", "b", "b", "c", "c", "c", "d", "d"])


def test_count_tokens():
    assert text.utils.count_tokens_from_str(" Life is great ! \n life is good . \n", to_lower=True) == Counter(
        {"life": 2, "is": 2, "great": 1, "!": 1, "good": 1, ".": 1})
    seen = Counter({"x": 1})
    found = text.utils.count_tokens_from_str("*x*y*\nx*", token_delim=r"\*", counter_to_update=seen)
    assert found is seen and seen == Counter({"x": 3, "y": 1})


def test_vocabulary(counter):
    v = text.vocab.Vocabulary(counter)
    assert v.idx_to_token == ["<unk>", "c", "b", "d", "a"] and v.token_to_idx["d"] == 3 and len(v) == 5
    assert v.to_indices("c") == 1 and v.to_indices(["a", "none"]) == [4, 0]
    assert v.to_tokens(1) == "c" and v.to_tokens([0, 4]) == ["<unk>", "a"] and v.unknown_token == "<unk>"
    assert text.vocab.Vocabulary(counter, most_freq_count=2).idx_to_token == ["<unk>", "c", "b"]
    assert text.vocab.Vocabulary(counter, min_freq=3).idx_to_token == ["<unk>", "c"]
    v = text.vocab.Vocabulary(counter, most_freq_count=2, unknown_token="?", reserved_tokens=["c", "<pad>"])
    assert v.idx_to_token == ["?", "c", "<pad>", "b", "d"] and v.reserved_tokens == ["c", "<pad>"]
    for bad in (5, -1, 1.5):
        with pytest.raises(ValueError, match="invalid"):
            v.to_tokens([bad])
    for wrong in ({"min_freq": 0}, {"reserved_tokens": ["a", "a"]}, {"reserved_tokens": ["<unk>"]}):
        with pytest.raises(ValueError):
            text.vocab.Vocabulary(counter, **wrong)


@pytest.fixture()
def vectors(tmp_path):
    path = tmp_path / "own.vec"
    path.write_text("3 2\na 0.5 0.25\nb 1 2\na 9 9\nwörd 3 4\n", encoding="utf8")
    return str(path)


def test_vectors_from_a_file(vectors, caplog):
    e = embedding.CustomEmbedding(vectors, init_unknown_vec=mx.nd.ones)
    assert e.idx_to_token == ["<unk>", "a", "b", "wörd"] and e.vec_len == 2
    assert e.idx_to_vec.tolist() == [[1, 1], [0.5, 0.25], [1, 2], [3, 4]]
    assert "line 1" in caplog.text and "line 4" in caplog.text  # a heading, and a again
    assert e.get_vecs_by_tokens("b").tolist() == [1, 2] and e.get_vecs_by_tokens("B").tolist() == [1, 1]
    assert e.get_vecs_by_tokens(["B", "x"], lower_case_backup=True).tolist() == [[1, 2], [1, 1]]
    e.update_token_vectors(["a", "<unk>"], mx.nd.array([[7, 8], [0, 0]]))
    e.update_token_vectors("b", mx.nd.array([5, 6]))
    assert e.idx_to_vec.tolist() == [[0, 0], [7, 8], [5, 6], [3, 4]]
    with pytest.raises(ValueError, match="unknown"):
        e.update_token_vectors("none", mx.nd.array([1, 1]))
    with pytest.raises(ValueError, match=r"\(1, 3\)"):
        e.update_token_vectors(["a"], mx.nd.ones((1, 3)))


def test_vectors_for_a_vocabulary(vectors):
    v = text.vocab.Vocabulary(Counter(["b", "a", "a", "new"]), reserved_tokens=["<pad>"])
    e = embedding.CustomEmbedding(vectors, vocabulary=v)
    assert e.idx_to_token == v.idx_to_token == ["<unk>", "<pad>", "a", "b", "new"]
    assert e.idx_to_vec.tolist() == [[0, 0], [0, 0], [0.5, 0.25], [1, 2], [0, 0]]
    both = embedding.CompositeEmbedding(v, [e, embedding.CustomEmbedding(vectors, init_unknown_vec=mx.nd.ones)])
    assert both.vec_len == 4 and both.get_vecs_by_tokens("a").tolist() == [0.5, 0.25, 0.5, 0.25]
    assert both.get_vecs_by_tokens("new").tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("lines, said", [("a 1 2\nb 1 2 3\n", "line 2: found a vector of 3 numbers, expected 2"),
                                         ("a 1 2\nb 1 x\n", "line 2"), ("a 1 2\nb\n", "line 2: found no vector"), ("", "no vectors")])
def test_files_that_are_wrong(lines, said, tmp_path):
    path = tmp_path / "bad.vec"
    path.write_text(lines)
    with pytest.raises(ValueError, match=said):
        embedding.CustomEmbedding(str(path))


def test_published_files(tmp_path):
    folder = tmp_path / "glove"
    folder.mkdir()
    (folder / "glove.6B.50d.txt").write_text("the 1 2\n")
    e = embedding.create("glove", pretrained_file_name="glove.6B.50d.txt", embedding_root=str(tmp_path))
    assert e.to_indices("the") == 1
    with pytest.raises(FileNotFoundError, match="wiki.simple.vec"):
        embedding.FastText(embedding_root=str(tmp_path))
    with pytest.raises(KeyError, match="glove.6B.50d.txt"):
        embedding.GloVe("glove.txt", embedding_root=str(tmp_path))
    names = embedding.get_pretrained_file_names()
    assert len(names["glove"]) == 10 and len(embedding.get_pretrained_file_names("fasttext")) == 327
    with pytest.raises(ValueError, match="nothing"):
        embedding.create("nothing")


def test_an_embedding_of_ones_own(vectors):
    @embedding.register
    class Halves(embedding._TokenEmbedding):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self._load_embedding(vectors, " ", mx.nd.zeros)

    assert embedding.create("halves").get_vecs_by_tokens("a").tolist() == [0.5, 0.25]
