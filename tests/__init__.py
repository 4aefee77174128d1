"""The tests. Compiled modules are kept: the program is started often, and compiling costs more."""

import os
import sys
from pathlib import Path

sys.dont_write_bytecode = False
sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
