/* Starts all devices: one scan of PCI, each virtio function to the driver of its type. */
#include "guest/io/bounce.h"
#include "guest/io/device.h"
#include "guest/io/fs.h"

static bool (*const drivers[])(const struct pci_function *) = {
    [VIRTIO_BLOCK] = pagedisk_attach,
    [VIRTIO_CONSOLE] = console_attach,
    [VIRTIO_9P] = p9_attach_device,
};

void IoInitSystem(void)
{
	u32 n = pci_scan();

	fs_init();
	bounce_init();
	for (u32 i = 0; i < n; i++) {
		const struct pci_function *f = pci_get(i);
		u32 type = (u32)f->device_id - VIRTIO_MODERN_BASE;

		if (f->vendor_id == VIRTIO_VENDOR && type < ARRAY_SIZE(drivers) && drivers[type])
			drivers[type](f);
	}
	pagedisk_number();
	console_settle();
	if (!fs_drive('C'))
		KeBugCheckEx(INACCESSIBLE_BOOT_DEVICE, n, 0, 0, 0,
			     "no 9P device with mount tag \"c\"");
}
