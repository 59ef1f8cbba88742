"""The extra terms of the loss: each against a hand-computed case, and what each is for."""

import numpy as np
import pandas as pd
import pytest
import torch

from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.make.data.sequences import Sequences
from fame.make.guidance import (
    TEMPERATURE,
    Guidance,
    GuidanceConfig,
    mutual_information,
    persistence,
    supervised_contrast,
)
from fame.make.probes.statistics import linear_cka
from fame.model import FAME


@pytest.fixture
def catalogue() -> Catalogue:
    rng = np.random.default_rng(0)
    return Catalogue.from_frame(
        pd.DataFrame(
            {
                "item_id": [str(i) for i in range(60)],
                "genres": rng.choice(["Comedy", "Horror", "Western"], 60),
                "decade": rng.choice(["1980s", "1990s"], 60),
            }
        )
    )


def network(seed: int = 0, **sizes: int) -> FAME:
    torch.manual_seed(seed)
    return FAME(FAMEConfig(n_items=60, max_len=7, d_model=16, n_heads=2, n_experts=3, dropout=0.0, **sizes))


def passed(model: FAME) -> tuple:
    items = torch.randint(1, 61, (5, 7), generator=torch.Generator().manual_seed(1))
    items[0, 4:] = 0
    targets = torch.where(items > 0, items.flip(0).clamp(min=1), 0)
    real = targets > 0
    return model(items), real, targets[real] - 1


def test_mutual_information_by_hand() -> None:
    certain = torch.eye(4)
    undecided = torch.full((4, 4), 0.25)
    always_the_same = torch.eye(4)[[2, 2, 2]]
    assert mutual_information(certain) == pytest.approx(1.0)
    assert mutual_information(undecided) == pytest.approx(0.0, abs=1e-6)
    assert mutual_information(always_the_same) == pytest.approx(0.0, abs=1e-6)
    assert mutual_information(torch.ones(3, 1)) == 0


def test_an_expert_that_is_never_chosen_leaves_gradients_finite(catalogue: Catalogue) -> None:
    model = network()
    with torch.no_grad():  # logits x, -x and 0, x so far from 0 that the third weight rounds to 0
        model.facets.W_exp[0, :, 0] *= 1e7
        model.facets.W_exp[0, :, 1] = -model.facets.W_exp[0, :, 0]
        model.facets.W_exp[0, :, 2] = 0
    config = GuidanceConfig(heads=("genres", "decade"), tie=1.0, mi=1.0, balance=1.0)
    guidance = Guidance(config, model, catalogue)
    out, real, wanted = passed(model)
    assert not out.router[real][:, 0, 2].any(), "the third expert is chosen, so that nothing is tested"
    guidance(model, out, real, wanted).backward()
    assert all(w.grad.isfinite().all() for w in model.parameters() if w.grad is not None)


@pytest.mark.parametrize("term", ["sup", "excl", "tie", "balance"])
def test_a_head_is_said_to_be_told_its_attribute_where_the_loss_depends_on_it(term: str, catalogue: Catalogue) -> None:
    config, model = GuidanceConfig(heads=("genres",), **{term: 1.0}), network()
    frame = catalogue.to_frame()
    dealt = Catalogue.from_frame(frame.assign(genres=frame["genres"].to_numpy()[::-1]))
    losses = []
    for films in (catalogue, dealt):
        torch.manual_seed(0)
        losses.append(float(Guidance(config, model, films)(model, *passed(model)).detach()))
    assert (losses[0] != losses[1]) is (config.taught == ("genres",))


def test_linear_cka_by_hand() -> None:
    x = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    turned = x @ torch.tensor([[0.0, 3], [-3, 0]])  # a rotation and a scale change nothing
    assert linear_cka(x, turned + 5) == pytest.approx(1.0)
    assert linear_cka(x[:, :1], x[:, 1:]) == pytest.approx(0.0)
    assert linear_cka(x, x[:, :1]) == pytest.approx(1 / 2**0.5)


def test_supervised_contrast_by_hand() -> None:
    x = torch.tensor([[2.0, 0], [0, 1], [0, 3], [-1, 0]])  # cosines 0, 0, -1 | 0, 1, 0 | …
    values = torch.tensor([[1.0, 0], [1, 1], [0, 1], [0, 0]])  # 0 and 1, 1 and 2 share one; 3 shares none
    to_0, to_1, to_2 = (
        torch.tensor(cosines) / TEMPERATURE for cosines in ([0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0])
    )
    by_item = [
        to_0.logsumexp(0) - to_0[0],
        to_1.logsumexp(0) - (to_1[0] + to_1[1]) / 2,
        to_2.logsumexp(0) - to_2[1],
    ]
    assert supervised_contrast(x, values) == pytest.approx(float(sum(by_item)) / 3, rel=1e-5)
    assert supervised_contrast(x, torch.zeros(4, 1)) == 0


