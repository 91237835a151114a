/*
 * virtio over PCI: finding a device's structures through its vendor capabilities, the start-up
 * handshake (virtio 1.2, 3.1.1), its configuration.
 *
 * Setting up runs once, at boot, in one thread; no locks.
 */
#include "guest/io/virtqueue.h"
#include "guest/ke/cpu.h"

/* virtio 1.2, 4.1.4: vendor capability and its types */
#define CAP_CFG_TYPE	3
#define CAP_BAR		4
#define CAP_OFFSET	8
#define CAP_LENGTH	12
#define CAP_NOTIFY_MULT 16
enum { CFG_COMMON = 1, CFG_NOTIFY = 2, CFG_DEVICE = 4 };

/* 4.1.4.3: common configuration */
enum {
	COMMON_DEVICE_FEATURE_SELECT = 0,
	COMMON_DEVICE_FEATURE = 4,
	COMMON_DRIVER_FEATURE_SELECT = 8,
	COMMON_DRIVER_FEATURE = 12,
	COMMON_CONFIG_VECTOR = 16,
	COMMON_NUM_QUEUES = 18,
	COMMON_STATUS = 20,
	COMMON_GENERATION = 21,
	COMMON_QUEUE_SELECT = 22,
	COMMON_QUEUE_SIZE = 24,
	COMMON_QUEUE_VECTOR = 26,
	COMMON_QUEUE_ENABLE = 28,
	COMMON_QUEUE_NOTIFY_OFF = 30,
	COMMON_QUEUE_DESC = 32,
	COMMON_QUEUE_DRIVER = 40,
	COMMON_QUEUE_DEVICE = 48,
	COMMON_BYTES = 56,
};
#define NO_VECTOR 0xffff

/* 2.1: device status */
enum {
	STATUS_ACKNOWLEDGE = 1,
	STATUS_DRIVER = 2,
	STATUS_DRIVER_OK = 4,
	STATUS_FEATURES_OK = 8,
};
#define RESET_SPINS 1000000

static u8 common8(struct virtio_device *d, u32 at)
{
	return d->common[at];
}
static u16 common16(struct virtio_device *d, u32 at)
{
	return *(volatile u16 *)(d->common + at);
}
static u32 common32(struct virtio_device *d, u32 at)
{
	return *(volatile u32 *)(d->common + at);
}
static void set_common8(struct virtio_device *d, u32 at, u8 v)
{
	d->common[at] = v;
}
static void set_common16(struct virtio_device *d, u32 at, u16 v)
{
	*(volatile u16 *)(d->common + at) = v;
}
static void set_common32(struct virtio_device *d, u32 at, u32 v)
{
	*(volatile u32 *)(d->common + at) = v;
}
static void set_common64(struct virtio_device *d, u32 at, u64 v)
{
	set_common32(d, at, (u32)v);
	set_common32(d, at + 4, (u32)(v >> 32));
}

static void add_status(struct virtio_device *d, u8 bits)
{
	set_common8(d, COMMON_STATUS, common8(d, COMMON_STATUS) | bits);
}

static bool reset(struct virtio_device *d)
{
	set_common8(d, COMMON_STATUS, 0);
	for (u32 i = 0; i < RESET_SPINS; i++) {
		if (common8(d, COMMON_STATUS) == 0)
			return true;
		cpu_pause();
	}
	return false;
}

/* One vendor capability: where a structure lies. */
struct location {
	u8 type, bar;
	u32 offset, bytes;
};
#define MAX_STRUCTURE 0x10000u

static struct location read_location(const struct pci_function *f, u8 cap)
{
	struct location l = {
	    .type = pci_read8(f, (u8)(cap + CAP_CFG_TYPE)),
	    .bar = pci_read8(f, (u8)(cap + CAP_BAR)),
	    .offset = pci_read32(f, (u8)(cap + CAP_OFFSET)),
	    .bytes = pci_read32(f, (u8)(cap + CAP_LENGTH)),
	};

	l.bytes = MIN(l.bytes, MAX_STRUCTURE);
	return l;
}

/* Goes through the vendor capabilities once; of each type the first that can be mapped counts. */
static void map_structures(struct virtio_device *d)
{
	u8 cap = 0;

	for (u32 i = 0; i < 16; i++) {
		struct location l;

		cap = pci_find_capability(d->pci, PCI_CAP_VENDOR, cap);
		if (!cap)
			return;
		l = read_location(d->pci, cap);
		if (l.type == CFG_COMMON && !d->common && l.bytes >= COMMON_BYTES) {
			d->common = pci_map_bar(d->pci, l.bar, l.offset, l.bytes);
		} else if (l.type == CFG_NOTIFY && !d->notify && l.bytes >= 2) {
			d->notify = pci_map_bar(d->pci, l.bar, l.offset, l.bytes);
			d->notify_bytes = l.bytes;
			d->notify_multiplier = pci_read32(d->pci, (u8)(cap + CAP_NOTIFY_MULT));
		} else if (l.type == CFG_DEVICE && !d->config && l.bytes) {
			d->config = pci_map_bar(d->pci, l.bar, l.offset, l.bytes);
			d->config_bytes = l.bytes;
		}
		if (d->common && d->notify && d->config)
			return;
	}
}

