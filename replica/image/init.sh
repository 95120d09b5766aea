#!/bin/busybox sh
# First process of a virtual machine: the golden image (vda, read-only) below the machine's own disk (vdb).
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
for module in $(/bin/busybox cat /modules/order); do /bin/busybox insmod "/modules/$module"; done
if /bin/busybox grep -q tricenter.probe /proc/cmdline; then
  echo "tricenter: booted"
  /bin/busybox reboot -f
fi
while [ ! -b /dev/vda ] || [ ! -b /dev/vdb ]; do /bin/busybox usleep 10000; done
/bin/busybox mount -t ext4 -o ro /dev/vda /lower
/bin/busybox mount -t ext4 -o noatime /dev/vdb /own
/bin/busybox mount -t overlay overlay -o lowerdir=/lower,upperdir=/own/upper,workdir=/own/work /root
init=/sbin/init
for word in $(/bin/busybox cat /proc/cmdline); do
  case $word in tricenter.init=*) init=${word#tricenter.init=} ;; esac
done
/bin/busybox umount /proc
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root "$init"
