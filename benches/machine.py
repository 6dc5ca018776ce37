"""The machine, what else ran on it, and the versions of everything that took part."""

import ctypes
import os
import pathlib
import re
import statistics
import subprocess

from build import BENCHES, LIBRARY, OUT, ROOT, VENV, Missing

# Of libaipool's own and of the peer's lock file.
CRATES_NAMED = ("reqwest", "hyper", "hyper-util", "tokio", "rustls")


class Noise:
    """What other processes used of the machine since this was made."""

    def __init__(self):
        self.before = self.used()

    def share(self):
        busy, own, total = (after - before for after, before in zip(self.used(), self.before))
        return max(0, busy - own) / total

    @staticmethod
    def used():
        """Seconds: busy, of this process and its children, and of all cores together."""
        ticks = [int(field) for field in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        user, nice, system, _, _, _, _, steal = ticks
        second = os.sysconf("SC_CLK_TCK")
        return (user + nice + system + steal) / second, sum(os.times()[:4]), sum(ticks) / second


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    kernel = os.uname()
    return f"{cpu[1] if cpu else kernel.machine}, {os.cpu_count()} cores, {kernel.sysname} {kernel.release}"


# Each version, and how it is asked for.
VERSIONS = {
    "aipool": lambda: c_text(LIBRARY, "aip_version"),
    "aipool over": lambda: locked(ROOT / "Cargo.lock"),
    "libcurl": lambda: c_text("libcurl.so.4", "curl_version"),
    "peers in Rust": lambda: locked(BENCHES / "peers/Cargo.lock"),
    "go": lambda: first_line("go", "env", "GOVERSION").removeprefix("go"),
    "python": lambda: in_venv("import platform; print(platform.python_version())"),
    "aiohttp": lambda: in_venv("import aiohttp; print(aiohttp.__version__)"),
    "curl_cffi": lambda: in_venv("import curl_cffi as c; print(c.__version__, 'with', c.__curl_version__.split()[0])"),
    "node": lambda: first_line("node", "--version").removeprefix("v"),
    "undici": lambda: first_line("node", "-p", f"require('{OUT}/node/node_modules/undici/package.json').version"),
    "rustc": lambda: first_line("rustc", "--version").removeprefix("rustc "),
    **{tool: lambda tool=tool: first_line(tool, "--version") for tool in ("gcc", "valgrind", "strace")},
}


def versions(missing):
    """{name: version}; what has none is added to the missing."""
    found = {}
    for name, ask in VERSIONS.items():
        try:
            found[name] = ask()
        except (Missing, OSError, AttributeError) as reason:
            missing.append(f"version of {name}: {reason}")
    return found


def library_facts(loads):
    """Size, and how long it takes to load."""
    stripped = OUT / "libaipool.stripped.so"
    first_line("strip", "-o", stripped, LIBRARY)
    sizes = [path.stat().st_size / 1e6 for path in (LIBRARY, stripped)]
    times = [float(first_line(OUT / "load", LIBRARY).removeprefix("load_us=")) for _ in range(loads)]
    return [
        f"libaipool.so: {sizes[0]:.2f} MB, stripped {sizes[1]:.2f} MB;"
        f" dlopen {statistics.median(times):.0f} us (median of {loads} processes)"
    ]


def c_text(library, function):
    call = getattr(ctypes.CDLL(str(library)), function)
    call.restype = ctypes.c_char_p
    return call().decode()


def locked(lock):
    found = dict(re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"', lock.read_text()))
    return ", ".join(f"{name} {found[name]}" for name in CRATES_NAMED)


def in_venv(code):
    return first_line(VENV / "bin/python", "-c", code)


def first_line(*command):
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    except OSError as error:
        raise Missing(error) from error
    if done.returncode != 0:
        raise Missing((done.stderr.strip() or f"exit {done.returncode}").splitlines()[-1])
    return done.stdout.partition("\n")[0].strip()