bool virtio_open(struct virtio_device *d, const struct pci_function *pci)
{
	if (pci->vendor_id != VIRTIO_VENDOR || pci->device_id < VIRTIO_MODERN_BASE)
		return false;
	memset(d, 0, sizeof *d);
	d->pci = pci;
	d->type = pci->device_id - VIRTIO_MODERN_BASE;
	pci_enable(pci);
	map_structures(d);
	if (!d->common || !d->notify || !reset(d))
		return false;
	add_status(d, STATUS_ACKNOWLEDGE);
	add_status(d, STATUS_DRIVER);
	return true;
}

bool virtio_negotiate(struct virtio_device *d, u64 wanted)
{
	u64 offered;

	set_common32(d, COMMON_DEVICE_FEATURE_SELECT, 0);
	offered = common32(d, COMMON_DEVICE_FEATURE);
	set_common32(d, COMMON_DEVICE_FEATURE_SELECT, 1);
	offered |= (u64)common32(d, COMMON_DEVICE_FEATURE) << 32;
	if (!(offered & VIRTIO_F_VERSION_1))
		return false;
	d->features = offered & (wanted | VIRTIO_F_VERSION_1);
	for (u32 i = 0; i < 2; i++) {
		set_common32(d, COMMON_DRIVER_FEATURE_SELECT, i);
		set_common32(d, COMMON_DRIVER_FEATURE, (u32)(d->features >> i * 32));
	}
	add_status(d, STATUS_FEATURES_OK);
	d->queues = common16(d, COMMON_NUM_QUEUES);
	return common8(d, COMMON_STATUS) & STATUS_FEATURES_OK;
}

static void device_interrupt(void *context)
{
	struct virtio_device *d = context;

	KeInsertQueueDpc(&d->dpc);
}

bool virtio_connect(struct virtio_device *d, dpc_fn *dpc, void *context)
{
	KeInitializeDpc(&d->dpc, dpc, context);
	set_common16(d, COMMON_CONFIG_VECTOR, NO_VECTOR);
	return pci_connect_msix(d->pci, device_interrupt, d);
}

bool virtio_queue_setup(struct virtio_device *d, struct virtqueue *q, u16 index, u16 max_size)
{
	struct virtqueue_rings pa;
	u16 size, offset;
	u64 at;

	if (index >= d->queues)
		return false;
	set_common16(d, COMMON_QUEUE_SELECT, index);
	size = common16(d, COMMON_QUEUE_SIZE);
	for (; max_size > size; max_size /= 2)
		;
	if (max_size < 2 || !virtqueue_init(q, d, index, max_size, &pa))
		return false;
	set_common16(d, COMMON_QUEUE_SIZE, max_size);
	set_common16(d, COMMON_QUEUE_VECTOR, 0);
	if (common16(d, COMMON_QUEUE_VECTOR) == NO_VECTOR)
		return false;
	set_common64(d, COMMON_QUEUE_DESC, pa.desc);
	set_common64(d, COMMON_QUEUE_DRIVER, pa.avail);
	set_common64(d, COMMON_QUEUE_DEVICE, pa.used);
	offset = common16(d, COMMON_QUEUE_NOTIFY_OFF);
	at = (u64)offset * d->notify_multiplier;
	if (at + 2 > d->notify_bytes)
		return false;
	q->notify = (volatile u16 *)(d->notify + at);
	set_common16(d, COMMON_QUEUE_ENABLE, 1);
	return true;
}

void virtio_start(struct virtio_device *d)
{
	add_status(d, STATUS_DRIVER_OK);
}

void virtio_break(struct virtio_device *d, const char *why)
{
	if (d->broken)
		return;
	d->broken = true;
	set_common8(d, COMMON_STATUS, 0);
	dbg_print("io: virtio device %u.%u (type %u) stopped: %s\n", d->pci->bus, d->pci->device,
		  d->type, why);
}

/* Reads a field; multi-byte ones again while the device changes its configuration (2.5). */
static u64 config_read(struct virtio_device *d, u32 offset, u32 bytes)
{
	u64 v = 0;

	if (!d->config || offset > d->config_bytes || bytes > d->config_bytes - offset)
		return 0;
	for (u32 tries = 0; tries < 16; tries++) {
		u8 generation = common8(d, COMMON_GENERATION);

		v = 0;
		if (bytes == 1)
			v = d->config[offset];
		else if (bytes == 2)
			v = *(volatile u16 *)(d->config + offset);
		else
			for (u32 i = 0; i < bytes; i += 4)
				v |= (u64) * (volatile u32 *)(d->config + offset + i) << i * 8;
		if (generation == common8(d, COMMON_GENERATION))
			break;
	}
	return v;
}

u8 virtio_config8(struct virtio_device *d, u32 offset)
{
	return (u8)config_read(d, offset, 1);
}
u16 virtio_config16(struct virtio_device *d, u32 offset)
{
	return (u16)config_read(d, offset, 2);
}
u32 virtio_config32(struct virtio_device *d, u32 offset)
{
	return (u32)config_read(d, offset, 4);
}
u64 virtio_config64(struct virtio_device *d, u32 offset)
{
	return config_read(d, offset, 8);
}
