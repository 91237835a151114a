# The ntmm command: host/ over vmm/, ept/ and pagefile/.
host:
