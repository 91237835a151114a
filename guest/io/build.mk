# Devices, the host's folders, and the system calls on files.
GUEST_IO_SRCS := guest/io/init.c guest/io/pci.c guest/io/virtio.c guest/io/virtqueue.c \
	guest/io/pagedisk.c guest/io/console.c \
	guest/io/p9wire.c guest/io/p9.c guest/io/p9calls.c \
	guest/io/names.c guest/io/path.c guest/io/lookup.c guest/io/fcb.c guest/io/file.c \
	guest/io/create.c guest/io/delete.c guest/io/rename.c guest/io/link.c guest/io/bounce.c guest/io/diskio.c guest/io/devices.c \
	guest/io/request.c guest/io/pending.c guest/io/completion.c guest/io/ntcreate.c guest/io/ntreadwrite.c guest/io/bytelock.c \
	guest/io/info.c guest/io/setinfo.c guest/io/dir.c guest/io/volume.c guest/io/control.c \
	guest/io/pipe.c guest/io/pipeio.c
