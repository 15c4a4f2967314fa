/* SPDX-License-Identifier: MIT */
/* The little XML that AWS's services answer with: the elements that hold text, one after the other. Bytes in, elements
 * out; no I/O, no entities but XML's own, no DTD. */
#ifndef CCOL_BASE_XML_H
#define CCOL_BASE_XML_H

#include "base/buffer.h"

struct xml {
    const char *at, *end;
};

/* An element without elements in it. Both point into the document; text is still escaped. */
struct xml_leaf {
    const char *name, *text;
    size_t name_length, text_length;
};

/* The next one in the document's order, or false at the end, or where it is no XML. */
bool ccol__xml_next(struct xml *xml, struct xml_leaf *out);
bool ccol__xml_is(const struct xml_leaf *leaf, const char *name);
/* Appends the text with its escapes resolved; what is no escape is taken as it is. */
void ccol__xml_text(struct buffer *out, const struct xml_leaf *leaf);
/* Appends the text of the first leaf of that name; false: there is none. */
bool ccol__xml_find(struct buffer *out, const char *document, size_t length, const char *name);

#endif
