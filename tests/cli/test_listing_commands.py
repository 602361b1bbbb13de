import json
import os


def test_lists(folder, call):
    attempts = {row["name"]: row for row in json.loads(call("list", "attempts", "--json")[1])}
    families = {
        name: attempts[name]["family"] for name in ("chance", "majority", "rules", "mlp-flow", "convnet-3d")
    }
    assert families == {
        "chance": "trivial",
        "majority": "trivial",
        "rules": "rules",
        "mlp-flow": "dense",
        "convnet-3d": "convnet",
    }
    assert {attempts[name]["family"] for name in ("hog-svm", "hof-svm", "hog-hof-mbh-svm")} == {"features"}
    assert not any(row["about"].startswith("cannot load") for row in attempts.values())
    assert all(row["origin"].startswith("actionbench ") for row in attempts.values())
    for what in ("attempts", "datasets", "splits", "matrices"):
        assert call("list", what)[0] == 0


def test_what_cannot_load_is_listed_with_the_reason(call, monkeypatch):
    from importlib.metadata import EntryPoint

    from actionbench.baselines import registry

    broken = EntryPoint("broken", "not_installed_anywhere:Thing", "actionbench.attempts")
    real = registry.installed_entry_points
    monkeypatch.setattr(registry, "installed_entry_points", lambda group: [*real(group), broken])
    # Those of installed packages are made once.
    monkeypatch.setattr(registry, "_installed", registry._installed.__wrapped__)
    code, out, _ = call("list", "attempts", "--json")
    assert code == 0
    rows = {row["name"]: row["about"] for row in json.loads(out)}
    assert rows["broken"] == "cannot load: ModuleNotFoundError: No module named 'not_installed_anywhere'"
    assert not rows["rules"].startswith("cannot load")


def test_doctor(call):
    code, out, _ = call("doctor", "--json")
    assert code == 0
    assert json.loads(out)["cores"] == len(os.sched_getaffinity(0))
    assert call("doctor")[0] == 0
