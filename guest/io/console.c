/*
 * The console: virtio-console with MULTIPORT (virtio 1.2, section 5.3).
 *
 * Port 0 is stdin and stdout, port 1 stderr. A host that cannot close its input without closing its
 * output as well (QEMU's sockets) adds a port 2, which then is stdin. Queues: 0/1 receive/transmit
 * of port 0, 2/3 control, 4/5 of port 1, 6/7 of port 2. The handshake: we say DEVICE_READY, the
 * host adds its ports, we say PORT_READY and PORT_OPEN for each.
 *
 * Input stays in the receive buffers until somebody reads it, so a slow reader holds the host back.
 * The host ends its input with PORT_OPEN 0; that is the end of file once the buffers are empty.
 * Output is copied to one contiguous buffer a port and sent; the writer waits until the host has
 * taken it.
 *
 * Locks: console.lock (spin) covers all queues and the state of the ports. port.tx_lock (mutex)
 * covers the transmit buffer, console.rx_lock (mutex) serializes readers while they copy.
 */
#include "guest/io/device.h"
#include "guest/ob/ob.h"
#include "guest/abi/runblock.h"

#define CONSOLE_F_MULTIPORT (1ull << 1)
#define CONFIG_MAX_PORTS    4

enum control_event {
	DEVICE_READY = 0,
	DEVICE_ADD = 1,
	DEVICE_REMOVE = 2,
	PORT_READY = 3,
	CONSOLE_PORT = 4,
	PORT_RESIZE = 5,
	PORT_OPEN = 6,
	PORT_NAME = 7,
};
struct control {
	u32 port;
	u16 event, value;
};
_Static_assert(sizeof(struct control) == 8, "virtio 1.2, 5.3.6.2");

#define PORTS		2 /* that there have to be */
#define PORT_INPUT	2 /* that there may be */
#define MOST_PORTS	3
#define QUEUE_SIZE	16
#define RX_BUFFERS	4
#define RX_BYTES	PAGE_SIZE
#define TX_BYTES	0x4000u
#define CONTROL_BUFFERS 16
#define CONTROL_BYTES	128 /* longer names of ports are cut */
#define SETTLE_TIMEOUT	(-2 * 10000000ll)

struct rx_buffer {
	u8 *data;
	u32 bytes, consumed;
};

struct port {
	struct virtqueue rx, tx;
	struct mutex tx_lock;
	KEVENT tx_done; /* the transmit buffer is ours */
	u8 *tx_buffer;
};

static struct console {
	struct virtio_device dev;
	struct spinlock lock;
	bool present;
	struct virtqueue control_rx, control_tx;
	u8 *control_in;
	struct control *control_out; /* QUEUE_SIZE of them */
	bool control_out_busy[QUEUE_SIZE];
	struct port port[PORTS];
	struct virtqueue input_rx;		    /* of port 2, where there is one */
	bool added[MOST_PORTS], closed[MOST_PORTS]; /* by the host */
	KEVENT settled;				    /* all ports are there */

	struct mutex rx_lock;
	u32 input_port; /* from settling on */
	struct virtqueue *input;
	struct rx_buffer rx[RX_BUFFERS];
	struct rx_buffer *full[RX_BUFFERS]; /* a ring: filled buffers in order of arrival */
	u32 full_head, full_count;
	KEVENT readable; /* data or end of file */
} console;

/* ---- queues: all => console.lock ---- */

static void send_control(u32 port, enum control_event event, u16 value)
{
	for (u32 i = 0; i < QUEUE_SIZE; i++) {
		struct control *m = &console.control_out[i];
		struct vq_seg seg = {MmGetPhysicalAddress(m), sizeof *m};

		if (console.control_out_busy[i])
			continue;
		*m = (struct control){port, (u16)event, value};
		if (vq_add(&console.control_tx, &seg, 1, 0, m))
			console.control_out_busy[i] = true;
		return;
	}
}

static void offer_rx(struct rx_buffer *b)
{
	struct vq_seg seg = {MmGetPhysicalAddress(b->data), RX_BYTES};

	b->bytes = b->consumed = 0;
	vq_add(console.input, &seg, 0, 1, b);
}

