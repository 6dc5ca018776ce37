"""Builds the programs of all peers into target/bench. One that cannot be built is missing, and the others go on."""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCHES, STAGE, OUT, CRATES = ROOT / "benches", ROOT / "target/stage", ROOT / "target/bench", ROOT / "target/benches"
# A copy, so that staging meanwhile changes nothing.
LIBRARY = OUT / "libaipool.so"
SERVER = CRATES / "release/server"
VENV = OUT / "venv"
# How each program that does not lie in OUT by its name is started.
ELSEWHERE = {
    "reqwest": [CRATES / "release/aipool-bench-peers"],
    "python": [VENV / "bin/python", "-B", BENCHES / "peers/python/main.py"],
    "node": ["node", OUT / "node/main.js"],
}
C_FLAGS = ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"]
WITH_LIBRARY = [f"-I{OUT}", LIBRARY, f"-Wl,-rpath,{OUT}"]
# Programs in C, and what each is linked with.
IN_C = {
    "aipool": WITH_LIBRARY,
    "queue": WITH_LIBRARY,
    "streams": WITH_LIBRARY,
    "libcurl": ["-lcurl"],
    "multi": ["-lcurl"],
    "multi_streams": ["-lcurl"],
    "raw": [],
    "load": ["-ldl"],
}


class Missing(Exception):
    """What could not be had, and why."""


def build():
    """{program: why it is missing}; without the library or the server there is nothing to measure."""
    take_library()
    try:
        rust()
    except Missing as reason:
        sys.exit(str(reason))
    missing = {}
    ways = {name: lambda name=name: c(name) for name in IN_C} | {"go-peers": go, "python": python, "node": node}
    for name, way in ways.items():
        progress(f"building {name}")
        try:
            way()
        except Missing as reason:
            missing[name] = reason
    return missing


def take_library():
    staged = (STAGE / "lib/libaipool.so", STAGE / "include/aipool.h")
    if not all(path.exists() for path in staged):
        sys.exit(f"{staged[0]} or its header is missing: scripts/stage first")
    OUT.mkdir(parents=True, exist_ok=True)
    for path in staged:
        shutil.copy(path, OUT)
    # By its soname, which is what programs look for: the staged name links to that, and that to the file.
    soname = OUT / os.readlink(staged[0])
    soname.unlink(missing_ok=True)
    soname.symlink_to(LIBRARY.name)


def rust():
    """The server, and reqwest's peer."""
    manifest = BENCHES / "peers/Cargo.toml"
    make("cargo", "build", "--quiet", "--release", "--locked", "--manifest-path", manifest, CARGO_TARGET_DIR=CRATES)


def c(name):
    make("gcc", *C_FLAGS, BENCHES / f"{name}.c", "-o", OUT / name, *IN_C[name])


def go():
    (OUT / "go-peers").unlink(missing_ok=True)
    flags = f"-L{OUT} -Wl,-rpath,{OUT}"
    make("go", "-C", BENCHES / "peers/go", "build", "-o", OUT / "go-peers", ".", CGO_LDFLAGS=flags, PKG_CONFIG_PATH=str(ROOT / "target/stage/lib/pkgconfig"))


def python():
    wanted = BENCHES / "peers/python/requirements.txt"
    if installed(wanted, VENV):
        return
    make(sys.executable, "-m", "venv", "--clear", VENV)
    make(VENV / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--requirement", wanted)
    shutil.copy(wanted, VENV)


def node():
    sources, place = BENCHES / "peers/node", OUT / "node"
    place.mkdir(exist_ok=True)
    for path in sources.glob("*.js"):
        shutil.copy(path, place)
    if installed(sources / "package-lock.json", place):
        return
    shutil.copy(sources / "package.json", place)
    shutil.copy(sources / "package-lock.json", place)
    try:
        make("npm", "ci", "--silent", "--no-audit", "--no-fund", "--prefix", place)
    except Missing:
        (place / "package-lock.json").unlink()
        raise


def installed(lock, place):
    """Whether what this lock file says is there already."""
    copy = place / lock.name
    return copy.exists() and copy.read_bytes() == lock.read_bytes()


def make(*command, **environment):
    command = list(map(str, command))
    try:
        done = subprocess.run(command, env={**os.environ, **environment}, stdout=sys.stderr)
    except OSError as error:
        raise Missing(f"cannot build: {error}") from error
    if done.returncode != 0:
        raise Missing(f"cannot build: {' '.join(command)}")


def progress(what):
    if sys.stderr.isatty():
        print(f"\r\033[K{what}", end="\r", file=sys.stderr, flush=True)
