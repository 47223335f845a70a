// SPDX-License-Identifier: GPL-2.0
/*
 * json [KEY...]: reads standard input, which must be exactly one JSON document
 * and nothing else, walks down the keys (an index in an array), and prints what
 * it finds there.  Exit code 1 when the text is no JSON, 2 when a key is missing.
 */
#include <stdio.h>
#include <stdlib.h>

#include <json-c/json.h>

static struct json_object *parse_all(void)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *doc = NULL;
	static char text[1 << 20];
	size_t len = fread(text, 1, sizeof(text) - 1, stdin);

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* With its NUL, so that a document that is cut short is not taken. */
	doc = json_tokener_parse_ex(tokener, text, (int)len + 1);
	if (json_tokener_get_error(tokener) != json_tokener_success || !doc) {
		json_object_put(doc);
		doc = NULL;
	}
	json_tokener_free(tokener);
	return doc;
}

int main(int argc, char **argv)
{
	struct json_object *doc = parse_all();
	struct json_object *obj = doc;
	int i;

	if (!doc) {
		fprintf(stderr, "json: not one JSON document\n");
		return 1;
	}
	for (i = 1; i < argc; i++) {
		if (json_object_is_type(obj, json_type_array)) {
			size_t at = strtoul(argv[i], NULL, 10);

			if (at >= json_object_array_length(obj))
				return 2;
			obj = json_object_array_get_idx(obj, at);
		} else if (!json_object_object_get_ex(obj, argv[i], &obj)) {
			return 2;
		}
	}
	if (argc > 1)
		puts(obj ? json_object_get_string(obj) : "null");
	json_object_put(doc);
	return 0;
}
