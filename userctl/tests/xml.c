// SPDX-License-Identifier: GPL-2.0
/*
 * xml [html]: reads standard input, which must be well-formed: every element is
 * closed in its turn, every attribute has a value in quotes and stands once, and
 * nothing else than known entities follows an ampersand.  With "html" the
 * elements without an end are known, too.  Exit code 1, and the place, if not.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH	64
#define NAME_SIZE	32

static char text[1 << 20];
static char open_tags[MAX_DEPTH][NAME_SIZE];
static int depth;
static bool html;

static void refuse(const char *at, const char *why)
{
	int line = 1;
	const char *c;

	for (c = text; c < at; c++)
		line += *c == '\n';
	fprintf(stderr, "xml: line %d: %s: %.40s\n", line, why, at);
	exit(1);
}

static bool is_void(const char *name)
{
	return html && (!strcmp(name, "meta") || !strcmp(name, "link") || !strcmp(name, "br"));
}

static void check_entity(const char *at)
{
	static const char *const known[] = {
		"&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&nbsp;", "&ldquo;", "&rdquo;",
	};
	size_t i;

	/* Only the first five are XML's. */
	for (i = 0; i < (html ? sizeof(known) / sizeof(known[0]) : 5); i++)
		if (!strncmp(at, known[i], strlen(known[i])))
			return;
	refuse(at, "an ampersand that is not escaped");
}

static char *take_name(char *at, char *name)
{
	size_t len = 0;

	while (isalnum((unsigned char)at[len]) || strchr("-:_", at[len] ? at[len] : ' '))
		len++;
	if (!len || len >= NAME_SIZE)
		refuse(at, "no name");
	memcpy(name, at, len);
	name[len] = '\0';
	return at + len;
}

/* Return: behind the closing quote. */
static char *take_value(char *at)
{
	if (*at++ != '=' || *at++ != '"')
		refuse(at, "an attribute without a value in quotes");
	for (; *at != '"'; at++) {
		if (!*at || *at == '<')
			refuse(at, "a value that does not end");
		if (*at == '&')
			check_entity(at);
	}
	return at + 1;
}

static void push(char *at, const char *name)
{
	if (depth == MAX_DEPTH)
		refuse(at, "too deep");
	strcpy(open_tags[depth++], name);
}

/* @at is behind '<'.  Return: behind '>'. */
static char *take_start(char *at)
{
	char name[NAME_SIZE], key[NAME_SIZE], seen[8][NAME_SIZE];
	size_t nr = 0, i;

	at = take_name(at, name);
	while (isspace((unsigned char)*at)) {
		while (isspace((unsigned char)*at))
			at++;
		if (*at == '>' || *at == '/')
			break;
		at = take_value(take_name(at, key));
		for (i = 0; i < nr; i++)
			if (!strcmp(seen[i], key))
				refuse(at, "the same attribute twice");
		if (nr < 8)
			strcpy(seen[nr++], key);
	}
	if (at[0] == '/' && at[1] == '>')
		return at + 2;
	if (*at != '>')
		refuse(at, "a tag that does not end");
	if (!is_void(name))
		push(at, name);
	at++;
	if (!strcmp(name, "style")) {
		at = strstr(at, "</style>");
		if (!at)
			refuse(text, "a style that does not end");
	}
	return at;
}

static char *take_end(char *at)
{
	char name[NAME_SIZE];

	at = take_name(at, name);
	if (!depth || strcmp(open_tags[--depth], name) != 0 || *at != '>')
		refuse(at, "closes what is not open");
	return at + 1;
}

int main(int argc, char **argv)
{
	char *at = text;
	size_t len = fread(text, 1, sizeof(text) - 1, stdin);

	html = argc > 1 && !strcmp(argv[1], "html");
	if (strlen(text) != len || !len)
		refuse(text, "empty, or with a NUL");
	if (html) {
		if (strncmp(at, "<!DOCTYPE html>\n", 16) != 0)
			refuse(at, "no type");
		at += 16;
	}
	while (*at) {
		if (*at == '<') {
			at = at[1] == '/' ? take_end(at + 2) : take_start(at + 1);
			continue;
		}
		if (*at == '&')
			check_entity(at);
		if ((unsigned char)*at < ' ' && *at != '\n')
			refuse(at, "a control character");
		if (!depth && !isspace((unsigned char)*at))
			refuse(at, "text outside of everything");
		at++;
	}
	if (depth)
		refuse(at, open_tags[depth - 1]);
	return 0;
}
