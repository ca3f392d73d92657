"""Counts the estimators of scikit-learn that documents import, and writes the 60 that most documents have.

    count.py FILE NAME=FOLDER...

Each FOLDER holds documents: Python, notebooks and pages of a user guide. A document counts once for each class. Counted are
classes with predict or transform, which answer to rows that they were not fitted to. FILE gets {sources: {NAME: documents}, classes: {class: documents}}.
"""
import collections
import json
import pathlib
import re
import sys

from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
from sklearn.utils import all_estimators

IMPORT = re.compile(r"from sklearn[\w.]* import (\([^)]*\)|[^\n\\]*(?:\\+n?\s*[^\n\\]+)*)")
ANSWERING = {name for name, kind in all_estimators() if hasattr(kind, "predict") or hasattr(kind, "transform")}


def text_of(path):
    text = path.read_text(errors="replace")
    if path.suffix == ".ipynb":
        notebook = json.loads(text)
        cells = notebook.get("cells") or [cell for sheet in notebook.get("worksheets", []) for cell in sheet["cells"]]
        text = "\n".join("".join(cell.get("source") or cell.get("input") or "") for cell in cells if cell["cell_type"] == "code")
    return text


sources, classes = {}, collections.Counter()
for source in sys.argv[2:]:
    name, folder = source.split("=", 1)
    documents = [path for path in pathlib.Path(folder).rglob("*") if path.suffix in (".py", ".ipynb", ".rst")]
    found = [{word for names in IMPORT.findall(text_of(path)) for word in re.findall(r"\w+", names)} & ANSWERING for path in documents]
    sources[name] = sum(1 for one in found if one)
    for one in found:
        classes.update(one)
most = sorted(classes.items(), key=lambda pair: (-pair[1], pair[0]))[:60]
with open(sys.argv[1], "w") as out:
    json.dump({"sources": sources, "classes": dict(most)}, out, indent=2)
    out.write("\n")
