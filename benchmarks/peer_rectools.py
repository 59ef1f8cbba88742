"""One RecTools SASRec run, for benchmarks/peers.py: called in a virtual environment that has rectools[torch].

Reads DIR/log.npz (user, item, split) and prints one JSON line. Trains on everything but the last two items of
each user, as FAME does, and ranks all items not seen for each user's last one. --fast is the network of
`rectools.fast_transformers`, which comes without a training loop: the plainest one is here.
"""

import argparse
import json
import resource
import time
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.fast_transformers import FlatSASRecNet, SequenceBatchDataset, build_sequences
from rectools.models import SASRecModel
from torch.utils.data import DataLoader

SIZES = {"n_blocks": 2, "n_heads": 2, "n_factors": 64, "session_max_len": 50}
DROPOUT, RATE, BATCH = 0.5, 1e-3, 128


class Clock(Callback):
    """Seconds of each training epoch. RecTools trains with a copy of its callbacks, so the class keeps them."""

    seconds: ClassVar[list[float]] = []

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.began = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        self.seconds.append(time.perf_counter() - self.began)
        print(f"epoch {len(self.seconds)}: {self.seconds[-1]:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fast", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    log = np.load(f"{arguments.folder}/log.npz", allow_pickle=False)
    result = (fast if arguments.fast else stock)(log, arguments.epochs)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(result | {"memory": memory}), flush=True)


def stock(log: Any, epochs: int) -> dict[str, Any]:
    """`SASRecModel`, with its own way in and out."""
    frame = pd.DataFrame({Columns.User: log["user"], Columns.Item: log["item"], "split": log["split"]})
    frame[Columns.Weight] = 1.0
    frame[Columns.Datetime] = pd.Timestamp("2020-01-01") + pd.to_timedelta(frame.groupby(Columns.User).cumcount(), "s")
    model = SASRecModel(
        **SIZES,
        dropout_rate=DROPOUT,
        loss="softmax",
        lr=RATE,
        batch_size=BATCH,
        get_trainer_func=lambda: Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[Clock()],
        ),
    )
    columns = [Columns.User, Columns.Item, Columns.Weight, Columns.Datetime]
    model.fit(Dataset.construct(frame.loc[frame["split"] == 0, columns]))
    # The validation item is part of the test history.
    seen = Dataset.construct(frame.loc[frame["split"] < 2, columns])
    test = frame.loc[frame["split"] == 2].set_index(Columns.User)[Columns.Item]
    users = test.index.to_numpy()
    recommended = model.recommend(users, seen, k=10, filter_viewed=True)
    hit = recommended[recommended[Columns.Item] == recommended[Columns.User].map(test)]
    return {"seconds": Clock.seconds} | metrics(hit[Columns.Rank].to_numpy(), len(users))


def fast(log: Any, epochs: int) -> dict[str, Any]:
    """`FlatSASRecNet` on the sequences of `build_sequences`, cross-entropy over all items at every real position."""
    user, item, split = (torch.from_numpy(log[name].astype(np.int64)) for name in ("user", "item", "split"))
    order, known = torch.arange(len(user)), split == 0
    x, y, items, _ = build_sequences(user[known], item[known], order[known], SIZES["session_max_len"])
    network = FlatSASRecNet(len(items), dropout=DROPOUT, **SIZES)
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    batches = DataLoader(SequenceBatchDataset(x, y), BATCH, shuffle=True)
    seconds = []
    for _ in range(epochs):
        began = time.perf_counter()
        for batch in batches:
            logits = network(batch)  # [b t items], item 1 first
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["y"].flatten() - 1, ignore_index=-1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        seconds.append(time.perf_counter() - began)
        print(f"epoch {len(seconds)}: {seconds[-1]:.1f} s", flush=True)
    torch.backends.mha.set_fastpath_enabled(False)  # it makes NaN of positions that see padding alone
    return {"seconds": seconds} | metrics(*ranked(network.eval(), items, user, item, split))


@torch.inference_mode()
def ranked(
    network: FlatSASRecNet, items: torch.Tensor, user: torch.Tensor, item: torch.Tensor, split: torch.Tensor
) -> tuple[np.ndarray, int]:
    """Ranks of the test items that come among the first 10, from 1, and how many test items there are."""
    T, row = SIZES["session_max_len"], {int(i): at for at, i in enumerate(items, start=1)}
    hits, past, targets = [], *histories(user, item, split)
    table = network.all_item_embeddings()
    for history, target in zip(past, targets, strict=True):
        known = [row[i] for i in history if i in row]
        if target not in row:
            continue
        x = torch.zeros(1, T, dtype=torch.long)
        x[0, -min(T, len(known)) :] = torch.tensor(known[-T:])
        scores = table @ network.encode_last(x)[0]
        scores[torch.tensor(known) - 1] = -torch.inf
        rank = int((~(scores < scores[row[target] - 1])).sum())  # ties, and what is no number, count against it
        if rank <= 10:
            hits.append(rank)
    return np.array(hits), len(targets)


def histories(user: torch.Tensor, item: torch.Tensor, split: torch.Tensor) -> tuple[list[list[int]], list[int]]:
    """What each user with a test item had before it, and the test item."""
    before: dict[int, list[int]] = {}
    target: dict[int, int] = {}
    for u, i, part in zip(user.tolist(), item.tolist(), split.tolist(), strict=True):
        if part == 2:
            target[u] = i
        else:
            before.setdefault(u, []).append(i)
    return [before[u] for u in target], list(target.values())


def metrics(rank: np.ndarray, users: int) -> dict[str, float]:
    """HR@10 and NDCG@10 from the ranks, from 1, of the hits."""
    return {"HR@10": len(rank) / users, "NDCG@10": float((1 / np.log2(rank + 1)).sum() / users)}


if __name__ == "__main__":
    main()
