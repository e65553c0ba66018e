"""A small disk of a test's own, to be filled."""

import errno
import os
import pathlib
import shutil
import subprocess
import tempfile

MIB = 1 << 20
SHARED = pathlib.Path("/dev/shm")


class SmallDisk:
    """A tmpfs; where mounting is forbidden, a container's own /dev/shm, which is small as well."""

    def __init__(self, folder, mib=24):
        self.mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0700", "none", folder], capture_output=True, check=False).returncode == 0
        if self.mounted:
            self.path = folder
        else:
            assert shutil.disk_usage(SHARED).total <= 256 * MIB, "this test needs a small disk: let it mount a tmpfs (CAP_SYS_ADMIN)"
            self.path = pathlib.Path(tempfile.mkdtemp(prefix="jobgate-test-", dir=SHARED))
        self.filler = self.path / "filler"

    @property
    def free(self):
        found = os.statvfs(self.path)
        return found.f_bfree * found.f_frsize

    def fill(self):
        """Write until nothing more goes on it; whatever room there is after that is used up by the next call."""
        with open(self.filler, "ab", buffering=0) as file:
            for size in (MIB, 4096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as error:
                    assert error.errno == errno.ENOSPC, error

    def empty(self):
        self.filler.unlink()

    def remove(self):
        if self.mounted:
            subprocess.run(["umount", "-l", self.path], check=True)
        else:
            shutil.rmtree(self.path)
