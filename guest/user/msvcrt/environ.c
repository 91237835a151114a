/*
 * The environment: _environ made at start-up, _wenviron when first asked for, both kept equal to
 * the process's own environment by _putenv.
 *
 * Tables and strings are on the C heap; LOCK_ENV covers them. Strings that getenv handed out are
 * never freed before they are replaced, as Microsoft documents.
 */
#include "guest/user/msvcrt/crt.h"

char **crt_environ, **crt_initenv;
wchar_t **crt_wenviron, **crt_winitenv;

/* The process's environment as a table; entries like "=C:=C:\x" are not for programs. */
bool crt_env_init_wide(void)
{
	wchar_t *block, *at;
	size_t count = 0, i = 0;

	if (crt_wenviron)
		return true;
	block = GetEnvironmentStringsW();
	if (!block)
		return false;
	for (at = block; *at; at += wcslen(at) + 1)
		count += *at != '=';
	crt_wenviron = malloc((count + 1) * sizeof(*crt_wenviron));
	for (at = block; crt_wenviron && *at; at += wcslen(at) + 1)
		if (*at != '=')
			crt_wenviron[i++] = _wcsdup(at);
	if (crt_wenviron)
		crt_wenviron[i] = NULL;
	FreeEnvironmentStringsW(block);
	return crt_wenviron != NULL;
}

bool crt_env_init(void)
{
	size_t count = 0;

	if (!crt_env_init_wide())
		return false;
	while (crt_wenviron[count])
		count++;
	crt_environ = malloc((count + 1) * sizeof(*crt_environ));
	if (!crt_environ)
		return false;
	for (size_t i = 0; i < count; i++)
		crt_environ[i] = crt_narrow(crt_wenviron[i]);
	crt_environ[count] = NULL;
	return true;
}

static char *find(const char *name, size_t n)
{
	for (char **at = crt_environ; at && *at; at++)
		if (!_strnicmp(*at, name, n) && (*at)[n] == '=')
			return *at + n + 1;
	return NULL;
}

static wchar_t *find_wide(const wchar_t *name, size_t n)
{
	for (wchar_t **at = crt_wenviron; at && *at; at++)
		if (!_wcsnicmp(*at, name, n) && (*at)[n] == '=')
			return *at + n + 1;
	return NULL;
}

char *getenv(const char *name)
{
	char *value;

	_lock(LOCK_ENV);
	value = find(name, strlen(name));
	_unlock(LOCK_ENV);
	return value;
}

wchar_t *_wgetenv(const wchar_t *name)
{
	wchar_t *value;

	_lock(LOCK_ENV);
	value = find_wide(name, wcslen(name));
	_unlock(LOCK_ENV);
	return value;
}

errno_t getenv_s(size_t *needed, char *to, size_t size, const char *name)
{
	const char *value;

	if (!needed || (!to && size) || !name)
		return crt_invalid(EINVAL);
	value = getenv(name);
	*needed = value ? strlen(value) + 1 : 0;
	if (to && size)
		*to = 0;
	if (!value || !size)
		return 0;
	if (*needed > size)
		return ERANGE;
	memcpy(to, value, *needed);
	return 0;
}

errno_t _wgetenv_s(size_t *needed, wchar_t *to, size_t size, const wchar_t *name)
{
	const wchar_t *value;

	if (!needed || (!to && size) || !name)
		return crt_invalid(EINVAL);
	value = _wgetenv(name);
	*needed = value ? wcslen(value) + 1 : 0;
	if (to && size)
		*to = 0;
	if (!value || !size)
		return 0;
	if (*needed > size)
		return ERANGE;
	memcpy(to, value, *needed * sizeof(*to));
	return 0;
}

/*
 * Puts `entry` ("NAME=value", taken over) into a table, or removes NAME when the value is empty.
 * The tables of both widths hold pointers, so one routine serves both; `same` compares names.
 */
