# Objects and handles, executive calls, and the pure logic of mm that also builds on the host.
GUEST_OB_SRCS := guest/mm/vadtree.c guest/mm/pfslots.c
