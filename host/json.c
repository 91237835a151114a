/*
 * What cJSON lacks for our figures: numbers that keep their 64 bits, milliseconds, and texts that
 * may be any bytes, such as paths. Objects are built as cJSON's own and printed whole.
 */
#include <inttypes.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "host/host.h"

#define U64_DIGITS 24u

void json_u64(cJSON *o, const char *key, uint64_t v)
{
	char text[U64_DIGITS];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	cJSON_AddRawToObject(o, key, text);
}

void json_ms(cJSON *o, const char *key, uint64_t ns)
{
	char text[U64_DIGITS + 4];

	snprintf(text, sizeof(text), "%" PRIu64 ".%03" PRIu64, ns / 1000000, ns / 1000 % 1000);
	cJSON_AddRawToObject(o, key, text);
}

void json_str(cJSON *o, const char *key, const char *v)
{
	cJSON *item = v ? cJSON_CreateString(v) : cJSON_CreateNull();

	if (item && v && !utf8_valid(v))
		for (char *c = item->valuestring; *c; c++)
			if ((unsigned char)*c >= 0x80)
				*c = '?';
	cJSON_AddItemToObject(o, key, item);
}

cJSON *json_add_object(cJSON *array)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddItemToArray(array, o);
	return o;
}

void json_print(FILE *f, cJSON *o)
{
	char *text = cJSON_Print(o);

	if (text)
		fprintf(f, "%s\n", text);
	free(text);
	cJSON_Delete(o);
}
