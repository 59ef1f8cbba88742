"""A start from the log itself: what is watched together, before anything is trained. No attribute is used."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import svds

from fame.errors import FameError
from fame.make.data.sequences import Sequences
from fame.model import FAME

__all__ = ["cooccurrence", "item_vectors", "start_from_log"]

STEPS = 5  # two items within so many steps of a history are together
SCALE = 0.05  # of the item embeddings
RUNS = 10  # of k-means, of which the best counts


def start_from_log(model: FAME, histories: Sequences) -> None:
    """Gives the items embeddings from their co-occurrence and, where experts have anchors, each expert a taste of its
    own: the centres of H·N clusters of the items, the largest clusters first, dealt to the heads in turn.

    The same for every seed, but for the noise in W_f. Items that are with no other in the log, and directions beyond
    the rank of the co-occurrence, keep their random start.

    Raises:
        FameError: there are fewer items with company than anchors to place.
    """
    vectors = item_vectors(histories, model.config.n_items, model.config.d_model)  # [items rank]
    with torch.no_grad():
        known = np.flatnonzero(vectors.any(axis=1))
        model.items.weight[1 + known, : vectors.shape[1]] = torch.from_numpy(SCALE * vectors[known]).float()
        if model.config.variant == "sasrec" or model.facets.anchors is None:
            return
        H, N, _ = model.facets.anchors.shape
        centres = torch.from_numpy(clusters(vectors[known], H * N)).float()  # [hn rank]
        for i, centre in enumerate(centres):
            anchor = model.facets.W_f[i % H, :, : len(centre)] @ centre
            model.facets.anchors[i % H, i // H] = model.config.anchors * anchor / anchor.std()


def cooccurrence(histories: Sequences, n_items: int) -> csr_array:
    """How often two items are within STEPS steps of a history, either way round: [items, items], row 0 the first."""
    user = np.repeat(np.arange(len(histories.lengths)), histories.lengths)
    total = csr_array((n_items, n_items))
    for apart in range(1, STEPS + 1):
        same = user[:-apart] == user[apart:]
        a, b = (x[same] - 1 for x in (histories.items[:-apart], histories.items[apart:]))
        total = total + coo_array((np.ones(len(a)), (a, b)), shape=total.shape).tocsr()
    return csr_array(total + total.T)


def item_vectors(histories: Sequences, n_items: int, d: int) -> np.ndarray:
    """Items by their company: truncated SVD of the positive pointwise mutual information, [items, rank], mean square 1.

    Source: Levy and Goldberg 2014, "Neural Word Embedding as Implicit Matrix Factorization": U sqrt(Σ) of PPMI. The
    rank is d, or less where there are not more than d items.
    """
    together = cooccurrence(histories, n_items).tocoo()
    often = np.asarray(together.sum(axis=1)).ravel()
    pmi = np.log(together.data * often.sum() / (often[together.coords[0]] * often[together.coords[1]]))
    positive = csr_array(coo_array((np.maximum(pmi, 0), together.coords), shape=together.shape))
    positive.eliminate_zeros()
    rank = min(d, n_items - 1)
    if rank < 1 or not positive.nnz:
        return np.zeros((n_items, 0))
    U, S, _ = svds(positive, k=rank, random_state=0)
    vectors = U * np.sqrt(S)
    return vectors / np.sqrt(np.square(vectors).mean())


def clusters(x: np.ndarray, n: int) -> np.ndarray:
    """The mean vectors of n clusters of the rows by direction, the largest cluster first: [n, rank].

    Raises:
        FameError: there are fewer different rows than clusters.
    """
    from sklearn.cluster import KMeans

    if len(np.unique(x, axis=0)) < n:
        raise FameError(f"training: a start from the log places {n} anchors, but tells only {len(x)} items apart")
    found = KMeans(n, n_init=RUNS, random_state=0).fit_predict(x / np.linalg.norm(x, axis=1, keepdims=True))
    order = np.argsort(-np.bincount(found, minlength=n), kind="stable")
    return np.stack([x[found == c].mean(axis=0) for c in order])