static void offer_control(u8 *buffer)
{
	struct vq_seg seg = {MmGetPhysicalAddress(buffer), CONTROL_BYTES};

	vq_add(&console.control_rx, &seg, 0, 1, buffer);
}

static void on_control(const struct control *m)
{
	if (m->port >= MOST_PORTS)
		return;
	if (m->event == DEVICE_ADD) {
		if (console.added[m->port])
			return;
		console.added[m->port] = true;
		send_control(m->port, PORT_READY, 1);
		send_control(m->port, PORT_OPEN, 1);
		return;
	}
	if (m->event == PORT_OPEN)
		console.closed[m->port] = m->value == 0;
	/* Answers to PORT_READY come after all DEVICE_ADDs. */
	if (console.added[NTMM_CONSOLE_STDIO] && console.added[NTMM_CONSOLE_STDERR])
		KeSetEvent(&console.settled);
}

static void drain_control(void)
{
	void *p;
	u32 bytes;

	while ((p = vq_pop(&console.control_tx, &bytes)))
		console.control_out_busy[(struct control *)p - console.control_out] = false;
	while ((p = vq_pop(&console.control_rx, &bytes))) {
		struct control m;

		if (bytes >= sizeof m) {
			memcpy(&m, p, sizeof m);
			on_control(&m);
		}
		offer_control(p);
	}
}

static void drain_ports(void)
{
	struct rx_buffer *b;
	u32 bytes;

	while ((b = vq_pop(console.input, &bytes))) {
		b->bytes = bytes;
		if (!bytes) {
			offer_rx(b);
			continue;
		}
		console.full[(console.full_head + console.full_count++) % RX_BUFFERS] = b;
	}
	for (u32 i = 0; i < PORTS; i++) {
		struct port *p = &console.port[i];

		if (vq_pop(&p->tx, &bytes) || console.dev.broken)
			KeSetEvent(&p->tx_done);
	}
}

/* Control first: what was sent before PORT_OPEN 0 is then in the receive queue already. */
static void drain(void)
{
	bool quiet;

	do {
		drain_control();
		drain_ports();
		quiet = vq_rearm(&console.control_rx);
		quiet &= vq_rearm(&console.control_tx);
		for (u32 i = 0; i < PORTS; i++)
			quiet &= vq_rearm(&console.port[i].tx);
		quiet &= vq_rearm(console.input);
	} while (!quiet);
	vq_kick(&console.control_rx);
	vq_kick(&console.control_tx);
	vq_kick(console.input);
	if (console.dev.broken)
		console.closed[console.input_port] = true;
	if (console.full_count || console.closed[console.input_port])
		KeSetEvent(&console.readable);
}

static void console_dpc(void *context)
{
	(void)context;
	spin_lock(&console.lock);
	drain();
	spin_unlock(&console.lock);
}

/* ---- start ---- */

static bool start_ports(void)
{
	u8 *rx = MmAllocateContiguous(RX_BUFFERS * RX_BYTES);
	static const u16 first_queue[PORTS] = {0, 4};

	if (!rx)
		return false;
	for (u32 i = 0; i < PORTS; i++) {
		struct port *p = &console.port[i];

		mutex_init(&p->tx_lock);
		KeInitializeEvent(&p->tx_done, DO_EVENT_NOTIFICATION, true);
		p->tx_buffer = MmAllocateContiguous(TX_BYTES);
		if (!p->tx_buffer ||
		    !virtio_queue_setup(&console.dev, &p->rx, first_queue[i], QUEUE_SIZE) ||
		    !virtio_queue_setup(&console.dev, &p->tx, first_queue[i] + 1, QUEUE_SIZE))
			return false;
	}
	for (u32 i = 0; i < RX_BUFFERS; i++)
		console.rx[i].data = rx + i * RX_BYTES;
	console.input = &console.port[NTMM_CONSOLE_STDIO].rx;
	return virtio_config32(&console.dev, CONFIG_MAX_PORTS) <= PORT_INPUT ||
	       virtio_queue_setup(&console.dev, &console.input_rx, 6, QUEUE_SIZE);
}

