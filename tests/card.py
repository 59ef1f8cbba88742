"""A device that is not the CPU, for machines without a graphics card: its tensors are computed on the CPU, but are told
apart from the CPU's and, like a graphics card's, refuse to be mixed with them. `torch.device("card")`, once imported.
"""

from __future__ import annotations

from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.accelerators import CPUAccelerator
from lightning_fabric.strategies import SingleDeviceStrategy
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("card")
aten = torch.ops.aten
CARD = torch.device("card:0")
# What a graphics card, too, takes from the CPU: indices, and copies.
MAY_MIX = {aten._to_copy.default, aten.index.Tensor, aten.index_put_.default, aten._index_put_impl_.default}


def raw(value: Any) -> Any:
    """What lies behind a tensor on the card; anything else as it is."""
    return value.inside if isinstance(value, OnCard) else value


class OnCard(Tensor):
    """A tensor on the card."""

    inside: Tensor

    @staticmethod
    def __new__(cls, inside: Tensor) -> OnCard:
        made = torch.Tensor._make_wrapper_subclass(
            cls, inside.shape, inside.stride(), inside.storage_offset(), dtype=inside.dtype, device=CARD
        )
        made.inside = inside
        return made

    def tolist(self) -> Any:
        return self.inside.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        with torch.inference_mode(False):  # a view needs a tensor that counts its versions
            if func is aten.copy_.default:
                raw(args[0]).copy_(raw(args[1]))
                return args[0]
            there = torch.device(kwargs["device"]) if kwargs.get("device") is not None else CARD
            strange = [x for x in tensors if x.dim() and not isinstance(x, OnCard)]
            if strange and func not in MAY_MIX:
                raise RuntimeError(f"{func}: on the card and, of shape {tuple(strange[0].shape)}, on the CPU")
            if "device" in kwargs:
                kwargs["device"] = torch.device("cpu")
            out = func(*tree_map(raw, args), **tree_map(raw, kwargs))
            if there.type != "card":
                return out
            known = {id(x.inside): x for x in tensors if isinstance(x, OnCard)}  # an operation in place gives itself

            def place(x: Any) -> Any:
                return known[id(x)] if id(x) in known else OnCard(x) if isinstance(x, Tensor) else x

            return tree_map(place, out)


def made(operation: Any) -> Any:
    """The same operation, its result on the card."""
    return lambda *args, device=None, pin_memory=None, **kwargs: OnCard(operation(*args, device="cpu", **kwargs))


OPERATIONS = torch.library.Library("aten", "IMPL")  # they go when this goes
for name in ("empty.memory_format", "empty_strided"):
    base, _, overload = name.partition(".")
    OPERATIONS.impl(name, made(getattr(getattr(aten, base), overload or "default")), "PrivateUse1")


def copied(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    raw(target).copy_(raw(source))
    return target


OPERATIONS.impl("_copy_from", copied, "PrivateUse1")


class Accelerator(CPUAccelerator):
    """Lightning's, which asks nothing of the device."""

    def setup_device(self, device: torch.device) -> None:
        pass


def fabric() -> Fabric:
    """Lightning Fabric on the card."""
    return Fabric(strategy=SingleDeviceStrategy(CARD, Accelerator()))
