"""What to cite: the paper that proposes the method, and this software; CITATION.cff says the same to machines."""

from __future__ import annotations

from fame import __version__

__all__ = ["FORMULA", "PAPER", "software"]

FORMULA = "s(v) = Σ_h g_h · s_h(v),  s_h(v) = <F^h, x_v^(h)>,  g = softmax(W_g [F^1 ‖ … ‖ F^H] + b_g)"

PAPER = """\
@inproceedings{liu2025fame,
  title     = {Facet-Aware Multi-Head Mixture-of-Experts Model for Sequential Recommendation},
  author    = {Liu, Mingrui and Zhang, Sixiao and Long, Cheng},
  booktitle = {Proceedings of the Eighteenth ACM International Conference on Web Search and Data Mining},
  series    = {WSDM '25},
  year      = {2025},
  note      = {arXiv:2411.01457}
}"""


def software(link: str = "") -> str:
    """BibTeX of this version; `link` leads to what is cited."""
    shown = f",\n  url     = {{{link}}}" if link else ""
    return (
        "@software{fame,\n"
        "  title   = {FAME: a facet-aware multi-head mixture-of-experts recommender, opened up},\n"
        "  author  = {{The FAME project}},\n"
        f"  version = {{{__version__}}}{shown}\n}}"
    )
