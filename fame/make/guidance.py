"""Guided facets: extra terms of the training loss that make heads mean something. All are off by default.

None of them touches the network: a guided bundle is read, traced and scored like any other.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as fn
from torch import Tensor, nn

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.make.configs import GuidanceConfig
from fame.make.data.sequences import Sequences
from fame.make.probes.statistics import linear_cka
from fame.model import FAME, INIT_STD, Pass

__all__ = [
    "Guidance",
    "GuidanceConfig",
    "mutual_information",
    "persistence",
    "supervised_contrast",
]

CONTRASTED = 1024  # items that a step of pretraining compares with each other
TEMPERATURE = 0.1  # of their cosines
PRETRAIN_RATE = 0.001
OWN_VALUE = 3.0  # logit of an expert's own value at first, the others' being 0: undecided experts do not part
PAIRS_AT_ONCE = 1 << 20


class Guidance(nn.Module):
    """The extra loss. Its read-outs are trained with the network and thrown away.

    histories: those to learn from. `tie` starts with how often each item is chosen, and with expert n of a head at the
        n-th most persistent value of its attribute; without them, with all items alike and the most frequent values.

    Raises:
        FameError: more names than heads, an unknown attribute, or one with no value common enough to read out.
    """

    def __init__(self, config: GuidanceConfig, model: FAME, catalogue: Catalogue, histories: Sequences | None = None):
        super().__init__()
        self.config = config
        H, N, width = model.config.n_heads, model.config.n_experts, model.config.d_head
        if model.config.variant != "fame":
            raise FameError("guidance: a plain SASRec has no heads to guide; leave the guidance out")
        if len(config.heads) > H:
            raise FameError(f"guidance: {len(config.heads)} attributes for {H} heads; name at most one per head")
        self.heads = {h: name for h, name in enumerate(config.heads) if name}
        self.readout = nn.ModuleDict()
        self.mixtures = nn.ParameterDict()
        if config.tie:  # what is chosen often is not all popularity: some of it is that its values are preferred
            chosen = (
                np.zeros(len(catalogue))
                if histories is None
                else np.bincount(histories.items, minlength=len(catalogue))
            )
            self.popularity = nn.Parameter(torch.from_numpy(np.log(np.maximum(chosen[1:], 1)).astype(np.float32)))
        for h, name in self.heads.items():
            matrix = catalogue.attribute(name).matrix
            common = matrix[:, matrix.sum(0) >= config.least_items]
            if not common.shape[1]:
                raise FameError(f"guidance: no value of {name!r} has {config.least_items} items to learn from")
            self.register_buffer(f"values_{h}", torch.from_numpy(common[1:].astype(np.float32)), persistent=False)
            if config.sup:  # weights that no loss reaches would stop a run on several devices
                self.readout[str(h)] = nn.Linear(width, common.shape[1])
            if config.tie:
                order = (
                    np.argsort(-persistence(histories, common), kind="stable")
                    if histories is not None
                    else range(common.shape[1])
                )
                start = torch.zeros(N, common.shape[1])  # where there are more experts than values, some stay undecided
                for n, value in zip(range(N), order, strict=False):
                    start[n, value] = OWN_VALUE
                self.mixtures[str(h)] = nn.Parameter(start)

    def values(self, h: int) -> Tensor:
        """The attribute of head h over the items, [items values], 0 or 1."""
        return getattr(self, f"values_{h}")

    def pretrain(self, model: FAME) -> None:
        """Moves item embeddings and what makes facets of them, before training, to spaces in which items that share a
        value lie together.

        Source: the supervised contrastive loss of `supervised_contrast`, by Adam, `config.pretrain` steps of it. The
        embeddings are then scaled back to the size with which the network starts.
        """
        mlp = model.facets.item_mlp
        weights = [model.items.weight, model.facets.W_f, *(mlp.parameters() if mlp else ())]
        optimizer = torch.optim.Adam(weights, PRETRAIN_RATE)
        for _ in range(self.config.pretrain):
            optimizer.zero_grad()
            spaces = model.facet_items()[:, 1:]
            for h in self.heads:
                supervised_contrast(spaces[h], self.values(h)).backward(retain_graph=True)
            optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            model.items.weight *= INIT_STD / model.items.weight[1:].std()

    def forward(self, model: FAME, out: Pass, real: Tensor, wanted: Tensor) -> Tensor:
        """The weighted sum of the terms, per target. real [b t] marks targets, wanted [m] are their item indices."""
        c = self.config
        loss = out.query.new_zeros(()) + self.nothing()
        if not len(wanted):
            return loss
        if c.sup or c.excl:
            spaces = model.facet_items()[:, 1:]  # [h items k]
            for h in self.heads:
                if c.sup:
                    z = fn.layer_norm(spaces[h], spaces[h].shape[-1:])  # the scale of a space says nothing
                    surprise = fn.binary_cross_entropy_with_logits(
                        self.readout[str(h)](z), self.values(h), reduction="none"
                    )
                    loss = loss + c.sup * surprise.sum(1).mean()
                if c.excl:
                    for other in self.heads:
                        if self.heads[other] != self.heads[h]:
                            loss = loss + c.excl * linear_cka(spaces[h], self.values(other))
        if c.tie:
            loss = loss + c.tie * self.surprise(out, real, wanted)
        if c.balance:
            mean = self.gate(out, real).mean(0)
            loss = loss + c.balance * (np.log(len(mean)) - entropy(mean))
        if c.mi and out.gate is not None and out.router is not None:
            loss = loss - c.mi * mutual_information(out.gate[real])
            router = out.router[real]  # [m h n]
            loss = loss - c.mi * torch.stack([mutual_information(r) for r in router.unbind(1)]).mean()
        return loss

    def nothing(self) -> Tensor | int:
        """0, on which every parameter hangs: processes that train together wait for a gradient of each."""
        return sum(0 * p.sum() for p in self.parameters())

    def gate(self, out: Pass, real: Tensor) -> Tensor:
        """The gate among the guided heads alone, [m guided], rows adding up to 1."""
        assert out.gate is not None
        gate = out.gate[real][:, list(self.heads)]
        return gate / gate.sum(-1, keepdim=True).clamp(min=1e-12)

    def surprise(self, out: Pass, real: Tensor, wanted: Tensor) -> Tensor:
        """Mean over targets v of -log p(v) in the mixture (1 - ε) Σ_h g_h Σ_n β_hn Σ_w a_hnw p(v | w) + ε p(v).

        p(v) is a learned popularity, p(v | w) the same among the items that have value w, and ε is `noise`. Expert n
        of head h stands for the mixture a_hn of the values of the head's attribute, which is learned too. So gate and
        routers learn to foretell which attribute the next item answers to, and with which value: the posterior of a
        mixture model. The gate counts among the guided heads alone.
        """
        assert out.router is not None
        router, gate, noise = out.router[real], self.gate(out, real), self.config.noise  # [m h n] [m guided]
        popularity = self.popularity.softmax(0)  # [items]
        lifts = []  # p(v | h) / p(v)
        for h in self.heads:
            values = self.values(h)
            by_expert = (values / (popularity @ values)) @ self.mixtures[str(h)].softmax(-1).T  # [items n]
            lifts.append((router[:, h] * by_expert[wanted]).sum(-1))
        lift = (gate * torch.stack(lifts, -1)).sum(-1)
        return -(((1 - noise) * lift + noise) * popularity[wanted]).log().mean()


def persistence(histories: Sequences, has: np.ndarray) -> np.ndarray:
    """How much an item's having a value foretells that the next one has it, for each of W values: float64 [W].

    The mutual information, in nats, of having it at one step and at the next over all neighbouring steps; below 0 where
    one makes the other less likely. has: boolean [V,W].
    """
    follows = np.ones(len(histories.items), bool)  # of the same history as the item before it
    follows[histories.offsets[:-1][histories.lengths > 0]] = False
    at = np.flatnonzero(follows)
    counts = np.zeros((3, has.shape[1]))  # at both steps, at the first, at the second
    for some in np.array_split(at, -(-len(at) // PAIRS_AT_ONCE)) if len(at) else ():
        now, then = has[histories.items[some - 1]], has[histories.items[some]]
        counts += (now & then).sum(0), now.sum(0), then.sum(0)
    both, first, second = counts / max(len(at), 1)
    joint = np.stack([both, first - both, second - both, 1 - first - second + both])
    apart = np.stack([first * second, first * (1 - second), (1 - first) * second, (1 - first) * (1 - second)])
    shared = np.where(joint > 0, joint, 1) / np.where(joint > 0, apart, 1)
    return np.sign(both - first * second) * (joint * np.log(shared)).sum(0)


def supervised_contrast(x: Tensor, values: Tensor) -> Tensor:
    """Mean over items of -log softmax(cosine / TEMPERATURE), over the other items, at those that share a value.

    x [items k], values [items w] of 0 and 1; at most CONTRASTED random items, those without a partner left out.
    Source: Khosla et al. 2020, "Supervised Contrastive Learning", equation 2.
    """
    chosen = torch.randperm(len(x), device=x.device)[:CONTRASTED]
    x, values = fn.normalize(x[chosen], dim=-1), values[chosen]
    same = torch.eye(len(x), dtype=torch.bool, device=x.device)
    log_p = (x @ x.T / TEMPERATURE).masked_fill(same, -torch.inf).log_softmax(-1)
    partners = ((values @ values.T > 0) & ~same).to(x.dtype)
    found = partners.sum(-1)
    surprise = -(log_p.masked_fill(same, 0) * partners).sum(-1) / found.clamp(min=1)
    return surprise.sum() / (found > 0).sum().clamp(min=1)


def mutual_information(p: Tensor) -> Tensor:
    """I(row; choice) of rows of probabilities p [m c], over log c: entropy of the mean minus mean of the entropies."""
    if p.shape[-1] < 2:
        return p.new_zeros(())
    return (entropy(p.mean(0)) - entropy(p).mean()) / np.log(p.shape[-1])


def entropy(p: Tensor) -> Tensor:
    """Entropy over the last axis, in nats, with a finite gradient at 0, to which float32 rounds a small weight."""
    return -torch.special.xlogy(p, p.clamp(min=1e-12)).sum(-1)
