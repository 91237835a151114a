/*
 * vadtree.c: see vadtree.h.
 *
 * Every change ends in fix_upwards(): from the lowest node touched to the root it recomputes what
 * a node says about its subtree and rotates where the heights of the two sides differ by two. It
 * stops early at a node about which nothing changed.
 */
#include "guest/mm/vadtree.h"

void vad_tree_init(struct vad_tree *t)
{
	t->root = t->hint = NULL;
	t->count = 0;
}

/* ---- what a node says about its subtree ---- */

static u32 height(const struct vad_node *n)
{
	return n ? n->height : 0;
}

static u64 own_gap(const struct vad_node *n)
{
	return n->start - n->free_from;
}

static u64 own_granules(const struct vad_node *n)
{
	u64 from = ALIGN_UP(n->free_from, VAD_GRANULE_PAGES);

	return n->start > from ? n->start - from : 0;
}

/* Recomputes n from its children; true when anything became different. */
static bool update(struct vad_node *n)
{
	u64 gap = own_gap(n), granules = own_granules(n);
	u32 h = 1 + MAX(height(n->left), height(n->right));
	bool changed;

	if (n->left) {
		gap = MAX(gap, n->left->max_gap);
		granules = MAX(granules, n->left->max_granules);
	}
	if (n->right) {
		gap = MAX(gap, n->right->max_gap);
		granules = MAX(granules, n->right->max_granules);
	}
	changed = n->max_gap != gap || n->max_granules != granules || n->height != h;
	n->max_gap = gap;
	n->max_granules = granules;
	n->height = (u8)h;
	return changed;
}

/* ---- balance ---- */

static void replace_child(struct vad_tree *t, struct vad_node *parent, struct vad_node *old,
			  struct vad_node *new)
{
	if (!parent)
		t->root = new;
	else if (parent->left == old)
		parent->left = new;
	else
		parent->right = new;
	if (new)
		new->parent = parent;
}

/* Lifts n's left (or right) child into n's place. Returns the lifted node. */
static struct vad_node *rotate(struct vad_tree *t, struct vad_node *n, bool lift_left)
{
	struct vad_node *up = lift_left ? n->left : n->right;
	struct vad_node *middle = lift_left ? up->right : up->left;

	replace_child(t, n->parent, n, up);
	if (lift_left) {
		up->right = n;
		n->left = middle;
	} else {
		up->left = n;
		n->right = middle;
	}
	n->parent = up;
	if (middle)
		middle->parent = n;
	update(n);
	update(up);
	return up;
}

static struct vad_node *rebalance(struct vad_tree *t, struct vad_node *n)
{
	u32 l = height(n->left), r = height(n->right);

	if (l > r + 1) {
		if (height(n->left->right) > height(n->left->left))
			rotate(t, n->left, false);
		return rotate(t, n, true);
	}
	if (r > l + 1) {
		if (height(n->right->left) > height(n->right->right))
			rotate(t, n->right, true);
		return rotate(t, n, false);
	}
	return n;
}

static void fix_upwards(struct vad_tree *t, struct vad_node *n)
{
	while (n) {
		bool changed = update(n);
		struct vad_node *top = rebalance(t, n);

		if (!changed && top == n)
			return;
		n = top->parent;
	}
}

/* n's predecessor now ends before page `free_from`. */
static void set_free_from(struct vad_tree *t, struct vad_node *n, u64 free_from)
{
	if (n && n->free_from != free_from) {
		n->free_from = free_from;
		fix_upwards(t, n);
	}
}

/* ---- looking ---- */

struct vad_node *vad_find_slow(struct vad_tree *t, u64 vpn)
{
	struct vad_node *n = t->root;

	while (n) {
		if (vpn < n->start) {
			n = n->left;
		} else if (vpn > n->end) {
			n = n->right;
		} else {
			__atomic_store_n(&t->hint, n, __ATOMIC_RELAXED);
			return n;
		}
	}
	return NULL;
}

struct vad_node *vad_find_overlap(const struct vad_tree *t, u64 start, u64 end)
{
	struct vad_node *n = t->root, *lowest = NULL;

	while (n) {
		if (n->end < start) {
			n = n->right;
		} else {
			lowest = n; /* the lowest so far that ends at or after start */
			n = n->left;
		}
	}
	return lowest && lowest->start <= end ? lowest : NULL;
}

static struct vad_node *leftmost(struct vad_node *n)
{
	while (n && n->left)
		n = n->left;
	return n;
}

static struct vad_node *rightmost(struct vad_node *n)
{
	while (n && n->right)
		n = n->right;
	return n;
}

struct vad_node *vad_first(const struct vad_tree *t)
{
	return leftmost(t->root);
}

struct vad_node *vad_last(const struct vad_tree *t)
{
	return rightmost(t->root);
}

struct vad_node *vad_next(const struct vad_node *n)
{
	if (n->right)
		return leftmost(n->right);
	while (n->parent && n->parent->right == n)
		n = n->parent;
	return n->parent;
}

struct vad_node *vad_prev(const struct vad_node *n)
{
	if (n->left)
		return rightmost(n->left);
	while (n->parent && n->parent->left == n)
		n = n->parent;
	return n->parent;
}

/* ---- changing ---- */

bool vad_insert(struct vad_tree *t, struct vad_node *n)
{
	struct vad_node *parent = NULL, **link = &t->root, *prev = NULL, *next = NULL;

	if (n->start > n->end)
		return false;
	while (*link) {
		parent = *link;
		if (n->end < parent->start) {
			next = parent;
			link = &parent->left;
		} else if (n->start > parent->end) {
			prev = parent;
			link = &parent->right;
		} else {
			return false;
		}
	}
	n->left = n->right = NULL;
	n->parent = parent;
	n->free_from = prev ? prev->end + 1 : 0;
	n->height = 0; /* so that the first update() counts as a change */
	*link = n;
	t->count++;
	fix_upwards(t, n);
	set_free_from(t, next, n->end + 1);
	return true;
}

