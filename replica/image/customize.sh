#!/bin/sh
# Last step of mmdebstrap: trim the golden image to what a machine of the replica needs.
# usage: customize.sh ROOT  (environment: WHEELS, folder of the agents' dependencies; REQUIREMENTS, their list;
# KERNEL, package of the kernel for virtual machines or empty)
set -eu
root=$1

# Nothing runs because it is installed: a role enables what it needs.
mkdir -p "$root/etc/systemd/system-preset"
cat > "$root/etc/systemd/system-preset/00-tricenter.preset" <<EOF
enable ssh.service
enable systemd-networkd.service
enable systemd-journald.service
disable *
EOF
systemctl --quiet --root="$root" preset-all
systemctl --quiet --root="$root" set-default multi-user.target

# What slows the boot, waits for hardware or would change the host's kernel.
for unit in systemd-firstboot.service systemd-networkd-wait-online.service systemd-logind.service \
    systemd-journal-catalog-update.service systemd-update-done.service systemd-machine-id-commit.service \
    systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-hwdb-update.service ldconfig.service \
    systemd-binfmt.service systemd-boot-random-seed.service systemd-random-seed.service \
    systemd-network-generator.service systemd-networkd-persistent-storage.service systemd-pstore.service \
    systemd-timesyncd.service systemd-userdbd.socket systemd-resolved.service sshd-keygen.service ssh.socket \
    getty.target getty@.service serial-getty@.service console-getty.service container-getty@.service \
    dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
    sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount systemd-ask-password-wall.path \
    systemd-ask-password-console.path apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer fstrim.timer systemd-tmpfiles-clean.timer e2scrub_reap.service; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

# One key opens every machine; without PAM a login starts no session.
mkdir -p "$root/etc/ssh/sshd_config.d"
cat > "$root/etc/ssh/sshd_config.d/10-tricenter.conf" <<EOF
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
UseDNS no
MaxStartups 100
MaxSessions 100
EOF
chroot "$root" usermod -p '*' root
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/machine-id" "$root/var/lib/dbus/machine-id" "$root/etc/hostname" \
  "$root/etc/resolv.conf"

mkdir -p "$root/etc/systemd/journald.conf.d"
cat > "$root/etc/systemd/journald.conf.d/10-tricenter.conf" <<EOF
[Journal]
Storage=persistent
SystemMaxUse=64M
EOF

# The agents' dependencies. The wheels were fetched for this Python by the host.
mkdir -p "$root/tmp/wheels"
cp "$WHEELS"/*.whl "$root/tmp/wheels/"
cp "$REQUIREMENTS" "$root/tmp/requirements.txt"
chroot "$root" python3 -m venv /opt/tricenter/venv
chroot "$root" env -i PATH=/usr/bin:/bin /opt/tricenter/venv/bin/pip install --quiet --no-index \
  --find-links /tmp/wheels --requirement /tmp/requirements.txt

# The kernel is unpacked, not installed: its scripts would build an initial RAM disk that nobody boots.
if [ -n "$KERNEL" ]; then
  (
    export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
    package=$(apt-cache depends "$KERNEL" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
    cd "$root/tmp"
    apt-get download -qq "${package:-$KERNEL}"
    dpkg-deb --extract linux-image-*.deb "$root/tmp/kernel"
  )
  # Copied, not extracted over the root: the archive's lib/ would replace the link to usr/lib.
  mkdir -p "$root/usr/lib/modules"
  cp -a "$root"/tmp/kernel/*/modules/. "$root/usr/lib/modules/" 2>/dev/null || \
    cp -a "$root"/tmp/kernel/usr/lib/modules/. "$root/usr/lib/modules/"
  cp -a "$root"/tmp/kernel/boot/. "$root/boot/"
  chroot "$root" depmod "$(basename "$root"/boot/vmlinuz-* | sed 's/^vmlinuz-//')"
fi
rm -rf "$root"/tmp/* "$root"/var/cache/apt/*.bin "$root"/var/lib/apt/lists/* "$root"/root/.cache
