/* Private to io: what IoInitSystem starts, and what the file system asks of the devices. */
#ifndef NTMM_IO_DEVICE_H
#define NTMM_IO_DEVICE_H

#include "guest/io/io.h"
#include "guest/io/virtio.h"

/* Each takes a virtio device of its type; false when it is of no use (a line was printed). */
bool pagedisk_attach(const struct pci_function *pci);
void pagedisk_number(void); /* after all are attached */
bool console_attach(const struct pci_function *pci);
bool p9_attach_device(const struct pci_function *pci);

/* Waits until the console's ports are there, at most a second or two. */
void console_settle(void);

/* ---- console, for file.c ---- */
/* Reads at least one byte into user memory; 0 bytes and STATUS_END_OF_FILE when the host has closed
 * its end. The wait ends early for a dying or alerted thread. */
NTSTATUS console_read_user(void *user, u32 bytes, u32 *done);
u32 console_available(void); /* bytes that can be read at once */
bool console_at_end(void);   /* closed by the host and nothing left */
NTSTATUS console_write_user(u32 port, const void *user, u32 bytes, u32 *done);

#endif
