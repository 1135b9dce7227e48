/*
 * A plugin for gridshell: an asset service that keeps each asset as a file.
 *
 * The file is the AssetBase document of the asset (assets.md section 2), named by its id, in the folder of the key `Directory`. A file
 * is written whole, synced, and then linked to its name, so that it is there completely or not at all, and the first of two stores wins.
 * It answers what the server's asset wire asks (assets.md sections 3 to 5).
 */
#define _POSIX_C_SOURCE 200809L

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gridshell_plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "asset_document.h"

GRIDSHELL_PLUGIN_NOTE

/* A file that is longer than the longest document is none of ours. */
#define MAX_FILE_BYTES ((off_t)256 * 1024 * 1024)
/* How many ids one question for existence may have. */
#define MAX_IDS 100000
/* How many stores of one asset can be under way at the same time. */
#define MAX_STORES_OF_ONE 1000
/* Unfinished files of a process that ended early are removed when they are this old, in seconds. */
#define LEFT_OVER_AGE 3600
#define UNFINISHED ".new-"

struct store {
    const gs_host *host;
    int folder;
    char *path;
};

/* --- Answers */

static const gs_pair application_xml = {{"Content-Type", 12}, {"application/xml", 15}};
static const gs_pair text_xml = {{"Content-Type", 12}, {"text/xml", 8}};
static const gs_pair octets = {{"Content-Type", 12}, {"application/octet-stream", 24}};

/* The response takes the body over, which may be null for none. */
static int32_t answer(gs_response *response, uint32_t status, const gs_pair *content_type, struct text *body)
{
    response->headers = content_type;
    response->header_count = 1;
    response->status = status;
    if (body != NULL && body->failed) {
        text_free(body);
        response->status = 503;
    } else if (body != NULL) {
        response->body.ptr = (const uint8_t *)body->ptr;
        response->body.len = body->len;
        response->owner_token = body->ptr;
    }
    return GS_OK;
}

static int32_t no_body(gs_response *response, uint32_t status)
{
    return answer(response, status, &application_xml, NULL);
}

static int32_t value(gs_response *response, const char *element, gs_str text)
{
    struct text body = {NULL, 0, 0, 0};
    text_put(&body, PROLOG);
    text_element(&body, 0, element, text);
    return answer(response, 200, &application_xml, &body);
}

static int32_t boolean(gs_response *response, int is_true)
{
    return value(response, "boolean", is_true ? GS_STR("true") : GS_STR("false"));
}

/* What the disk refuses may work later: 503, which the server takes for "out of reach" and never for "not found". */
static int32_t disk_failure(const struct store *store, gs_response *response, const char *what, const char *id, int error)
{
    char line[300];
    int len = snprintf(line, sizeof line, "cannot %s asset %s: %s", what, id, strerror(error));
    if (len > 0) {
        store->host->log(store->host->ctx, GS_LOG_ERROR, gs_text(line, strlen(line)));
    }
    return no_body(response, 503);
}

/* --- Files */

/* Reads a file whole. 0, or the error; ENOENT when there is none. */
static int read_file(const struct store *store, const char *id, struct text *content)
{
    struct stat about;
    int error = 0;
    int file = openat(store->folder, id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) {
        return errno;
    }
    if (fstat(file, &about) != 0) {
        error = errno;
    } else if (!S_ISREG(about.st_mode) || about.st_size < 1 || about.st_size > MAX_FILE_BYTES) {
        error = EIO;
    } else if (!text_reserve(content, (size_t)about.st_size)) {
        error = ENOMEM;
    }
    while (error == 0 && content->len < (size_t)about.st_size) {
        ssize_t got = read(file, content->ptr + content->len, (size_t)about.st_size - content->len);
        if (got > 0) {
            content->len += (size_t)got;
        } else if (got == 0) {
            error = EIO;
        } else if (errno != EINTR) {
            error = errno;
        }
    }
    close(file);
    return error;
}

static int write_all(int file, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t put = write(file, at, len);
        if (put < 0 && errno != EINTR) {
            return errno;
        }
        if (put > 0) {
            at += put;
            len -= (size_t)put;
        }
    }
    return fsync(file) == 0 ? 0 : errno;
}

static int sync_folder(const struct store *store)
{
    return fsync(store->folder) == 0 ? 0 : errno;
}

