/*
 * The command line split into arguments by Microsoft's documented rules, with wildcards expanded
 * when the executable asks for it.
 *
 * The wide command line is the source; the narrow arguments are its conversion, so that both
 * splits agree. Arguments are kept for the life of the process.
 */
#include "guest/user/msvcrt/crt.h"

int crt_argc;
char **crt_argv;
wchar_t **crt_wargv;
char *crt_acmdln, *crt_pgmptr;
wchar_t *crt_wcmdln, *crt_wpgmptr;

struct arg_list {
	wchar_t **items;
	int count, room;
};

static bool list_add(struct arg_list *list, wchar_t *item)
{
	if (list->count + 1 >= list->room) {
		int room = list->room ? list->room * 2 : 16;
		wchar_t **items = realloc(list->items, room * sizeof(*items));

		if (!items)
			return false;
		list->items = items;
		list->room = room;
	}
	list->items[list->count++] = item;
	list->items[list->count] = NULL;
	return true;
}

/* The program's name: quotes only group, a backslash is nothing special. */
static const wchar_t *take_name(const wchar_t *at, wchar_t *to)
{
	bool quoted = false;

	for (; *at && (quoted || (*at != ' ' && *at != '\t')); at++) {
		if (*at == '"')
			quoted = !quoted;
		else
			*to++ = *at;
	}
	*to = 0;
	return at;
}

/*
 * One further argument: 2n backslashes before a quote are n backslashes and the quote's meaning,
 * 2n+1 are n backslashes and a quote; a doubled quote inside quotes is a quote. *wild tells
 * whether an unquoted * or ? was met.
 */
static const wchar_t *take_argument(const wchar_t *at, wchar_t *to, bool *wild)
{
	bool quoted = false;

	*wild = false;
	for (;;) {
		size_t slashes = 0;
		bool copy = true;

		while (*at == '\\') {
			at++;
			slashes++;
		}
		if (*at == '"') {
			if (slashes % 2 == 0) {
				if (quoted && at[1] == '"') {
					at++;
				} else {
					copy = false;
					quoted = !quoted;
				}
			}
			slashes /= 2;
		}
		while (slashes--)
			*to++ = '\\';
		if (!*at || (!quoted && (*at == ' ' || *at == '\t')))
			break;
		if (copy) {
			if (!quoted && (*at == '*' || *at == '?'))
				*wild = true;
			*to++ = *at;
		}
		at++;
	}
	*to = 0;
	return at;
}

static int compare_names(const void *a, const void *b)
{
	return _wcsicmp(*(wchar_t *const *)a, *(wchar_t *const *)b);
}

/* Adds the files that match, sorted; false when there are none. */
static bool expand(struct arg_list *list, const wchar_t *pattern)
{
	WIN32_FIND_DATAW found;
	int first = list->count;
	size_t folder = 0;
	HANDLE search = FindFirstFileW(pattern, &found);

	if (search == INVALID_HANDLE_VALUE)
		return false;
	for (size_t i = 0; pattern[i]; i++)
		if (pattern[i] == '\\' || pattern[i] == '/' || pattern[i] == ':')
			folder = i + 1;
	do {
		size_t n = wcslen(found.cFileName);
		wchar_t *item;

		if (!wcscmp(found.cFileName, L".") || !wcscmp(found.cFileName, L".."))
			continue;
		item = malloc((folder + n + 1) * sizeof(*item));
		if (!item)
			break;
		memcpy(item, pattern, folder * sizeof(*item));
		memcpy(item + folder, found.cFileName, (n + 1) * sizeof(*item));
		if (!list_add(list, item))
			break;
	} while (FindNextFileW(search, &found));
	FindClose(search);
	if (list->count > first)
		qsort(list->items + first, list->count - first, sizeof(*list->items),
		      compare_names);
	return list->count > first;
}

static bool split(struct arg_list *list, bool wildcards)
{
	const wchar_t *at = crt_wcmdln;
	wchar_t *item = malloc((wcslen(at) + 1) * sizeof(*item));

	if (!item)
		return false;
	at = take_name(at, item);
	for (;;) {
		bool wild = false;

		if (!list_add(list, _wcsdup(item)) || !list->items[list->count - 1])
			break;
	next:
		while (*at == ' ' || *at == '\t')
			at++;
		if (!*at) {
			free(item);
			return true;
		}
		at = take_argument(at, item, &wild);
		if (wild && wildcards && expand(list, item))
			goto next;
	}
	free(item);
	return false;
}

bool crt_args_parse(bool wildcards)
{
	struct arg_list list = {0};

	if (crt_wargv)
		return true;
	if (!split(&list, wildcards))
		return false;
	crt_argv = malloc((list.count + 1) * sizeof(*crt_argv));
	if (!crt_argv)
		return false;
	for (int i = 0; i < list.count; i++) {
		crt_argv[i] = crt_narrow(list.items[i]);
		if (!crt_argv[i])
			return false;
	}
	crt_argv[list.count] = NULL;
	crt_wargv = list.items;
	crt_argc = list.count;
	return true;
}

bool crt_args_init(void)
{
	wchar_t path[MAX_PATH + 1];
	DWORD n;

	crt_wcmdln = _wcsdup(GetCommandLineW());
	n = GetModuleFileNameW(NULL, path, MAX_PATH);
	path[n < MAX_PATH ? n : MAX_PATH] = 0;
	crt_wpgmptr = _wcsdup(path);
	if (!crt_wcmdln || !crt_wpgmptr)
		return false;
	crt_acmdln = crt_narrow(crt_wcmdln);
	crt_pgmptr = crt_narrow(crt_wpgmptr);
	return crt_acmdln && crt_pgmptr;
}

int *__p___argc(void)
{
	return &crt_argc;
}

char ***__p___argv(void)
{
	return &crt_argv;
}

wchar_t ***__p___wargv(void)
{
	return &crt_wargv;
}

char **__p__acmdln(void)
{
	return &crt_acmdln;
}

wchar_t **__p__wcmdln(void)
{
	return &crt_wcmdln;
}

char **__p__pgmptr(void)
{
	return &crt_pgmptr;
}

wchar_t **__p__wpgmptr(void)
{
	return &crt_wpgmptr;
}

errno_t _get_pgmptr(char **value)
{
	*value = crt_pgmptr;
	return 0;
}

errno_t _get_wpgmptr(wchar_t **value)
{
	*value = crt_wpgmptr;
	return 0;
}
