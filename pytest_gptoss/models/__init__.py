"""The models: a registry in one data file, and the code that reads it.

Importing this costs the standard library and msgspec; the data files are read when first asked.
"""

from pytest_gptoss.models.profiles import Profile, profile, profiles
from pytest_gptoss.models.registry import Entry, fixtures, registry
from pytest_gptoss.models.requirements import gpu_memory, missing
from pytest_gptoss.models.spec import ModelSpec, resolve

__all__ = [
    "Entry",
    "ModelSpec",
    "Profile",
    "fixtures",
    "gpu_memory",
    "missing",
    "profile",
    "profiles",
    "registry",
    "resolve",
]
