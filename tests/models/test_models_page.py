"""The page that the registry writes."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_what_the_registry_says():
    path = ROOT / "tools" / "models_page.py"
    loader = importlib.util.spec_from_file_location("models_page", path)
    module = importlib.util.module_from_spec(loader)
    loader.loader.exec_module(module)
    written = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert written == module.render(), "run: python tools/models_page.py"