static bool start_control(void)
{
	console.control_in = MmAllocateContiguous(CONTROL_BUFFERS * CONTROL_BYTES);
	console.control_out = MmAllocateContiguous(QUEUE_SIZE * sizeof(struct control));
	return console.control_in && console.control_out &&
	       virtio_queue_setup(&console.dev, &console.control_rx, 2, QUEUE_SIZE) &&
	       virtio_queue_setup(&console.dev, &console.control_tx, 3, QUEUE_SIZE);
}

bool console_attach(const struct pci_function *pci)
{
	KIRQL irql;

	if (console.present)
		return false;
	KeInitializeEvent(&console.settled, DO_EVENT_NOTIFICATION, false);
	KeInitializeEvent(&console.readable, DO_EVENT_NOTIFICATION, false);
	mutex_init(&console.rx_lock);
	if (!virtio_open(&console.dev, pci) ||
	    !virtio_negotiate(&console.dev, CONSOLE_F_MULTIPORT | VIRTIO_F_EVENT_IDX) ||
	    !(console.dev.features & CONSOLE_F_MULTIPORT) ||
	    virtio_config32(&console.dev, CONFIG_MAX_PORTS) < PORTS ||
	    !virtio_connect(&console.dev, console_dpc, NULL) || !start_ports() ||
	    !start_control()) {
		dbg_print("io: the console device cannot be used\n");
		return false;
	}
	virtio_start(&console.dev);
	irql = KeAcquireSpinLock(&console.lock);
	for (u32 i = 0; i < CONTROL_BUFFERS; i++)
		offer_control(console.control_in + i * CONTROL_BYTES);
	send_control(0, DEVICE_READY, 1);
	drain();
	KeReleaseSpinLock(&console.lock, irql);
	console.present = true;
	return true;
}

void console_settle(void)
{
	s64 timeout = SETTLE_TIMEOUT;
	KIRQL irql;

	if (!console.present)
		return;
	if (KeWaitForSingleObject(&console.settled, KERNEL_MODE, false, &timeout) == STATUS_TIMEOUT)
		dbg_print("io: the console lacks a port\n");
	irql = KeAcquireSpinLock(&console.lock);
	if (console.added[PORT_INPUT]) {
		console.input_port = PORT_INPUT;
		console.input = &console.input_rx;
	}
	for (u32 i = 0; i < RX_BUFFERS; i++)
		offer_rx(&console.rx[i]);
	drain();
	KeReleaseSpinLock(&console.lock, irql);
}

/* ---- output ---- */

/* Waits until the transmit buffer is ours. => tx_lock */
static NTSTATUS wait_tx(struct port *p, enum wait_mode mode)
{
	NTSTATUS s = KeWaitForSingleObject(&p->tx_done, mode, false, NULL);

	return console.dev.broken ? STATUS_IO_DEVICE_ERROR : s;
}

/* Sends what lies in the transmit buffer. => tx_lock, the buffer is ours */
static void send(struct port *p, u32 bytes)
{
	struct vq_seg seg = {MmGetPhysicalAddress(p->tx_buffer), bytes};
	KIRQL irql = KeAcquireSpinLock(&console.lock);

	if (vq_add(&p->tx, &seg, 1, 0, p)) {
		KeResetEvent(&p->tx_done);
		vq_kick(&p->tx);
		drain(); /* many hosts are done by now */
	}
	KeReleaseSpinLock(&console.lock, irql);
}

