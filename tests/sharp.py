"""A small network whose gate, routers and lists differ from history to history, for tests of what it says of many."""

from __future__ import annotations

from typing import Any

import torch

from fame.config import FAMEConfig
from fame.model import FAME

__all__ = ["sharp"]


def sharp(**sizes: Any) -> FAME:
    """FAME of these sizes, untrained: its weights are four times as large as those with which training begins."""
    torch.manual_seed(3)
    network = FAME(FAMEConfig(**sizes)).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(4)
        network.items.weight[0] = 0
    return network
