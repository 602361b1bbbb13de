"""Show editors and type checkers the folders under their import name, by links that git ignores."""

from pathlib import Path

root = Path(__file__).resolve().parents[1]
for name in ("baselines", "features", "models", "_ext", "experiments", "reports"):
    link = root / "src" / "actionbench" / name
    if not link.exists():
        link.symlink_to(Path("../..") / name, target_is_directory=True)
