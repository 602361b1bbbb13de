import ast
import importlib
import importlib.metadata
import json
import subprocess
import sys

import numpy
import pytest

from actionbench.baselines.plugins import load_plugin
from actionbench.experiments.store import provenance

MAIN = """
import json
import numpy as np
import key_helper
from typing import TYPE_CHECKING
from actionbench import Attempt
from actionbench.features import video
if TYPE_CHECKING:
    import key_for_checkers

class Keyed(Attempt):
    family = "trivial"
    def fit(self, clips, labels, groups=None):
        from key_late import deep
    def predict_proba(self, clips): ...
"""

BLOCKS = """
import b1
def f(): import b2
async def g():
    import b3
    async with x: import b4
    async for y in x: import b5
    else: import b6
class C: import b7
for y in x: import b8
else: import b9
while x: import b10
else: import b11
if x: import b12
elif y: import b13
else: import b14
with x: import b15
match x:
    case 1: import b16
try: import b17
except E: import b18
else: import b19
finally: import b20
h = lambda: (1 if x else 2)
if TYPE_CHECKING: import c1
"""

FILES = {
    "key_main.py": MAIN,
    "key_helper.py": "from key_package import inner\n",
    "key_late.py": "deep = 1\n",
    "key_for_checkers.py": "x = 1\n",
    "key_unused.py": "x = 1\n",
    "key_package/__init__.py": "",
    "key_package/inner.py": "x = 1\n",
}


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("key_") or "key_main" in name]:
        del sys.modules[name]


def fingerprint(plugin):
    provenance.forget()
    return provenance.code_fingerprint(load_plugin(plugin / "key_main.py").Keyed)


@pytest.mark.parametrize("name", ["key_main.py", "key_helper.py", "key_late.py", "key_package/inner.py"])
def test_a_change_of_the_file_or_of_a_helper_is_seen(plugin, name):
    before = fingerprint(plugin)
    assert fingerprint(plugin) == before
    (plugin / name).write_text(FILES[name] + "# changed\n")
    assert fingerprint(plugin) != before


def edited(plugin, text):
    """Let the plug-in import something more."""
    main = plugin / "key_main.py"
    main.write_text(main.read_text().replace("import key_helper\n", f"import key_helper\n{text}\n"))


@pytest.mark.parametrize(
    "line",
    [
        "import importlib; importlib.import_module('key_named')",
        "from importlib import import_module\nimport_module('key_named')",
        "__import__('key_named')",
        "import key_space.deep.inner",
        "from key_space.deep import inner",
        "from key_space import deep",
    ],
)
def test_modules_that_are_named_in_a_call_or_lie_in_a_namespace_count(plugin, line):
    (plugin / "key_named.py").write_text("x = 1\n")
    inner = plugin / "key_space/deep/inner.py"
    inner.parent.mkdir(parents=True)
    inner.write_text("x = 1\n")
    edited(plugin, line)
    before = fingerprint(plugin)
    for path in (plugin / "key_named.py", inner):
        path.write_text("x = 2\n")
    assert fingerprint(plugin) != before


@pytest.mark.parametrize("editable", [True, False])
def test_the_sources_of_what_is_installed_as_a_link_count(plugin, tmp_path, monkeypatch, editable):
    """Where a version says what the code is, that counts; a link to sources that are worked on has the same one."""
    sources, installed = tmp_path / "elsewhere", tmp_path / "installed"
    (sources / "key_linked").mkdir(parents=True)
    (sources / "key_linked/__init__.py").write_text("from . import part\n")
    (sources / "key_linked/part.py").write_text("x = 1\n")
    facts = installed / "key_linked-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: key-linked\nVersion: 1.0\n")
    (facts / "RECORD").write_text("key_linked/__init__.py,,\n")
    (facts / "direct_url.json").write_text(json.dumps({"url": "", "dir_info": {"editable": editable}}))
    sys.path[:0] = [str(installed), str(sources)]
    provenance.forget(packages=True)
    try:
        edited(plugin, "import key_linked")
        before = fingerprint(plugin)
        (sources / "key_linked/part.py").write_text("x = 2\n")
        assert (fingerprint(plugin) != before) == editable
        parts = provenance.code_parts(load_plugin(plugin / "key_main.py").Keyed)
        assert parts["key-linked (version)"] == "1.0"
    finally:
        provenance.forget(packages=True)


@pytest.mark.parametrize("name", ["key_unused.py", "key_for_checkers.py"])
def test_files_that_do_not_run_do_not_count(plugin, name):
    before = fingerprint(plugin)
    (plugin / name).write_text("y = 2\n")
    assert fingerprint(plugin) == before


def test_the_version_of_a_library_counts(plugin, monkeypatch):
    before = fingerprint(plugin)
    monkeypatch.setattr(provenance, "version_of", lambda name: "0.0" if name == "numpy" else "1.0")
    changed = fingerprint(plugin)
    monkeypatch.setattr(provenance, "version_of", lambda name: "1.0")
    assert len({before, changed, fingerprint(plugin)}) == 3


