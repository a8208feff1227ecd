"""Statistics for paired evaluation gates: pure functions on counts and numbers.

Two models answer the same items. Throughout, ``a`` counts the items both have right, ``b`` the
losses (baseline right, candidate wrong), ``c`` the wins (baseline wrong, candidate right) and ``d``
those both have wrong; the drop is (b - c) / n, baseline accuracy minus candidate accuracy. Drops
and margins are fractions: 0.02 is two percentage points.

    >>> from pytest_gptoss import stats
    >>> stats.gate(1000, 60, 25, 234, margin=0.02).verdict
    'regressed'

Nothing here knows of models or of pytest. Wrong arguments raise ``ValueError`` naming the argument.
"""

from .bootstrap import BootstrapDifference, bootstrap_difference
from .clustered import ClusteredDifference, clustered_difference
from .effects import cohens_g, cohens_h
from .gate import Gate, Verdict, gate
from .mcnemar import McNemar, mcnemar, pooled_mcnemar
from .means import mean_of_means, mean_score
from .multiplicity import benjamini_hochberg, holm
from .paired import NonInferiority, PairedDifference, noninferiority, paired_difference
from .passk import pass_at_k
from .permutation import SignFlip, sign_flip
from .power import minimum_detectable_drop, paired_power, required_items
from .proportion import Estimate, odds_ratio, proportion
from .rounds import RatioOfRounds, SpeedGate, ratio_of_rounds, speed_gate
from .sequential import SequentialGate

__all__ = [
    "BootstrapDifference",
    "ClusteredDifference",
    "Estimate",
    "Gate",
    "McNemar",
    "NonInferiority",
    "PairedDifference",
    "RatioOfRounds",
    "SequentialGate",
    "SignFlip",
    "SpeedGate",
    "Verdict",
    "benjamini_hochberg",
    "bootstrap_difference",
    "clustered_difference",
    "cohens_g",
    "cohens_h",
    "gate",
    "holm",
    "mcnemar",
    "mean_of_means",
    "mean_score",
    "minimum_detectable_drop",
    "noninferiority",
    "odds_ratio",
    "paired_difference",
    "paired_power",
    "pass_at_k",
    "pooled_mcnemar",
    "proportion",
    "ratio_of_rounds",
    "required_items",
    "sign_flip",
    "speed_gate",
]
