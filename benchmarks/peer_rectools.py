"""One RecTools SASRec run, for benchmarks/peers.py: called in a virtual environment that has rectools[torch].

Reads DIR/log.npz (user, item, split) and prints one JSON line. Trains on everything but the last two items of
each user, as FAME does, and ranks all items not seen for each user's last one.
"""

import argparse
import json
import resource
import time
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel


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
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    log = np.load(f"{arguments.folder}/log.npz", allow_pickle=False)
    frame = pd.DataFrame({Columns.User: log["user"], Columns.Item: log["item"], "split": log["split"]})
    frame[Columns.Weight] = 1.0
    frame[Columns.Datetime] = pd.Timestamp("2020-01-01") + pd.to_timedelta(frame.groupby(Columns.User).cumcount(), "s")
    model = SASRecModel(
        n_blocks=2,
        n_heads=2,
        n_factors=64,
        dropout_rate=0.5,
        session_max_len=50,
        loss="softmax",
        lr=1e-3,
        batch_size=128,
        get_trainer_func=lambda: Trainer(
            max_epochs=arguments.epochs,
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
    known = set(frame.loc[frame["split"] == 0, Columns.Item])
    users = test.index.to_numpy()
    recommended = model.recommend(users, seen, k=10, filter_viewed=True)
    hit = recommended[recommended[Columns.Item] == recommended[Columns.User].map(test)]
    result = {
        "seconds": Clock.seconds,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "HR@10": len(hit) / len(users),
        "NDCG@10": float((1 / np.log2(hit[Columns.Rank] + 1)).sum() / len(users)),
        "cold_targets": int((~test.isin(known)).sum()),
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
