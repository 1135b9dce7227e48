/*
 * The documents of the asset wire (assets.md section 2), as far as the server sends them: read without copies, and checked so that whatever
 * is stored can be read again.
 */
#ifndef ASSET_DOCUMENT_H
#define ASSET_DOCUMENT_H

#include "text.h"

#define ZERO_ID "00000000-0000-0000-0000-000000000000"
#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define PROLOG BYTE_ORDER_MARK "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
#define NAMESPACES                                                                                                   \
    " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\""
/* Longer names and descriptions are cut, longer creators refused (assets.md sections 2 and 4), in UTF-16 units. */
#define MAX_NAME_UNITS 64
#define MAX_CREATOR_UNITS 128

/* --- Reading */

struct reader {
    gs_str rest;
};

static int starts(const struct reader *reader, const char *what)
{
    size_t len = strlen(what);
    return reader->rest.len >= len && memcmp(reader->rest.ptr, what, len) == 0;
}

static void advance(struct reader *reader, size_t len)
{
    reader->rest.ptr += len;
    reader->rest.len -= len;
}

static void skip_blanks(struct reader *reader)
{
    while (reader->rest.len > 0 && is_blank(*reader->rest.ptr)) {
        advance(reader, 1);
    }
}

/* What comes before a byte, which must come. */
static int before(struct reader *reader, char byte, gs_str *text)
{
    const char *found = reader->rest.len == 0 ? NULL : memchr(reader->rest.ptr, byte, reader->rest.len);
    if (found == NULL) {
        return 0;
    }
    *text = gs_text(reader->rest.ptr, (size_t)(found - reader->rest.ptr));
    advance(reader, text->len);
    return 1;
}

/* A start tag. Only the root may have attributes; they mean nothing here. */
static int open_tag(struct reader *reader, gs_str *name, int *is_empty, int is_root)
{
    gs_str tag;
    size_t at = 0;
    if (!starts(reader, "<")) {
        return 0;
    }
    advance(reader, 1);
    if (!before(reader, '>', &tag)) {
        return 0;
    }
    advance(reader, 1);
    *is_empty = tag.len > 0 && tag.ptr[tag.len - 1] == '/';
    tag.len -= (size_t)*is_empty;
    tag = trim(tag);
    while (at < tag.len && ((tag.ptr[at] >= 'a' && tag.ptr[at] <= 'z') || (tag.ptr[at] >= 'A' && tag.ptr[at] <= 'Z') ||
                            (tag.ptr[at] >= '0' && tag.ptr[at] <= '9'))) {
        at++;
    }
    *name = gs_text(tag.ptr, at);
    return at > 0 && (at == tag.len || (is_root && is_blank(tag.ptr[at])));
}

static int close_tag(struct reader *reader, gs_str name)
{
    gs_str tag;
    if (!starts(reader, "</")) {
        return 0;
    }
    advance(reader, 2);
    if (!before(reader, '>', &tag)) {
        return 0;
    }
    advance(reader, 1);
    tag = trim(tag);
    return tag.len == name.len && memcmp(tag.ptr, name.ptr, name.len) == 0;
}

/* What stands before the root, and its tag. */
static int begin(struct reader *reader, gs_str document, const char *root, int *is_empty)
{
    gs_str name;
    reader->rest = document;
    if (starts(reader, BYTE_ORDER_MARK)) {
        advance(reader, 3);
    }
    if (starts(reader, "<?xml")) {
        gs_str declaration;
        if (!before(reader, '>', &declaration)) {
            return 0;
        }
        advance(reader, 1);
    }
    skip_blanks(reader);
    return open_tag(reader, &name, is_empty, 1) && is(name, root);
}

/* Whether nothing follows the root's end. */
static int at_end(struct reader *reader)
{
    skip_blanks(reader);
    return reader->rest.len == 0;
}

/* An element with text. */
static int element(struct reader *reader, gs_str *name, gs_str *text)
{
    int is_empty;
    if (!open_tag(reader, name, &is_empty, 0)) {
        return 0;
    }
    *text = gs_text(NULL, 0);
    return is_empty || (before(reader, '<', text) && close_tag(reader, *name));
}

/* The beginning of an ArrayOfString. */
static int begin_list(struct reader *reader, gs_str document)
{
    int is_empty;
    if (!begin(reader, document, "ArrayOfString", &is_empty)) {
        return 0;
    }
    if (is_empty) {
        /* As if its end tag followed. */
        if (!at_end(reader)) {
            return 0;
        }
        reader->rest = GS_STR("</ArrayOfString>");
    }
    return 1;
}

/* 1 and the next text, 0 at the end, -1 when the document is malformed. */
static int next_of_list(struct reader *reader, gs_str *text)
{
    gs_str name;
    skip_blanks(reader);
    if (starts(reader, "</")) {
        return close_tag(reader, GS_STR("ArrayOfString")) && at_end(reader) ? 0 : -1;
    }
    return element(reader, &name, text) && is(name, "string") ? 1 : -1;
}

/* --- Assets */

enum { DATA, FULL_ID, ID, NAME, DESCRIPTION, TYPE, LOCAL, TEMPORARY, CREATOR, FLAGS, MEMBERS };

struct asset {
    /* What stands in the elements, in the document's memory. */
    gs_str members[MEMBERS];
    int has[MEMBERS];
    char id[ID_SIZE];
};

static int is_boolean(gs_str text)
{
    return is(text, "true") || is(text, "false") || is(text, "1") || is(text, "0");
}

