"""The first file system of the guest: busybox, the modules that reach the host's files, and init.sh."""

import lzma
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.numa.packages import Unpacked

INIT = Path(__file__).with_name("init.sh")
# In the order in which they are loaded. A kernel may have some of them built in. The last one reads frequencies.py.
MODULES = (
    "virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
    "netfs", "fscache", "9pnet", "9pnet_virtio", "9p", "overlay", "acpi-cpufreq",
)  # fmt: skip
FOLDERS = ("modules", "proc", "sys", "dev", "lower", "upper", "new")


def write_initramfs(packages: Unpacked, path: Path) -> None:
    """Write the initramfs to `path`. Raises FileNotFoundError for a module that the kernel does not have."""
    with TemporaryDirectory(prefix="initramfs-") as name:
        root = Path(name)
        for folder in FOLDERS:
            (root / folder).mkdir()
        (root / "busybox").write_bytes(packages.busybox.read_bytes())
        (root / "init").write_bytes(INIT.read_bytes())
        for program in ("busybox", "init"):
            (root / program).chmod(0o755)
        order = [_add_module(packages, module, root / "modules") for module in MODULES]
        (root / "order").write_text("\n".join(filter(None, order)) + "\n")
        listed = "\n".join(str(file.relative_to(root)) for file in sorted(root.rglob("*")))
        command = [str(packages.busybox), "cpio", "-o", "-H", "newc"]
        archive = subprocess.run(command, cwd=root, input=listed.encode(), capture_output=True, check=True)
        path.write_bytes(archive.stdout)


def _add_module(packages: Unpacked, module: str, folder: Path) -> str:
    """Copy a module, and return its file's name; "" for one that is built in."""
    files = list(packages.modules.rglob(f"{module}.ko*"))
    if not files:
        if f"/{module}.ko" in (packages.modules / "modules.builtin").read_text():
            return ""
        raise FileNotFoundError(f"the kernel in {packages.root} has no module {module}")
    content = files[0].read_bytes()
    (folder / f"{module}.ko").write_bytes(lzma.decompress(content) if files[0].suffix == ".xz" else content)
    return f"{module}.ko"
