"""Make the host's machines match the site: find what is missing or broken, replace that and nothing else.

A machine is right when its process runs, in the namespace of its name, on what `spec.json` says it was made of. A dead
one starts again on its own disk, as after a power cut; one made of something else is made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from . import cgroups, container, files, keys, network, overlay, plan, process, vm, warm, wiring
from .files import File
from .greeting import Greetings
from .image import Image
from .plan import Machine, Site
from .probe import Features
from .state import MachineFolder, State, read_json, write_json

LINKS = "links"
"""The virtual machine that adds delay to cables; it is no machine of the site."""
LINKS_INIT = "usr/local/sbin/tricenter-links"
READY = b"tricenter: links are ready"
LINKS_MEMORY_MB = 128
READY_WITHIN = {False: 180.0, True: 600.0}
"""Seconds within which a machine answers, by whether it is virtual. Emulated ones that boot from their own disks after
a power cut, while the whole site starts beside them, took 190."""

SILENT_SECONDS = 60.0
"""Seconds of silence after which a machine that runs is started again. On a busy host an emulated one is slow to greet;
an interrupted `up` may have left one that still boots."""


class MachineError(Exception):
    """A machine does not come up; the text names it and where its console is."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a machine is made of."""

    name: str
    virtual: bool
    files: Mapping[str, File]
    macs: tuple[str, ...]
    image: str
    management: str | None
    volumes: tuple[str, ...] = ()
    """Folders that are not on the overlay."""

    @property
    def digest(self) -> str:
        """Changes when the machine has to be made anew."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Result:
    """What a run did."""

    changes: tuple[str, ...]


class Machines:
    """The machines of a site on this host."""

    def __init__(self, state: State, site: Site, image: Image, features: Features) -> None:
        """Derive what every machine is to be made of."""
        self.state = state
        self.site = site
        self.image = image
        self.features = features
        virtual = [machine.name for machine in site.machines if features.is_virtual(machine)]
        self.wiring = wiring.wire(site, virtual, has_netem=features.netem)
        self.specs = self._specs()

    def converge(self, report: Callable[[str], None], *, check: bool = False) -> Result:
        """Bring up what is not up; return what was (in check mode: would be) done."""
        self.state.machines.mkdir(parents=True, exist_ok=True)
        broken = self._broken()
        strangers = [name for name in self.state.existing() if name not in self.specs]
        changes = [f"{name}: {reason}" for name, reason in broken.items()]
        changes += [f"{name}: not in the inventory any more" for name in strangers]
        if check:
            return Result((*changes, *network.Network(self.wiring).apply(check=True)))
        if keys.write_client_files(self.state, self.site):
            changes.append("ssh_config and known_hosts")
        for line in changes:
            report(line)
        stop(self.state, [*broken, *strangers])
        for name in strangers:
            shutil.rmtree(self.state.machine(name).path)
        changes += network.Network(self.wiring).apply()
        for name in sorted(broken, key=lambda name: not self.specs[name].virtual):
            self._start(self.specs[name])
        self._wait([self.specs[name] for name in broken], report)
        return Result(tuple(changes))

    def _specs(self) -> dict[str, Spec]:
        authorized = keys.public(self.state.ssh_key)
        v1 = cgroups.is_v1()
        specs = {}
        for machine in self.site.machines:
            virtual = self.features.is_virtual(machine)
            host_key, _ = keys.host_key(self.state, machine.name)
            content = files.machine_files(
                machine, virtual=virtual, cgroup_v1=v1, authorized_key=authorized, host_key=host_key
            )
            specs[machine.name] = self._spec(machine, virtual=virtual, content=content)
        if wiring.LINKS_NAMESPACE in self.wiring.namespaces:
            specs[LINKS] = self._links_spec()
        return specs

    def _spec(self, machine: Machine, *, virtual: bool, content: Mapping[str, File]) -> Spec:
        return Spec(
            name=machine.name,
            virtual=virtual,
            files=content,
            macs=tuple(interface.mac for interface in machine.interfaces),
            image=self.image.key,
            management=machine.management,
            volumes=() if virtual else tuple(container.VOLUMES.values()),
        )

    def _links_spec(self) -> Spec:
        cables = wiring.delayed(self.site)
        macs = [plan.mac(LINKS, f"port{index}") for index in range(2 * len(cables))]
        delays = {(macs[2 * index], macs[2 * index + 1]): cable.rtt_ms / 2 for index, cable in enumerate(cables)}
        content = {LINKS_INIT: File(files.links_init(delays), 0o755)}
        return Spec(name=LINKS, virtual=True, files=content, macs=tuple(macs), image=self.image.key, management=None)

    def _broken(self) -> dict[str, str]:
        children = process.children()
        found = {}
        for name, spec in self.specs.items():
            reason = self._wrong(spec, children)
            if reason:
                found[name] = reason
        running = [spec for name, spec in self.specs.items() if name not in found]
        return found | {spec.name: "does not answer" for spec in self._silent(running)}

    def _silent(self, specs: list[Spec]) -> list[Spec]:
        """Return those that run and stay silent: QEMU stops a machine for good when the host's disk is full."""
        until = time.monotonic() + SILENT_SECONDS
        with Greetings() as greetings:
            silent = [spec for spec in specs if not self._answers(spec, greetings)]
            while silent and time.monotonic() < until:
                time.sleep(0.1)
                silent = [spec for spec in silent if not self._answers(spec, greetings)]
        return silent

    def _wrong(self, spec: Spec, children: dict[int, list[int]]) -> str | None:
        folder = self.state.machine(spec.name)
        made_of = read_json(folder.spec)
        if made_of is None:
            return "new"
        if made_of != {"digest": spec.digest}:
            return "made of something else"
        running = process.load(folder.process)
        if running is None:
            return "not running"
        pid = running.pid if spec.virtual else container.leader(running, children)
        if not spec.virtual and not os.path.ismount(folder.root):
            return "its root is not mounted"
        if pid is None or not _same_namespace(pid, wiring.namespace(spec.name)):
            return "not in its network namespace"
        return None

    def _start(self, spec: Spec) -> None:
        folder = self.state.machine(spec.name)
        fresh = read_json(folder.spec) != {"digest": spec.digest}
        if fresh:
            if folder.path.exists():
                shutil.rmtree(folder.path)
            folder.path.mkdir(parents=True)
        folder.console.unlink(missing_ok=True)
        if spec.virtual:
            self._start_virtual(folder, spec, fresh=fresh)
            return
        if fresh:
            overlay.write(folder.upper, spec.files, self.image.rootfs)
        container.start(folder, spec.name, self.image)

    def _start_virtual(self, folder: MachineFolder, spec: Spec, *, fresh: bool) -> None:
        namespace = wiring.namespace(spec.name)
        accelerator = vm.accelerator(self.state, self.image)
        serial = ["-serial", f"file:{folder.console}"]
        if fresh and accelerator == "tcg" and spec.name != LINKS and warm.fits(self.site.machine(spec.name)):
            kept = warm.get(self.image)
            warm.copy_disk(kept, folder.disk)
            disk = warm.identity(self.site.machine(spec.name), spec.files)
            (folder.path / warm.IDENTITY_DISK).write_bytes(disk)
            line = warm.command(self.image, folder.disk, folder.path, namespace, spec.macs)
            vm.start(folder, spec.name, [*line, *serial, *warm.start_options(folder.path, kept)])
            return
        if fresh:
            vm.make_disk(folder.disk, spec.files, self.image)
        line = vm.command(
            self.image,
            folder.disk,
            namespace=namespace,
            macs=spec.macs,
            memory_mb=LINKS_MEMORY_MB if spec.name == LINKS else vm.MEMORY_MB,
            accelerator=accelerator,
            words=f"tricenter.init=/{LINKS_INIT}" if spec.name == LINKS else "",
        )
        vm.start(folder, spec.name, [*line, *serial])

    def _wait(self, started: list[Spec], report: Callable[[str], None]) -> None:
        """Wait until those started answer; only then is a new one finished, else the next run makes it anew."""
        waiting = {spec.name: spec for spec in started}
        began = time.monotonic()
        with Greetings() as greetings:
            while waiting:
                self._complain_of_late_and_dead(waiting, time.monotonic() - began)
                time.sleep(0.2)
                up = [name for name, spec in waiting.items() if self._answers(spec, greetings)]
                for name in up:
                    self._finished(waiting.pop(name))
                if up:
                    report(f"{', '.join(up)} up; {len(waiting)} to come")

    def _complain_of_late_and_dead(self, waiting: Mapping[str, Spec], seconds: float) -> None:
        late = [name for name, spec in waiting.items() if seconds > READY_WITHIN[spec.virtual]]
        if late:
            raise MachineError(self._complaint(late, f"does not answer after {seconds:.0f} s"))
        dead = [name for name in waiting if process.load(self.state.machine(name).process) is None]
        if dead:
            raise MachineError(self._complaint(dead, "ended while it booted"))

    def _finished(self, spec: Spec) -> None:
        write_json(self.state.machine(spec.name).spec, {"digest": spec.digest})

    def _answers(self, spec: Spec, greetings: Greetings) -> bool:
        if spec.management is None:
            console = self.state.machine(spec.name).console
            return console.exists() and READY in console.read_bytes()
        return greetings.heard(spec.management)

    def _complaint(self, names: list[str], what: str) -> str:
        lines = []
        for name in names:
            console = self.state.machine(name).console
            tail = console.read_text(errors="replace").splitlines()[-5:] if console.exists() else []
            lines.append("\n  ".join([f"{name} {what}; its console is {console}", *tail]))
        return "\n".join(lines)


def keep_warm(state: State, site: Site, image: Image, features: Features) -> bool:
    """Keep a booted machine with the image if emulated ones will start from it; return whether it was missing."""
    emulated = vm.accelerator(state, image) == "tcg" if image.kernel.exists() else False
    wanted = emulated and any(features.is_virtual(machine) and warm.fits(machine) for machine in site.machines)
    missing = wanted and not warm.kept(image).path.is_dir()
    if missing:
        warm.get(image)
    return missing


def stop(state: State, names: list[str]) -> None:
    """Stop machines as a power cut does, and remove what on the host was theirs."""
    running = [process.load(state.machine(name).process) for name in names]
    process.kill([one for one in running if one])
    for name in names:
        cgroups.remove(name)
        overlay.unmount(state.machine(name))
        container.remove_host_traces(name)
        network.delete(wiring.namespace(name))


def _same_namespace(pid: int, name: str) -> bool:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino == (network.NAMESPACES / name).stat().st_ino
    except FileNotFoundError:
        return False