void vad_remove(struct vad_tree *t, struct vad_node *n)
{
	struct vad_node *next = vad_next(n), *fix;

	if (n->left && n->right) {
		/* The successor has no left child: it takes n's place. */
		fix = next->parent == n ? next : next->parent;
		if (next->parent != n) {
			replace_child(t, next->parent, next, next->right);
			next->right = n->right;
			next->right->parent = next;
		}
		next->left = n->left;
		next->left->parent = next;
		replace_child(t, n->parent, n, next);
		next->height = 0;
	} else {
		fix = n->parent;
		replace_child(t, n->parent, n, n->left ? n->left : n->right);
	}
	if (__atomic_load_n(&t->hint, __ATOMIC_RELAXED) == n)
		__atomic_store_n(&t->hint, NULL, __ATOMIC_RELAXED);
	t->count--;
	if (next)
		next->free_from = n->free_from;
	/* Two paths to the root may have changed: from the lowest place touched, and next's. */
	fix_upwards(t, fix);
	if (next)
		fix_upwards(t, next);
	n->left = n->right = n->parent = NULL;
}

bool vad_resize(struct vad_tree *t, struct vad_node *n, u64 start, u64 end)
{
	struct vad_node *next = vad_next(n);

	if (start > end || start < n->free_from || (next && end >= next->start))
		return false;
	n->start = start;
	n->end = end;
	fix_upwards(t, n);
	set_free_from(t, next, end + 1);
	return true;
}

/* ---- free space ---- */

struct gap_search {
	u64 lo, hi; /* inclusive */
	u64 pages, align;
	bool granules; /* the alignment is 64 KB or more */
	bool top_down;
};

/* The place inside the free range [from, to) that suits the search. */
static u64 place(const struct gap_search *s, u64 from, u64 to)
{
	u64 at;

	from = MAX(from, s->lo);
	if (to > s->hi)
		to = s->hi + 1;
	if (from >= to || to - from < s->pages)
		return VAD_NO_GAP;
	if (s->top_down) {
		at = ALIGN_DOWN(to - s->pages, s->align);
		return at >= from ? at : VAD_NO_GAP;
	}
	at = ALIGN_UP(from, s->align);
	return at >= from && at <= to - s->pages ? at : VAD_NO_GAP;
}

/* Depth is that of the tree: at most 1.45 * log2(count). */
static u64 search(const struct gap_search *s, const struct vad_node *n)
{
	u64 at = VAD_NO_GAP;

	if (!n || (s->granules ? n->max_granules : n->max_gap) < s->pages)
		return VAD_NO_GAP;
	if (!s->top_down) {
		if (n->free_from > s->lo) /* else all gaps on the left lie below lo */
			at = search(s, n->left);
		if (at == VAD_NO_GAP)
			at = place(s, n->free_from, n->start);
		if (at == VAD_NO_GAP && n->end < s->hi)
			at = search(s, n->right);
	} else {
		if (n->end < s->hi)
			at = search(s, n->right);
		if (at == VAD_NO_GAP)
			at = place(s, n->free_from, n->start);
		if (at == VAD_NO_GAP && n->free_from > s->lo)
			at = search(s, n->left);
	}
	return at;
}

u64 vad_find_gap(const struct vad_tree *t, u64 lo, u64 hi, u64 pages, u64 align_pages,
		 bool top_down)
{
	struct gap_search s = {lo,	hi, pages, align_pages, align_pages >= VAD_GRANULE_PAGES,
			       top_down};
	const struct vad_node *last = vad_last(t);
	u64 tail = last ? last->end + 1 : 0; /* the gap after the last node has no node */
	u64 at = VAD_NO_GAP;

	if (!pages || lo > hi || pages - 1 > hi - lo || hi >= VAD_NO_GAP - 1)
		return VAD_NO_GAP;
	if (top_down)
		at = place(&s, tail, VAD_NO_GAP);
	if (at == VAD_NO_GAP)
		at = search(&s, t->root);
	if (at == VAD_NO_GAP && !top_down)
		at = place(&s, tail, VAD_NO_GAP);
	return at;
}

/* ---- proof ---- */

static bool check_node(const struct vad_node *n, const struct vad_node *parent,
		       const struct vad_node **prev, u64 *count)
{
	struct vad_node copy;

	if (!n)
		return true;
	if (n->parent != parent || n->start > n->end)
		return false;
	if (!check_node(n->left, n, prev, count))
		return false;
	if (*prev && (*prev)->end >= n->start)
		return false;
	if (n->free_from != (*prev ? (*prev)->end + 1 : 0))
		return false;
	*prev = n;
	++*count;
	if (!check_node(n->right, n, prev, count))
		return false;
	copy = *n;
	return !update(&copy) && height(n->left) <= height(n->right) + 1 &&
	       height(n->right) <= height(n->left) + 1;
}

bool vad_check(const struct vad_tree *t)
{
	const struct vad_node *prev = NULL;
	u64 count = 0;

	if (!check_node(t->root, NULL, &prev, &count) || count != t->count)
		return false;
	if (t->hint) { /* must be a node of this tree */
		const struct vad_node *n = t->root;

		while (n && n != t->hint)
			n = t->hint->start < n->start ? n->left : n->right;
		return n != NULL;
	}
	return true;
}
