"""The Python packages that the tests of this folder need."""
import importlib
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PACKAGES = {"onnx": "1.23.2", "onnxruntime": "1.31.1", "ml_dtypes": None, "numpy": None}


def environment():
  """Starts this program again with a Python that has the packages, unless this one has them. False: there is none."""
  try:
    if all(getattr(importlib.import_module(p), "__version__", v) == v or v is None for p, v in PACKAGES.items()):
      return True
  except ImportError:
    pass
  if "SWIFTLET_GENERATED" in os.environ:
    return False
  venv = os.path.join(ROOT, "build", "generated-venv")
  python = os.path.join(venv, "bin", "python")
  if not os.path.exists(os.path.join(venv, "ready")):
    wanted = [f"{p}=={v}" if v else p for p, v in PACKAGES.items()]
    try:
      subprocess.run([sys.executable, "-m", "venv", venv], check=True, stdout=subprocess.DEVNULL)
      subprocess.run([python, "-m", "pip", "install", "-q", "--retries", "1", *wanted], check=True, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
      return False
    open(os.path.join(venv, "ready"), "w").close()
  os.environ["SWIFTLET_GENERATED"] = "1"
  os.execv(python, [python, *sys.argv])