def test_balance_is_the_divergence_of_the_mean_gate_from_an_even_one(catalogue: Catalogue) -> None:
    model = network()
    with torch.no_grad():
        model.facets.gate.bias.copy_(torch.tensor([0.5, -0.5]))
    guidance = Guidance(GuidanceConfig(heads=("genres", "decade"), balance=2.0), model, catalogue)
    out, real, wanted = passed(model)
    mean = out.gate[real].mean(0).detach()
    by_hand = 2 * sum(float(g) * np.log(float(g) / 0.5) for g in mean)
    assert by_hand > 0.1
    assert guidance(model, out, real, wanted).item() == pytest.approx(by_hand, rel=1e-3)
    one_head = Guidance(GuidanceConfig(heads=("", "decade"), balance=2.0), model, catalogue)
    assert one_head(model, out, real, wanted).item() == pytest.approx(0, abs=1e-6)


def test_guided_heads_learn_their_attribute_and_forget_the_others(catalogue: Catalogue) -> None:
    model = network()
    guidance = Guidance(GuidanceConfig(heads=("genres", "decade"), sup=1.0, excl=1.0, least_items=5), model, catalogue)
    genres, decade = guidance.values(0), guidance.values(1)

    def alignment() -> list[float]:
        spaces = model.facet_items()[:, 1:]
        return [linear_cka(spaces[h], y).item() for h in (0, 1) for y in (genres, decade)]

    own, other, other_too, own_too = alignment()
    assert max(own, other, other_too, own_too) < 0.5
    optimizer = torch.optim.Adam([*model.parameters(), *guidance.parameters()], 0.01)
    for _ in range(150):
        optimizer.zero_grad()
        guidance(model, *passed(model)).backward()
        optimizer.step()
    own, other, other_too, own_too = alignment()
    assert min(own, own_too) > 0.6
    assert max(other, other_too) < 0.05


@pytest.mark.parametrize("form", [{}, {"head_width": 16, "facet_mlp": 2, "anchors": 1}], ids=["paper", "all three"])
def test_pretraining_leaves_each_head_its_own_attribute(form: dict[str, int], catalogue: Catalogue) -> None:
    model, before = network(**form), network(**form)
    config = GuidanceConfig(heads=("genres", "decade"), pretrain=80, least_items=5)
    guidance = Guidance(config, model, catalogue)
    guidance.pretrain(model)
    spaces = model.facet_items()[:, 1:].detach()
    own, other, other_too, own_too = (linear_cka(spaces[h], guidance.values(v)).item() for h in (0, 1) for v in (0, 1))
    assert min(own, own_too) > (0.6 if form else 0.8) and max(other, other_too) < 0.2
    moved = {name for name, w in model.state_dict().items() if not w.equal(before.state_dict()[name])}
    assert {name for name in moved if "item_mlp" not in name} == {"items.weight", "facets.W_f"}
    assert any("item_mlp" in name for name in moved) is bool(form)
    assert all(w.grad is None for w in model.parameters()), "nothing is left for the first step of training"
    assert not model.items.weight[0].any(), "the padding row stays at 0"
    assert model.items.weight[1:].std().item() == pytest.approx(0.02)
    assert guidance(model, *passed(model)).item() == 0, "pretraining is no term of the loss"


def test_tie_is_the_likelihood_of_a_mixture_of_values(catalogue: Catalogue) -> None:
    model, chosen = network(), np.random.default_rng(3).integers(1, 61, 200)
    histories = Sequences(np.array(["a", "b"]), chosen, np.array([0, 90, 200]))
    guidance = Guidance(GuidanceConfig(heads=("", "decade"), tie=1.0, least_items=5), model, catalogue, histories)
    out, real, wanted = passed(model)
    matrix, _ = catalogue.attribute("decade")
    counts = np.maximum(np.bincount(chosen, minlength=61)[1:], 1)
    share = counts / counts.sum()
    first = int(persistence(histories, matrix).argmax())
    start = torch.tensor([[3.0, 0], [0, 3], [0, 0]])  # three experts of two decades
    mixing = start[:, [first, 1 - first]].softmax(-1).numpy()
    by_hand = []
    for step, item in zip(out.router[real].detach().numpy(), wanted.tolist(), strict=True):
        lift = 0.0
        for n in range(3):
            for w in range(2):
                if matrix[item + 1, w]:
                    lift += step[1, n] * mixing[n, w] / share[matrix[1:, w]].sum()
        by_hand.append(-np.log((0.95 * lift + 0.05) * share[item]))  # one guided head, so its gate is 1
    assert guidance(model, out, real, wanted).item() == pytest.approx(np.mean(by_hand), abs=1e-5)


def test_persistence_by_hand() -> None:
    has = np.array([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]], bool)
    histories = Sequences(np.array(["a", "b", "c"]), [1, 2, 3, 4, 4, 1, 3], np.array([0, 5, 5, 7]))
    # Neighbours: 1 2, 2 3, 3 4, 4 4 | 1 3. Value 0 at both steps 1 in 5, at the first 3, at the second 1.
    joint = np.array([1, 2, 0, 2]) / 5
    apart = np.array([3 * 1, 3 * 4, 2 * 1, 2 * 4]) / 25
    by_hand = sum(p * np.log(p / q) for p, q in zip(joint, apart, strict=True) if p)
    # Value 1: never at 1 2 and 3 4, at 1 3 both; at the first of three, at the second of two.
    joint, apart = np.array([1, 2, 1, 1]) / 5, np.array([3 * 2, 3 * 3, 2 * 2, 2 * 3]) / 25
    less_likely = -sum(p * np.log(p / q) for p, q in zip(joint, apart, strict=True))
    assert persistence(histories, has) == pytest.approx([by_hand, less_likely])
    assert persistence(Sequences(np.array(["a"]), [1], np.array([0, 1])), has).tolist() == [0, 0]


