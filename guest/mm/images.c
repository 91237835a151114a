/* The images that a process has mapped, for those that tell of them. Lock: the address space's. */
#include "guest/mm/mi.h"

struct FILE_OBJECT *mm_image_file(EPROCESS *p, u64 va)
{
	struct FILE_OBJECT *f = NULL;
	MMVAD *v;

	mutex_lock(&p->as.lock);
	v = mm_find_vad(&p->as, va);
	if (v && v->type == VAD_IMAGE && v->ca->file) {
		f = v->ca->file;
		IoReferenceFile(f);
	}
	mutex_unlock(&p->as.lock);
	return f;
}

u64 mm_next_image(EPROCESS *p, u64 after)
{
	u64 found = 0;

	mutex_lock(&p->as.lock);
	for (struct vad_node *e = vad_first(&p->as.vads); e && !found; e = vad_next(e)) {
		MMVAD *v = CONTAINER_OF(e, MMVAD, node);

		if (v->type == VAD_IMAGE && vad_va(v) > after)
			found = vad_va(v);
	}
	mutex_unlock(&p->as.lock);
	return found;
}