/* One of the two sources is NULL. */
static NTSTATUS write_port(u32 index, const void *kernel, const void *user, u32 bytes, u32 *done)
{
	struct port *p = &console.port[index];
	enum wait_mode mode = user ? USER_MODE : KERNEL_MODE;
	NTSTATUS s = STATUS_SUCCESS;

	*done = 0;
	if (!console.present || !console.added[index])
		return STATUS_NO_SUCH_DEVICE;
	mutex_lock(&p->tx_lock);
	while (bytes && s == STATUS_SUCCESS) {
		u32 part = MIN(bytes, TX_BYTES);

		s = wait_tx(p, mode);
		if (s != STATUS_SUCCESS)
			break;
		if (user)
			s = copy_from_user(p->tx_buffer, (const u8 *)user + *done, part);
		else
			memcpy(p->tx_buffer, (const u8 *)kernel + *done, part);
		if (s != STATUS_SUCCESS)
			break;
		send(p, part);
		s = wait_tx(p, mode);
		*done += part;
		bytes -= part;
	}
	mutex_unlock(&p->tx_lock);
	return s;
}

NTSTATUS IoConsoleWrite(u32 port, const void *kernel_buffer, u32 bytes)
{
	u32 done;
	NTSTATUS s;

	if (port >= PORTS)
		return STATUS_INVALID_PARAMETER;
	s = write_port(port, kernel_buffer, NULL, bytes, &done);
	if (s == STATUS_NO_SUCH_DEVICE) /* early, or no console: the serial port */
		dbg_print("%.*s", (int)bytes, (const char *)kernel_buffer);
	return s;
}

NTSTATUS console_write_user(u32 port, const void *user, u32 bytes, u32 *done)
{
	return write_port(port, NULL, user, bytes, done);
}

void IoConsoleDrain(void)
{
	for (u32 i = 0; console.present && i < PORTS; i++) {
		mutex_lock(&console.port[i].tx_lock);
		wait_tx(&console.port[i], KERNEL_MODE);
		mutex_unlock(&console.port[i].tx_lock);
	}
}

/* ---- input ---- */

/* The oldest filled buffer, or NULL. Resets `readable` when there is nothing. */
static struct rx_buffer *front(bool *end)
{
	KIRQL irql = KeAcquireSpinLock(&console.lock);
	struct rx_buffer *b = console.full_count ? console.full[console.full_head] : NULL;

	*end = !b && console.closed[console.input_port];
	if (!b && !*end)
		KeResetEvent(&console.readable);
	KeReleaseSpinLock(&console.lock, irql);
	return b;
}

/* The front buffer is empty: it goes back to the host. */
static void recycle(struct rx_buffer *b)
{
	KIRQL irql = KeAcquireSpinLock(&console.lock);

	console.full_head = (console.full_head + 1) % RX_BUFFERS;
	console.full_count--;
	offer_rx(b);
	vq_kick(console.input);
	KeReleaseSpinLock(&console.lock, irql);
}

NTSTATUS console_read_user(void *user, u32 bytes, u32 *done)
{
	NTSTATUS s = STATUS_SUCCESS;
	bool end = false;

	*done = 0;
	if (!console.present)
		return STATUS_END_OF_FILE;
	while (bytes && !*done && s == STATUS_SUCCESS) {
		struct rx_buffer *b;

		s = KeWaitForSingleObject(&console.readable, USER_MODE, false, NULL);
		if (s != STATUS_SUCCESS)
			break;
		mutex_lock(&console.rx_lock);
		while (*done < bytes && (b = front(&end))) {
			u32 part = MIN(bytes - *done, b->bytes - b->consumed);

			s = copy_to_user((u8 *)user + *done, b->data + b->consumed, part);
			if (s != STATUS_SUCCESS)
				break;
			*done += part;
			b->consumed += part;
			if (b->consumed == b->bytes)
				recycle(b);
		}
		mutex_unlock(&console.rx_lock);
		if (end && !*done)
			return STATUS_END_OF_FILE;
	}
	return *done ? STATUS_SUCCESS : s;
}

u32 console_available(void)
{
	KIRQL irql = KeAcquireSpinLock(&console.lock);
	u32 n = 0;

	for (u32 i = 0; i < console.full_count; i++) {
		struct rx_buffer *b = console.full[(console.full_head + i) % RX_BUFFERS];

		n += b->bytes - b->consumed;
	}
	KeReleaseSpinLock(&console.lock, irql);
	return n;
}

bool console_at_end(void)
{
	return !console.present || (console.closed[console.input_port] && !console_available());
}