def test_tied_gate_and_routers_foretell_what_the_next_item_answers_to(catalogue: Catalogue) -> None:
    """A history goes on with one genre, whatever the decade, or with one decade, whatever the genre."""
    rng = np.random.default_rng(0)
    pools = [[np.flatnonzero(v) for v in catalogue.attribute(name)[0].T] for name in ("genres", "decade")]

    def histories(n: int) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
        facet = rng.integers(2, size=n)
        value = np.array([rng.integers(len(pools[h])) for h in facet])
        return (
            torch.tensor(np.array([rng.choice(pools[h][w], 8) for h, w in zip(facet, value, strict=True)])),
            facet,
            value,
        )

    model = network()
    guidance = Guidance(GuidanceConfig(heads=("genres", "decade"), tie=1.0, least_items=5), model, catalogue)
    optimizer = torch.optim.Adam([*model.parameters(), *guidance.parameters()], 0.01)
    for _ in range(150):
        items = histories(128)[0]
        inputs, targets = items[:, :7], items[:, 1:]
        optimizer.zero_grad()
        guidance(model, model(inputs), targets > 0, targets[targets > 0] - 1).backward()
        optimizer.step()
    items, facet, value = histories(500)
    with torch.inference_mode():
        out = model(items[:, :7])
    gate, router = out.gate[:, -1].argmax(1).numpy(), out.router[:, -1].argmax(2).numpy()
    assert (gate == facet).mean() > 0.8
    assert (router[np.arange(500), facet] == value).mean() > 0.8  # expert n started as value n


def test_mutual_information_term_makes_gate_and_routers_decide() -> None:
    model = network()
    guidance = Guidance(GuidanceConfig(mi=1.0), model, Catalogue.from_frame(pd.DataFrame({"item_id": range(60)})))
    with torch.no_grad():
        before = guidance(model, *passed(model)).item()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(60):
        optimizer.zero_grad()
        guidance(model, *passed(model)).backward()
        optimizer.step()
    with torch.no_grad():
        assert guidance(model, *passed(model)).item() < before - 0.5  # of at most 2: gate and routers


def test_a_process_without_targets_still_has_a_gradient_for_every_parameter(catalogue: Catalogue) -> None:
    terms = dict.fromkeys(("sup", "excl", "tie", "balance", "mi"), 0.1)
    model = network()
    guidance = Guidance(GuidanceConfig(heads=("genres",), **terms), model, catalogue)
    out, real, _ = passed(model)
    for none, wanted in ((torch.zeros_like(real), torch.zeros(0, dtype=torch.int64)), (real, passed(model)[2])):
        guidance.zero_grad()
        loss = guidance(model, out, none, wanted)
        loss.backward(retain_graph=True)
        assert loss.isfinite() and (loss.item() == 0) is (len(wanted) == 0)
        assert all(p.grad is not None for p in guidance.parameters())


def test_nothing_asked_for_costs_nothing(catalogue: Catalogue) -> None:
    model = network()
    assert not GuidanceConfig()
    assert Guidance(GuidanceConfig(), model, catalogue)(model, *passed(model)).item() == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sup": -1.0}, "sup is -1.0; expected a number from 0 up"),
        ({"sup": 0.1}, "need heads"),
        ({"tie": 0.1}, "need heads"),
        ({"heads": ["genres"], "mi": 0.1}, "heads are named, but pretrain, sup, excl, tie, balance are 0"),
        ({"heads": ["genres"], "tie": 1.0, "noise": 1.0}, "noise is 1.0; expected a number above 0 and below 1"),
        ({"pretrain": 5}, "need heads"),
        ({"heads": ["genres"], "pretrain": 1.5}, "pretrain is 1.5; expected a whole number of at least 0"),
        ({"heads": ["genres", "decade", "genres"], "sup": 0.1}, "3 attributes for 2 heads"),
        ({"heads": ["mood"], "sup": 0.1}, "no attribute 'mood'"),
        ({"heads": ["genres"], "sup": 0.1, "least_items": 100}, "no value of 'genres' has 100 items"),
    ],
)
def test_refusals(settings: dict, message: str, catalogue: Catalogue) -> None:
    with pytest.raises(FameError, match=message):
        Guidance(GuidanceConfig(**settings), network(), catalogue)


def test_a_sasrec_has_no_heads_to_guide(catalogue: Catalogue) -> None:
    with pytest.raises(FameError, match="no heads to guide"):
        Guidance(GuidanceConfig(heads=("genres",), sup=0.1), network(variant="sasrec"), catalogue)
