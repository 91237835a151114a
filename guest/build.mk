# The guest kernel: one ELF, build/guest/ntoskrnl.elf.
kernel:
