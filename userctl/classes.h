/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The words for where a page stands: the classes of the ledger, and the bands
 * that they are drawn in.
 */
#ifndef PSHARE_CLASSES_H
#define PSHARE_CLASSES_H

/*
 * What a bar is made of, from left to right: first what is shared, then what
 * could be, then what could not.  Memory that is not there has no band.
 */
enum band {
	BAND_SHARED,
	BAND_READY,
	BAND_HUGE,
	BAND_GROUP,
	BAND_ASLR,
	BAND_CHANGING,
	BAND_UNSCANNED,
	BAND_SWAPPED,
	BAND_INELIGIBLE,
	BAND_UNIQUE,
	NR_BANDS,
	BAND_NONE = NR_BANDS,
};

/**
 * struct page_class - a class of the ledger
 * @name:	as in debugfs and in JSON
 * @band:	where it belongs
 * @help:	what is true of a page in it
 */
struct page_class {
	const char *name;
	enum band band;
	const char *help;
};

/**
 * struct band_info - how a band looks
 * @name:	for programs
 * @label:	for people, short
 * @help:	what it means, a sentence
 * @ascii:	the character that draws it without UTF-8
 * @glyph:	the one that draws it with UTF-8, one column wide
 * @colour:	of the terminal, 0 to 15
 * @css:	colour on a page; it must stand out from white and from near black
 */
struct band_info {
	const char *name;
	const char *label;
	const char *help;
	char ascii;
	const char *glyph;
	int colour;
	const char *css;
};

/* By enum pshare_class, enum band and enum pshare_huge_policy. */
extern const struct page_class page_classes[];
extern const struct band_info bands[NR_BANDS];
extern const char *const huge_policies[];

const char *huge_policy_name(unsigned int policy);

#endif /* PSHARE_CLASSES_H */