def test_the_instruction_set_counts_where_kernels_run(monkeypatch):
    from actionbench.baselines.nets.convnet_3d import ConvNet3d
    from actionbench.baselines.trivial.chance import Chance
    from actionbench.models import kernels

    def both():
        provenance.forget()
        return provenance.code_fingerprint(ConvNet3d), provenance.code_fingerprint(Chance)

    before = both()
    monkeypatch.setattr(kernels, "INSTRUCTION_SET", "another")
    after = both()
    assert before[0] != after[0]
    assert before[1] == after[1]


def closure(module):
    """Return the project files behind a module, by the code under test."""
    waiting, found = [provenance.Path(importlib.import_module(module).__file__)], set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            for name in provenance.imported_names(path) if path.suffix == ".py" else ():
                waiting += provenance.locate(name, path)[0]
    return {path.relative_to(provenance._PACKAGE).as_posix() for path in found}


def test_imports_are_found_in_every_kind_of_block(tmp_path):
    """Held against a walk over all nodes, of a file with each block of Python's grammar, and of our own files."""
    own = [path for path in provenance._PACKAGE.rglob("*.py") if "skeleton" not in path.parts]
    (tmp_path / "blocks.py").write_text(BLOCKS)
    for path in [*own, tmp_path / "blocks.py"]:
        tree = ast.parse(path.read_bytes())
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                node.body = [ast.Pass()]
        kinds = ast.Import, ast.ImportFrom
        expected = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, kinds)]
        found = provenance.statements(ast.parse(path.read_bytes()))
        assert sorted(ast.unparse(node) for node in found if isinstance(node, kinds)) == sorted(expected)
    assert (
        len([name for name in provenance.imported_names(tmp_path / "blocks.py") if name.startswith("b")])
        == 20
    )


def test_what_functions_import_counts():
    """Files and libraries that an attempt imports only when it is fitted."""
    from actionbench.baselines.handcrafted.hog_svm import HogSvm
    from actionbench.baselines.rules.rules import Rules

    parts = provenance.code_parts(HogSvm)
    assert {"features/descriptors.py", "features/flow.py"} <= set(parts)
    libraries = {"scikit-learn", "opencv-python-headless", "scipy"}
    assert libraries <= set(provenance.versions_imported(HogSvm))
    assert "features/quantities.py" in provenance.code_parts(Rules)
    modules = provenance.modules_read(HogSvm)
    assert {"actionbench.features.descriptors", "actionbench.features.flow"} <= set(modules)
    assert not any(name.startswith("actionbench._ext.") for name in modules)


def test_what_an_attempt_imports_is_found_through_all_floors():
    files = closure("actionbench.baselines.nets.convnet_3d")
    assert {"baselines/base.py", "features/clip.py", "models/__init__.py", "errors.py"} <= files
    assert any(name.startswith("_ext/") and not name.endswith(".py") for name in files)
    assert not any(name.startswith(("reports/", "experiments/")) for name in files)


def test_the_closure_holds_every_project_module_that_python_loads():
    """Held against the interpreter: import the attempt alone and see which project modules it brought in."""
    code = (
        "import sys, actionbench.baselines.rules.rules\n"
        "found = [module.__file__ for name, module in sys.modules.items() if name.startswith('actionbench.')]\n"
        "print(*found, sep='\\n')"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = {
        provenance.Path(line).relative_to(provenance._PACKAGE).as_posix()
        for line in output.split("\n")
        if line
    }
    assert loaded <= closure("actionbench.baselines.rules.rules")


def test_owners_of_names_are_those_of_the_standard_library():
    owners = {top: min(names) for top, names in importlib.metadata.packages_distributions().items()}
    assert {top: provenance.owner_of(top) for top in owners} == owners
    assert provenance.owner_of("no_such_package") is None


def test_what_is_known_of_a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    facts = provenance.collect(workers=2)
    assert facts["git"] is None
    assert facts["packages"]["numpy"] == numpy.__version__
    assert facts["workers"] == 2
    assert facts["cores"] >= 1
    assert facts["memory_bytes"] > 2**20
    blas = [pool for pool in facts["thread_pools"] if pool["user_api"] == "blas"]
    assert all(pool["num_threads"] >= 1 and "filepath" not in pool for pool in blas)
    assert blas


def test_thread_pools_are_those_of_the_processes_of_cells():
    code = (
        "from actionbench.experiments.store.provenance import collect\n"
        "before = collect()['thread_pools']\n"
        "import actionbench.experiments.running.warm\n"
        "assert before and before == collect()['thread_pools'], (before, collect()['thread_pools'])"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_commit_and_changes_of_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "start"]):
        subprocess.run([*git, *words], check=True)
    known = provenance.collect()["git"]
    assert len(known["commit"]) == 40
    assert known["dirty"] is False
    (tmp_path / "new.txt").touch()
    assert provenance.collect()["git"]["status"] == ["?? new.txt"]
