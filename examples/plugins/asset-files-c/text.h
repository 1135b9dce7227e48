/*
 * Text: built piece by piece, and looked at piece by piece. What comes out of a document stays as it is escaped there.
 */
#ifndef ASSET_TEXT_H
#define ASSET_TEXT_H

#include <gridshell_plugin.h>
#include <stdlib.h>
#include <string.h>

#define ID_SIZE 37

/* --- Text that grows. After a failed allocation it is `failed`, and takes nothing more. */

struct text {
    char *ptr;
    size_t len, capacity;
    int failed;
};

static void text_free(struct text *text)
{
    free(text->ptr);
    text->ptr = NULL;
    text->len = text->capacity = 0;
}

/* Makes room for more bytes. */
static int text_reserve(struct text *text, size_t more)
{
    size_t capacity = text->capacity < 512 ? 512 : text->capacity;
    char *ptr;
    if (text->failed || more > (size_t)-1 / 4 - text->len) {
        text->failed = 1;
        return 0;
    }
    while (capacity < text->len + more) {
        capacity *= 2;
    }
    if (capacity != text->capacity) {
        ptr = realloc(text->ptr, capacity);
        if (ptr == NULL) {
            text->failed = 1;
            return 0;
        }
        text->ptr = ptr;
        text->capacity = capacity;
    }
    return 1;
}

static void text_add(struct text *text, gs_str more)
{
    if (text_reserve(text, more.len) && more.len > 0) {
        memcpy(text->ptr + text->len, more.ptr, more.len);
        text->len += more.len;
    }
}

static void text_put(struct text *text, const char *more)
{
    text_add(text, gs_text(more, strlen(more)));
}

/* An element on a line of its own, but for the root. The content is escaped already. */
static void text_element(struct text *text, int depth, const char *name, gs_str content)
{
    text_put(text, depth == 0 ? "<" : depth == 1 ? "\n  <" : "\n    <");
    text_put(text, name);
    if (content.len == 0) {
        text_put(text, " />");
        return;
    }
    text_put(text, ">");
    text_add(text, content);
    text_put(text, "</");
    text_put(text, name);
    text_put(text, ">");
}

/* --- Pieces of text */

static int is(gs_str text, const char *what)
{
    return text.len == strlen(what) && (text.len == 0 || memcmp(text.ptr, what, text.len) == 0);
}

static int is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static gs_str trim(gs_str text)
{
    while (text.len > 0 && is_blank(*text.ptr)) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.ptr[text.len - 1])) {
        text.len--;
    }
    return text;
}

