/*
 * Stand-ins for what mm says about mapped files, used only while mm does not define them (they are
 * weak): a file with a section can be neither cut nor, as an image, written.
 */
#include "guest/io/fs.h"

__attribute__((weak)) bool MmCanFileBeTruncated(struct section_object_pointers *p, u64 size)
{
	(void)size;
	return !p->data && !p->image;
}

__attribute__((weak)) bool MmCanFileBeWritten(struct section_object_pointers *p)
{
	return !p->image;
}

__attribute__((weak)) void MmFlushMappedFile(struct section_object_pointers *p, u64 offset,
					     u64 bytes)
{
	(void)p;
	(void)offset;
	(void)bytes;
}

__attribute__((weak)) void MmUpdateMappedFile(struct section_object_pointers *p, u64 offset,
					      const void *data, u32 bytes)
{
	(void)p;
	(void)offset;
	(void)data;
	(void)bytes;
}
