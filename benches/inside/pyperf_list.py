"""Lists pyperformance's benchmarks, from inside its virtual environment: a line
of JSON with {name: [script, its options, file of requirements or ""]}."""
import json
import os

from pyperformance import _manifest

print(json.dumps({
    each.name: [each.runscript, each.extra_opts or [],
                each.requirements_lockfile if os.path.exists(each.requirements_lockfile) else ""]
    for each in _manifest.load_manifest(None).benchmarks}))