static int is_type(gs_str text)
{
    int number = 0, negative = text.len > 0 && *text.ptr == '-';
    size_t at = (size_t)negative;
    if (at == text.len || text.len > 4) {
        return 0;
    }
    for (; at < text.len; at++) {
        if (text.ptr[at] < '0' || text.ptr[at] > '9') {
            return 0;
        }
        number = number * 10 + (text.ptr[at] - '0');
    }
    return number <= (negative ? 128 : 127);
}

static int are_flags(gs_str text)
{
    while ((text = trim(text)).len > 0) {
        gs_str word = gs_text(text.ptr, 0);
        while (word.len < text.len && !is_blank(text.ptr[word.len])) {
            word.len++;
        }
        if (!is(word, "Normal") && !is(word, "Maptile") && !is(word, "Rewritable") && !is(word, "Collectable")) {
            return 0;
        }
        text.ptr += word.len;
        text.len -= word.len;
    }
    return 1;
}

static int is_well_formed(gs_str text)
{
    return cut(text, (size_t)-1).len == text.len;
}

/* Reads an AssetBase document. 0 when it is none, or an element holds what it must not. */
static int read_asset(gs_str document, struct asset *asset)
{
    static const char *const names[MEMBERS] = {"Data", "FullID", "ID",        "Name",      "Description",
                                               "Type", "Local",  "Temporary", "CreatorID", "Flags"};
    struct reader reader;
    gs_str *members = asset->members;
    int is_empty, at;
    memset(asset, 0, sizeof *asset);
    if (!begin(&reader, document, "AssetBase", &is_empty) || is_empty) {
        return 0;
    }
    for (skip_blanks(&reader); !starts(&reader, "</"); skip_blanks(&reader)) {
        gs_str name, text, inner;
        if (starts(&reader, "<FullID>")) {
            name = GS_STR("FullID");
            advance(&reader, strlen("<FullID>"));
            skip_blanks(&reader);
            if (!element(&reader, &inner, &text) || !is(inner, "Guid")) {
                return 0;
            }
            skip_blanks(&reader);
            if (!close_tag(&reader, name)) {
                return 0;
            }
        } else if (!element(&reader, &name, &text)) {
            return 0;
        }
        for (at = 0; at < MEMBERS && !is(name, names[at]); at++) {
        }
        if (at < MEMBERS && !asset->has[at]) {
            asset->has[at] = 1;
            members[at] = at == DATA || at == NAME || at == DESCRIPTION || at == CREATOR ? text : trim(text);
        }
    }
    if (!close_tag(&reader, GS_STR("AssetBase")) || !at_end(&reader)) {
        return 0;
    }
    if (!asset->has[TYPE]) {
        members[TYPE] = GS_STR("-1");
    }
    for (at = LOCAL; at <= TEMPORARY; at++) {
        if (!asset->has[at]) {
            members[at] = GS_STR("false");
        }
    }
    if (members[FLAGS].len == 0) {
        members[FLAGS] = GS_STR("Normal");
    }
    if (!read_id(members[ID], asset->id) && !read_id(members[FULL_ID], asset->id)) {
        memcpy(asset->id, ZERO_ID, ID_SIZE);
    }
    return is_base64(members[DATA]) && is_type(members[TYPE]) && is_boolean(members[LOCAL]) && is_boolean(members[TEMPORARY]) &&
           are_flags(members[FLAGS]) && is_well_formed(members[NAME]) && is_well_formed(members[DESCRIPTION]) &&
           is_well_formed(members[CREATOR]);
}

/* What no store takes (assets.md section 4). */
static int can_be_stored(const struct asset *asset)
{
    gs_str creator = asset->members[CREATOR];
    return asset->has[DATA] && cut(creator, MAX_CREATOR_UNITS).len == creator.len;
}

static void write_names(struct text *out, const struct asset *asset)
{
    gs_str id = gs_text(asset->id, ID_SIZE - 1);
    text_put(out, "\n  <FullID>");
    text_element(out, 2, "Guid", id);
    text_put(out, "\n  </FullID>");
    text_element(out, 1, "ID", id);
    text_element(out, 1, "Name", cut(asset->members[NAME], MAX_NAME_UNITS));
    text_element(out, 1, "Description", cut(asset->members[DESCRIPTION], MAX_NAME_UNITS));
}

static void write_rest(struct text *out, const struct asset *asset)
{
    text_element(out, 1, "Local", asset->members[LOCAL]);
    text_element(out, 1, "Temporary", asset->members[TEMPORARY]);
    text_element(out, 1, "CreatorID", asset->members[CREATOR]);
    text_element(out, 1, "Flags", asset->members[FLAGS]);
}

/* The AssetBase document that is kept. */
static void write_asset(struct text *out, const struct asset *asset)
{
    text_put(out, PROLOG "<AssetBase" NAMESPACES ">");
    text_element(out, 1, "Data", asset->members[DATA]);
    write_names(out, asset);
    text_element(out, 1, "Type", asset->members[TYPE]);
    text_put(out, "\n  <UploadAttempts>0</UploadAttempts>");
    write_rest(out, asset);
    text_put(out, "\n</AssetBase>");
}

/* The AssetMetadata document. Its ContentType says nothing, so that readers keep to the type. */
static void write_metadata(struct text *out, const struct asset *asset)
{
    text_put(out, PROLOG "<AssetMetadata" NAMESPACES ">");
    write_names(out, asset);
    text_put(out, "\n  <CreationDate>0001-01-01T00:00:00</CreationDate>");
    text_element(out, 1, "Type", asset->members[TYPE]);
    text_put(out, "\n  <ContentType>application/octet-stream</ContentType>");
    write_rest(out, asset);
    text_put(out, "\n</AssetMetadata>");
}

#endif