/* Writes a file that is not there yet, and brings it to the disk. 0 also when it is there. */
static int write_file(const struct store *store, const char *id, const struct text *content)
{
    char unfinished[sizeof UNFINISHED + ID_SIZE + 12];
    int number, error, file = -1;
    for (number = 0; number < MAX_STORES_OF_ONE && file < 0; number++) {
        snprintf(unfinished, sizeof unfinished, UNFINISHED "%s-%d", id, number);
        file = openat(store->folder, unfinished, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (file < 0 && errno != EEXIST) {
            return errno;
        }
    }
    if (file < 0) {
        return EAGAIN;
    }
    error = write_all(file, content->ptr, content->len);
    if (close(file) != 0 && error == 0) {
        error = errno;
    }
    /* A link, unlike a rename, overwrites nothing. */
    if (error == 0 && linkat(store->folder, unfinished, store->folder, id, 0) != 0 && errno != EEXIST) {
        error = errno;
    }
    if (unlinkat(store->folder, unfinished, 0) != 0 && error == 0) {
        error = errno;
    }
    /* Also when it was there: who has stored it may not have come this far yet. */
    return error == 0 ? sync_folder(store) : error;
}

/* 0, ENOENT or another error. */
static int look(const struct store *store, const char *id)
{
    struct stat about;
    return fstatat(store->folder, id, &about, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
}

static void remove_left_overs(const struct store *store)
{
    struct dirent *entry;
    struct stat about;
    time_t now = time(NULL);
    DIR *folder = opendir(store->path);
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (strncmp(entry->d_name, UNFINISHED, sizeof UNFINISHED - 1) == 0 &&
            fstatat(store->folder, entry->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0 && about.st_mtime < now - LEFT_OVER_AGE) {
            unlinkat(store->folder, entry->d_name, 0);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

/* --- Requests */

static int32_t get(const struct store *store, gs_str id_text, gs_str form, gs_response *response)
{
    struct text file = {NULL, 0, 0, 0}, made = {NULL, 0, 0, 0};
    struct asset asset;
    char id[ID_SIZE];
    int error;
    if (form.len != 0 && !is(form, "data") && !is(form, "metadata")) {
        return no_body(response, 400);
    }
    if (!read_id(id_text, id)) {
        return no_body(response, 404);
    }
    error = read_file(store, id, &file);
    if (error != 0) {
        text_free(&file);
        return error == ENOENT ? no_body(response, 404) : disk_failure(store, response, "read", id, error);
    }
    if (form.len == 0) {
        return answer(response, 200, &text_xml, &file);
    }
    if (!read_asset(gs_text(file.ptr, file.len), &asset)) {
        text_free(&file);
        return disk_failure(store, response, "understand", id, EIO);
    }
    if (is(form, "data")) {
        /* What is decoded is shorter than what it is decoded from. */
        file.len = decode_base64(asset.members[DATA], file.ptr);
        return answer(response, 200, &octets, &file);
    }
    write_metadata(&made, &asset);
    text_free(&file);
    return answer(response, 200, &application_xml, &made);
}

static int32_t put(const struct store *store, gs_str body, gs_response *response)
{
    struct text document = {NULL, 0, 0, 0};
    struct asset asset;
    int error;
    if (!read_asset(body, &asset)) {
        return no_body(response, 400);
    }
    error = look(store, asset.id);
    if (error == 0) {
        /* There already, whatever comes with it. */
        error = sync_folder(store);
    } else if (error == ENOENT) {
        if (is(gs_text(asset.id, ID_SIZE - 1), ZERO_ID) || !can_be_stored(&asset)) {
            return value(response, "string", GS_STR(ZERO_ID));
        }
        write_asset(&document, &asset);
        error = document.failed ? ENOMEM : write_file(store, asset.id, &document);
        text_free(&document);
    }
    if (error != 0) {
        return disk_failure(store, response, "store", asset.id, error);
    }
    return value(response, "string", gs_text(asset.id, ID_SIZE - 1));
}

static int32_t delete_one(const struct store *store, gs_str id_text, gs_response *response)
{
    char id[ID_SIZE];
    int error;
    if (!read_id(id_text, id)) {
        return boolean(response, 0);
    }
    if (unlinkat(store->folder, id, 0) != 0) {
        return errno == ENOENT ? boolean(response, 0) : disk_failure(store, response, "delete", id, errno);
    }
    error = sync_folder(store);
    return error == 0 ? boolean(response, 1) : disk_failure(store, response, "delete", id, error);
}

static int32_t exist(const struct store *store, gs_str body, gs_response *response)
{
    struct text document = {NULL, 0, 0, 0};
    struct reader reader;
    gs_str text;
    char id[ID_SIZE];
    size_t count = 0;
    int more;
    if (!begin_list(&reader, body)) {
        return no_body(response, 400);
    }
    text_put(&document, PROLOG "<ArrayOfBoolean" NAMESPACES);
    while ((more = next_of_list(&reader, &text)) > 0) {
        int error = read_id(text, id) ? look(store, id) : ENOENT;
        if (error != 0 && error != ENOENT) {
            text_free(&document);
            return disk_failure(store, response, "look for", id, error);
        }
        if (count++ == 0) {
            text_put(&document, ">");
        }
        if (count > MAX_IDS) {
            more = -1;
            break;
        }
        text_element(&document, 1, "boolean", error == 0 ? GS_STR("true") : GS_STR("false"));
    }
    if (more < 0) {
        text_free(&document);
        return no_body(response, 400);
    }
    text_put(&document, count == 0 ? " />" : "\n</ArrayOfBoolean>");
    return answer(response, 200, &application_xml, &document);
}

/* The next piece of a path, empty at its end. */
static gs_str piece(gs_str *path)
{
    gs_str found;
    while (path->len > 0 && *path->ptr == '/') {
        path->ptr++;
        path->len--;
    }
    found = gs_text(path->ptr, 0);
    while (path->len > 0 && *path->ptr != '/') {
        path->ptr++;
        path->len--;
        found.len++;
    }
    return found;
}

static int32_t handle(void *instance, const gs_request *request, gs_response *response)
{
    const struct store *store = instance;
    gs_str path = request->path, body = gs_text((const char *)request->body.ptr, request->body.len);
    gs_str place = piece(&path), id = piece(&path), form = piece(&path);
    if (is(place, "assets") && is(request->method, "GET")) {
        return id.len == 0 ? no_body(response, 200) : get(store, id, form, response);
    }
    if (is(place, "assets") && is(request->method, "DELETE")) {
        return delete_one(store, id, response);
    }
    if (is(place, "assets") && is(request->method, "POST")) {
        struct asset asset;
        if (id.len == 0) {
            return put(store, body, response);
        }
        /* Assets do not change (assets.md section 4). */
        return read_asset(body, &asset) ? boolean(response, 0) : no_body(response, 400);
    }
    if (is(place, "get_assets_exist") && is(request->method, "POST")) {
        return exist(store, body, response);
    }
    return no_body(response, 404);
}

static void release(void *instance, gs_response *response)
{
    (void)instance;
    free(response->owner_token);
    response->owner_token = NULL;
}

/* --- Life */

static int32_t get_property(gs_str name, gs_str *out)
{
    static const struct {
        const char *name, *value;
    } properties[] = {
        {GS_PROPERTY_NAME, "asset_files"},         {GS_PROPERTY_VERSION, "1.0.0"},
        {GS_PROPERTY_LICENSE, "BSD-3-Clause"},     {GS_PROPERTY_SERVICES, "asset"},
        {GS_PROPERTY_THREADING, "concurrent"},     {GS_PROPERTY_CONFIG_KEYS, "Directory"},
        {GS_PROPERTY_BUILD, "cc " __VERSION__},
    };
    size_t at;
    for (at = 0; at < sizeof properties / sizeof properties[0]; at++) {
        if (is(name, properties[at].name)) {
            *out = gs_text(properties[at].value, strlen(properties[at].value));
            return GS_OK;
        }
    }
    return GS_UNKNOWN;
}

static void destroy(void *instance)
{
    struct store *store = instance;
    if (store->folder >= 0) {
        close(store->folder);
    }
    free(store->path);
    free(store);
}

static int32_t refuse(const gs_host *host, struct store *store, const char *path, const char *why)
{
    char line[500];
    int len = snprintf(line, sizeof line, "Directory = %.300s: %s", path, why);
    if (len > 0) {
        host->log(host->ctx, GS_LOG_ERROR, gs_text(line, strlen(line)));
    }
    if (store != NULL) {
        destroy(store);
    }
    return GS_FAILED;
}

static int32_t create(const gs_host *host, const gs_config *config, void **instance)
{
    gs_str path = {NULL, 0};
    struct store *store;
    size_t at;
    for (at = config->entry_count; at > 0; at--) {
        if (is(config->entries[at - 1].name, "Directory")) {
            path = config->entries[at - 1].value;
        }
    }
    if (path.len == 0 || *path.ptr != '/' || memchr(path.ptr, 0, path.len) != NULL) {
        return refuse(host, NULL, "?", "the absolute path of a folder is needed");
    }
    store = calloc(1, sizeof *store);
    if (store == NULL || (store->path = malloc(path.len + 1)) == NULL) {
        free(store);
        return GS_UNAVAILABLE;
    }
    memcpy(store->path, path.ptr, path.len);
    store->path[path.len] = 0;
    store->host = host;
    store->folder = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->folder < 0 || faccessat(store->folder, ".", W_OK | X_OK, 0) != 0) {
        return refuse(host, store, store->path, strerror(errno));
    }
    remove_left_overs(store);
    *instance = store;
    return GS_OK;
}

static int32_t health(void *instance, gs_str *detail)
{
    const struct store *store = instance;
    if (faccessat(store->folder, ".", W_OK | X_OK, 0) != 0) {
        *detail = GS_STR("the folder cannot be written to");
        return GS_FAILED;
    }
    *detail = gs_text(store->path, strlen(store->path));
    return GS_OK;
}

const gs_plugin *gridshell_plugin_entry_v1(const gs_host *host)
{
    static const gs_plugin plugin = {
        (uint32_t)sizeof(gs_plugin), GS_ABI_MINOR, get_property, create, destroy, handle, release, NULL, health, NULL};
    return GS_HAS(gs_host, host, log) ? &plugin : NULL;
}