static bool table_put(void ***table, void *entry, bool remove,
		      bool (*same)(const void *entry, const void *with))
{
	size_t count = 0, at = SIZE_MAX;
	void **bigger;

	for (; *table && (*table)[count]; count++)
		if (at == SIZE_MAX && same((*table)[count], entry))
			at = count;
	if (at != SIZE_MAX) {
		free((*table)[at]);
		if (!remove) {
			(*table)[at] = entry;
			return true;
		}
		for (; at < count; at++)
			(*table)[at] = (*table)[at + 1];
	}
	if (remove) {
		free(entry);
		return true;
	}
	bigger = realloc(*table, (count + 2) * sizeof(void *));
	if (!bigger)
		return false;
	bigger[count] = entry;
	bigger[count + 1] = NULL;
	*table = bigger;
	return true;
}

static bool same_narrow(const void *entry, const void *with)
{
	size_t n = strchr(with, '=') - (const char *)with + 1;

	return !_strnicmp(entry, with, n);
}

static bool same_wide(const void *entry, const void *with)
{
	size_t n = wcschr(with, '=') - (const wchar_t *)with + 1;

	return !_wcsnicmp(entry, with, n);
}

int _wputenv(const wchar_t *entry)
{
	const wchar_t *equals = entry ? wcschr(entry, '=') : NULL;
	wchar_t *wide, *name;
	char *narrow;
	bool done, remove;

	if (!equals || equals == entry)
		return crt_fail_with(EINVAL);
	wide = _wcsdup(entry);
	name = _wcsdup(entry);
	narrow = crt_narrow(entry);
	if (!wide || !name || !narrow) {
		free(wide);
		free(name);
		free(narrow);
		return crt_fail_with(ENOMEM);
	}
	name[equals - entry] = 0;
	remove = !equals[1];
	_lock(LOCK_ENV);
	done = crt_env_init_wide() && table_put((void ***)&crt_wenviron, wide, remove, same_wide) &&
	       table_put((void ***)&crt_environ, narrow, remove, same_narrow);
	if (done)
		SetEnvironmentVariableW(name, remove ? NULL : equals + 1);
	_unlock(LOCK_ENV);
	free(name);
	return done ? 0 : crt_fail_with(ENOMEM);
}

int _putenv(const char *entry)
{
	wchar_t *wide = entry ? crt_wide(entry) : NULL;
	int result = wide ? _wputenv(wide) : crt_fail_with(EINVAL);

	free(wide);
	return result;
}

errno_t _wputenv_s(const wchar_t *name, const wchar_t *value)
{
	wchar_t *entry;
	int result;

	if (!name || !value || !*name || wcschr(name, '='))
		return crt_invalid(EINVAL);
	entry = malloc((wcslen(name) + wcslen(value) + 2) * sizeof(*entry));
	if (!entry)
		return errno = ENOMEM;
	wcscpy(entry, name);
	wcscat(entry, L"=");
	wcscat(entry, value);
	result = _wputenv(entry);
	free(entry);
	return result ? errno : 0;
}

errno_t _putenv_s(const char *name, const char *value)
{
	wchar_t *wide_name, *wide_value;
	errno_t result;

	if (!name || !value)
		return crt_invalid(EINVAL);
	wide_name = crt_wide(name);
	wide_value = crt_wide(value);
	result = wide_name && wide_value ? _wputenv_s(wide_name, wide_value) : ENOMEM;
	free(wide_name);
	free(wide_value);
	return result;
}

char ***__p__environ(void)
{
	return &crt_environ;
}

wchar_t ***__p__wenviron(void)
{
	crt_env_init_wide();
	return &crt_wenviron;
}

char ***__p___initenv(void)
{
	return &crt_initenv;
}

wchar_t ***__p___winitenv(void)
{
	return &crt_winitenv;
}

errno_t _get_environ(char ***value)
{
	*value = crt_environ;
	return 0;
}

errno_t _get_wenviron(wchar_t ***value)
{
	*value = crt_wenviron;
	return 0;
}