/* A UUID with or without hyphens, in lower case with them. Nothing else ever becomes a file's name. */
static int read_id(gs_str text, char id[ID_SIZE])
{
    size_t at = 0, put;
    text = trim(text);
    if (text.len != 36 && text.len != 32) {
        return 0;
    }
    for (put = 0; put < 36; put++) {
        char byte;
        if (put == 8 || put == 13 || put == 18 || put == 23) {
            id[put] = '-';
            if (text.len == 36 && text.ptr[at++] != '-') {
                return 0;
            }
            continue;
        }
        byte = text.ptr[at++];
        if (byte >= 'A' && byte <= 'F') {
            byte = (char)(byte - 'A' + 'a');
        }
        if (!((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f'))) {
            return 0;
        }
        id[put] = byte;
    }
    id[36] = 0;
    return 1;
}

static int base64_digit(char byte)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = byte == 0 ? NULL : memchr(digits, byte, 64);
    return found == NULL ? -1 : (int)(found - digits);
}

/* Blanks are passed over, padding may be missing. */
static int is_base64(gs_str text)
{
    size_t at, digits = 0, padding = 0;
    for (at = 0; at < text.len; at++) {
        if (text.ptr[at] == '=') {
            padding++;
        } else if (!is_blank(text.ptr[at])) {
            if (padding > 0 || base64_digit(text.ptr[at]) < 0) {
                return 0;
            }
            digits++;
        }
    }
    return digits % 4 != 1 && (padding == 0 || (padding <= 2 && (digits + padding) % 4 == 0));
}

/* Decodes what is_base64 has found good, to a place that may be before it in the same memory; gives the length. */
static size_t decode_base64(gs_str text, char *to)
{
    uint32_t bits = 0;
    size_t at, len = 0;
    int have = 0;
    for (at = 0; at < text.len; at++) {
        int digit = base64_digit(text.ptr[at]);
        if (digit < 0) {
            continue;
        }
        bits = (bits << 6 | (uint32_t)digit) & 0xFFFF;
        have += 6;
        if (have >= 8) {
            have -= 8;
            to[len++] = (char)(bits >> have & 0xFF);
        }
    }
    return len;
}

static int is_xml_character(uint32_t code)
{
    return code == 9 || code == 10 || code == 13 || (code >= 0x20 && code < 0xD800) || (code >= 0xE000 && code < 0xFFFE) ||
           (code >= 0x10000 && code < 0x110000);
}

/* `&amp;` or `&#x41;`: the bytes it has, 0 when it is malformed. */
static size_t reference(gs_str text, uint32_t *code)
{
    static const struct {
        const char *text;
        uint32_t code;
    } known[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    size_t at, length = 0;
    uint32_t base;
    while (length < text.len && length < 12 && text.ptr[length] != ';') {
        length++;
    }
    if (length == text.len || text.ptr[length] != ';') {
        return 0;
    }
    text.len = ++length;
    for (at = 0; at < sizeof known / sizeof known[0]; at++) {
        if (is(text, known[at].text)) {
            *code = known[at].code;
            return length;
        }
    }
    if (length < 4 || text.ptr[1] != '#') {
        return 0;
    }
    base = text.ptr[2] == 'x' ? 16 : 10;
    at = base == 16 ? 3 : 2;
    if (at == length - 1) {
        return 0;
    }
    for (*code = 0; at < length - 1; at++) {
        static const char digits[] = "0123456789abcdefABCDEF";
        const char *found = text.ptr[at] == 0 ? NULL : memchr(digits, text.ptr[at], base == 16 ? 22 : 10);
        if (found == NULL || *code > 0x10FFFF) {
            return 0;
        }
        *code = *code * base + (uint32_t)(found - digits - (found - digits > 15 ? 6 : 0));
    }
    return length;
}

/* The bytes of the character at the beginning of a text that is not empty, escaped or not; 0 when a document may not have it. */
static size_t next_character(gs_str text, uint32_t *code)
{
    const unsigned char *byte = (const unsigned char *)text.ptr;
    size_t at, length = 0;
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (*byte < 0x80) {
        length = 1;
    } else if (*byte >= 0xC0 && *byte < 0xF8) {
        length = *byte < 0xE0 ? 2 : *byte < 0xF0 ? 3 : 4;
    }
    if (*byte == '&') {
        length = reference(text, code);
        return length != 0 && is_xml_character(*code) ? length : 0;
    }
    if (length == 0 || length > text.len) {
        return 0;
    }
    *code = length == 1 ? *byte : *byte & (0xFFu >> (length + 1));
    for (at = 1; at < length; at++) {
        if ((byte[at] & 0xC0) != 0x80) {
            return 0;
        }
        *code = *code << 6 | (byte[at] & 0x3Fu);
    }
    return *code >= smallest[length] && is_xml_character(*code) ? length : 0;
}

/* The beginning of a text that has at most this many UTF-16 units. Of malformed text, the part before that. */
static gs_str cut(gs_str text, size_t max_units)
{
    gs_str rest = text;
    size_t units = 0;
    while (rest.len > 0) {
        uint32_t code = 0;
        size_t length = next_character(rest, &code);
        units += code > 0xFFFF ? 2 : 1;
        if (length == 0 || units > max_units) {
            break;
        }
        rest.ptr += length;
        rest.len -= length;
    }
    text.len -= rest.len;
    return text;
}

#endif
