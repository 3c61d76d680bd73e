# QEMU has its own here.
