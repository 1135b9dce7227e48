/*
 * A plugin for tests. Without switches it keeps all rules; each switch breaks one, or changes what the plugin says of itself.
 *
 *   NAME, VERSION, SERVICES, CAPABILITIES   what it says of itself; NAME must be given
 *   ROUTE                                   where it listens, besides /since-VERSION/NAME
 *   SERIAL, NOT_BLOCKING, CONFIG_KEYS       the same
 *   NO_NOTE, NOTE_MAGIC, NOTE_MAJOR         no note, or another one
 *   MINOR                                   the minor version that it says to be built against
 *   FUNCTION_MAJOR, FUNCTION_MINOR          the version functions say this, whatever the note says
 *   NO_ENTRY, NO_HANDLE, ENTRY_NULL         what is missing
 *   STRUCT_SIZE                             the size of the table
 *   NEWER                                   structs of a later minor version, with members that the server does not know
 *   OLDER_CALLS                             no members but the required ones
 *   CREATE_STATUS, PROPERTY_STATUS          what those functions return
 *   SLOW_CREATE                             milliseconds
 *   UNDEFINED                               it needs a function that nobody has
 *   CRASH, HANG                             its constructor ends the process, or does not end
 *   NO_RECONFIGURE                          it does not take changed sections over
 *   RELAY                                   it has each request answered by the server's own service of the same name
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gridshell_plugin.h"

#ifndef VERSION
#define VERSION "1.0.0"
#endif
#ifndef SERVICES
#define SERVICES "test"
#endif
#ifndef CAPABILITIES
#define CAPABILITIES "http,console,call-service"
#endif
#ifndef ROUTE
#define ROUTE "/" NAME
#endif
#ifndef MINOR
#define MINOR GS_ABI_MINOR
#endif
#ifndef NOTE_MAGIC
#define NOTE_MAGIC GS_NOTE_MAGIC
#endif
#ifndef NOTE_MAJOR
#define NOTE_MAJOR GS_ABI_MAJOR
#endif

#ifndef NO_NOTE
__attribute__((used, section(GS_NOTE_SECTION), aligned(4))) static const gs_note note = {
    (uint32_t)sizeof(GS_NOTE_OWNER), 16, GS_NOTE_TYPE, GS_NOTE_OWNER, NOTE_MAGIC, NOTE_MAJOR, MINOR, (uint32_t)sizeof(void *), 0};
#endif
#ifndef FUNCTION_MAJOR
#define FUNCTION_MAJOR GS_ABI_MAJOR
#endif
#ifndef FUNCTION_MINOR
#define FUNCTION_MINOR MINOR
#endif
GS_EXPORT uint32_t gridshell_plugin_abi_major(void) { return FUNCTION_MAJOR; }
GS_EXPORT uint32_t gridshell_plugin_abi_minor(void) { return FUNCTION_MINOR; }

#ifdef CRASH
__attribute__((constructor)) static void crash(void) { abort(); }
#endif
#ifdef HANG
static void pause_for(long milliseconds);
__attribute__((constructor)) static void hang(void) { pause_for(3600000); }
#endif
#ifdef UNDEFINED
extern void gridshell_no_such_function(void);
#endif

typedef struct instance {
    const gs_host *host;
    char word[64];
} instance;

/* Of all instances, since the process began. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gathered = PTHREAD_COND_INITIALIZER;
static long handled, released, running, most_running, living;

static void pause_for(long milliseconds)
{
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* Waits until so many requests have been under way at the same time. */
static void gather(long count)
{
    pthread_mutex_lock(&lock);
    while (most_running < count) pthread_cond_wait(&gathered, &lock);
    pthread_mutex_unlock(&lock);
}

static int is(gs_str text, const char *literal)
{
    return text.len == strlen(literal) && (text.len == 0 || memcmp(text.ptr, literal, text.len) == 0);
}

static void say(const gs_host *host, const char *text) { host->log(host->ctx, GS_LOG_INFO, gs_text(text, strlen(text))); }

static int32_t get_property(gs_str name, gs_str *out)
{
    static const char *const known[][2] = {
        {GS_PROPERTY_NAME, NAME},
        {GS_PROPERTY_VERSION, VERSION},
        {GS_PROPERTY_SERVICES, SERVICES},
        {GS_PROPERTY_CAPABILITIES, CAPABILITIES},
        {GS_PROPERTY_BUILD, "cc " __VERSION__},
#ifdef SERIAL
        {GS_PROPERTY_THREADING, "serial"},
#endif
#ifdef NOT_BLOCKING
        {GS_PROPERTY_BLOCKING, "no"},
#endif
#ifdef CONFIG_KEYS
        {GS_PROPERTY_CONFIG_KEYS, CONFIG_KEYS},
#endif
    };
#ifdef PROPERTY_STATUS
    if (is(name, GS_PROPERTY_SERVICES)) return PROPERTY_STATUS;
#endif
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (is(name, known[i][0])) {
            *out = gs_text(known[i][1], strlen(known[i][1]));
            return GS_OK;
        }
    }
    return GS_UNKNOWN;
}

/* The value of a key, empty when it is not there. */
static void read_key(const gs_config *config, const char *key, char *out, size_t size)
{
    out[0] = 0;
    for (size_t i = 0; i < config->entry_count; i++) {
        gs_str value = config->entries[i].value;
        if (is(config->entries[i].name, key) && value.len < size) {
            memcpy(out, value.ptr, value.len);
            out[value.len] = 0;
            return;
        }
    }
}

/* Waits until there is a file. Gives how its content begins. */
static int wait_for(const char *path)
{
    int file;
    while ((file = open(path, O_RDONLY)) < 0) pause_for(1);
    char first = 0;
    if (read(file, &first, 1) < 0) first = 0;
    close(file);
    return first;
}

static int32_t create(const gs_host *host, const gs_config *config, void **out)
{
#ifdef SLOW_CREATE
    pause_for(SLOW_CREATE);
#endif
#ifdef CREATE_STATUS
    say(host, "will not be made");
    (void)config, (void)out;
    return CREATE_STATUS;
#else
    instance *self = calloc(1, sizeof(*self));
    if (self == NULL) return GS_FAILED;
    self->host = host;
    read_key(config, "Word", self->word, sizeof(self->word));
    /* It begins only where this file is. */
    char path[300];
    read_key(config, "Needs", path, sizeof(path));
    if (strcmp(self->word, "bad") == 0 || (path[0] != 0 && access(path, F_OK) != 0)) {
        free(self);
        return 9;
    }
    if (strstr(CAPABILITIES, "http") != NULL) {
        gs_str service = GS_STR(SERVICES);
        if (host->register_route(host->ctx, service, GS_STR("GET"), GS_STR(ROUTE)) != GS_OK ||
            host->register_route(host->ctx, service, GS_STR("POST"), GS_STR(ROUTE)) != GS_OK ||
            host->register_route(host->ctx, service, GS_STR("GET"), GS_STR("/since-" VERSION "/" NAME)) != GS_OK) {
            free(self);
            return GS_FAILED;
        }
    }
    pthread_mutex_lock(&lock);
    living++;
    pthread_mutex_unlock(&lock);
    say(host, "made " VERSION);
    *out = self;
    return GS_OK;
#endif
}

static void destroy(void *pointer)
{
    instance *self = pointer;
    say(self->host, "destroyed " VERSION);
    pthread_mutex_lock(&lock);
    living--;
    pthread_mutex_unlock(&lock);
    free(self);
}

/* Fills a response with a copy of these bytes. */
static int32_t answer(gs_response *response, uint32_t status, const char *bytes, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    if (copy == NULL) return GS_FAILED;
    memcpy(copy, bytes, len);
    response->status = status;
    response->body.ptr = copy;
    response->body.len = len;
    response->owner_token = copy;
    return GS_OK;
}

static int32_t text(gs_response *response, const char *bytes) { return answer(response, 200, bytes, strlen(bytes)); }

static int32_t echo(const gs_request *request, gs_response *response)
{
    char line[4096];
    gs_str header = {NULL, 0};
    for (size_t i = 0; i < request->header_count; i++) {
        if (is(request->headers[i].name, "x-test")) header = request->headers[i].value;
    }
    int length = snprintf(line, sizeof(line), "%.*s|%.*s|%.*s|%.*s|%.*s|%.*s|%.*s|%.*s", (int)request->service.len,
                          request->service.ptr, (int)request->method.len, request->method.ptr, (int)request->path.len,
                          request->path.ptr, (int)request->rest.len, request->rest.ptr, (int)request->query.len,
                          request->query.ptr, (int)header.len, header.ptr, (int)request->body.len,
                          (const char *)request->body.ptr, (int)request->peer.len, request->peer.ptr);
    return answer(response, 200, line, (size_t)length);
}

static int32_t headers(gs_response *response, size_t count)
{
    static gs_pair pairs[2000];
    static const gs_pair first[] = {{{"X-Plugin", 8}, {"yes", 3}}, {{"Content-Type", 12}, {"text/x-test", 11}},
                                    {{"Content-Length", 14}, {"7", 1}}, {{"Connection", 10}, {"upgrade", 7}}};
    for (size_t i = 0; i < count; i++) pairs[i] = i < 4 ? first[i] : (gs_pair){{"X-Many", 6}, {"value", 5}};
    response->headers = pairs;
    response->header_count = count;
    return text(response, "headers");
}

/* What the next minor version may add to each struct. */
typedef struct later {
    void (*unknown[8])(void);
} later;

static void never(void) { abort(); }

#define LATER {{never, never, never, never, never, never, never, never}}

/* Asks the server's asset service for the path in the query. */
static int32_t call(instance *self, const gs_request *request, gs_response *response)
{
    struct { gs_request known; later more; } inner = {{0}, LATER};
    struct { gs_response known; later more; } found = {{0}, LATER};
#ifdef NEWER
    inner.known.struct_size = sizeof(inner);
    found.known.struct_size = sizeof(found);
#else
    inner.known.struct_size = sizeof(inner.known);
    found.known.struct_size = sizeof(found.known);
#endif
    if (is(request->rest, "/call-short-request")) inner.known.struct_size = GS_REQUEST_SIZE_1_0 - 1;
    if (is(request->rest, "/call-short-response")) found.known.struct_size = GS_RESPONSE_SIZE_1_0 - 1;
    inner.known.method = GS_STR("GET");
    inner.known.path = request->query;
    gs_str service = is(request->rest, "/call-unknown") ? GS_STR("nonsense") : GS_STR("asset");
    int32_t status = self->host->call_service(self->host->ctx, service, &inner.known, &found.known);
    if (status != GS_OK) {
        char line[32];
        snprintf(line, sizeof(line), "status %d", (int)status);
        return text(response, line);
    }
    int32_t outcome = answer(response, found.known.status, (const char *)found.known.body.ptr, found.known.body.len);
    self->host->release_response(self->host->ctx, &found.known);
    for (size_t i = 0; i < sizeof(found.more.unknown) / sizeof(found.more.unknown[0]); i++) {
        if (found.more.unknown[i] != never) return GS_FAILED;
    }
    return outcome;
}

/* Has the server's own service of the same name answer. The answer stays the server's until it is released. */
static int32_t relay(instance *self, const gs_request *request, gs_response *response)
{
    gs_response *found = calloc(1, sizeof(*found));
    if (found == NULL) return GS_FAILED;
    found->struct_size = sizeof(*found);
    int32_t status = self->host->call_service(self->host->ctx, request->service, request, found);
    if (status != GS_OK) {
        free(found);
        return status;
    }
    response->status = found->status;
    response->headers = found->headers;
    response->header_count = found->header_count;
    response->body = found->body;
    response->owner_token = found;
    return GS_OK;
}

/* A key of the configuration: the query is `Section:Key`. */
static int32_t config(instance *self, const gs_request *request, gs_response *response)
{
    gs_str value;
    size_t colon = request->query.len;
    for (size_t i = 0; i < request->query.len; i++) {
        if (request->query.ptr[i] == ':') colon = i;
    }
    if (colon == request->query.len) return GS_FAILED;
    gs_str key = gs_text(request->query.ptr + colon + 1, request->query.len - colon - 1);
    int32_t status = self->host->config_get(self->host->ctx, gs_text(request->query.ptr, colon), key, &value);
    if (status == GS_OK) return answer(response, 200, value.ptr, value.len);
    char line[32];
    snprintf(line, sizeof(line), "status %d", (int)status);
    return text(response, line);
}

static int32_t respond(instance *self, const gs_request *request, gs_response *response)
{
#ifdef RELAY
    return relay(self, request, response);
#endif
    char line[300];
    gs_str rest = request->rest;
    if (is(rest, "")) return text(response, "hello from " VERSION);
    if (is(rest, "/word")) return text(response, self->word);
    if (is(rest, "/echo")) return echo(request, response);
    if (is(rest, "/panic")) return GS_PANIC;
    if (is(rest, "/seven")) return 7;
    if (is(rest, "/refused")) return GS_INVALID;
    if (is(rest, "/status")) return answer(response, 99, "", 0);
    if (is(rest, "/missing")) return answer(response, 404, "not here", 8);
    if (is(rest, "/empty")) return answer(response, 200, "", 0);
    if (is(rest, "/headers")) return headers(response, 500);
    if (is(rest, "/too-many-headers")) return headers(response, 1500);
    if (rest.len >= 5 && memcmp(rest.ptr, "/call", 5) == 0) return call(self, request, response);
    if (is(rest, "/config")) return config(self, request, response);
    if (is(rest, "/late-route")) {
        int32_t status = self->host->register_route(self->host->ctx, GS_STR(SERVICES), GS_STR("GET"), GS_STR("/late"));
        snprintf(line, sizeof(line), "status %d", (int)status);
        return text(response, line);
    }
    if (is(rest, "/metric")) {
        snprintf(line, sizeof(line), "status %d", (int)self->host->metric_add(self->host->ctx, GS_STR("asked"), 2));
        return text(response, line);
    }
    if (is(rest, "/sleep")) {
        snprintf(line, sizeof(line), "%.*s", (int)(request->query.len < 9 ? request->query.len : 9), request->query.ptr);
        pause_for(atol(line));
        return text(response, "slept");
    }
    if (is(rest, "/gather")) {
        snprintf(line, sizeof(line), "%.*s", (int)(request->query.len < 9 ? request->query.len : 9), request->query.ptr);
        gather(atol(line));
        return text(response, "gathered");
    }
    if (is(rest, "/until")) {
        /* Each that is begun is a byte. */
        snprintf(line, sizeof(line), "%.*s.begun", (int)request->query.len, request->query.ptr);
        int begun = open(line, O_WRONLY | O_APPEND | O_CREAT, 0600);
        if (begun < 0 || write(begun, "x", 1) != 1) return GS_FAILED;
        close(begun);
        line[request->query.len] = 0;
        return wait_for(line) == '!' ? GS_PANIC : text(response, "there it is");
    }
    if (is(rest, "/big")) {
        size_t len = 64 << 20;
        uint8_t *bytes = malloc(len);
        if (bytes == NULL) return GS_FAILED;
        for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)(i * 7 + (i >> 8));
        response->status = 200;
        response->body.ptr = bytes;
        response->body.len = len;
        response->owner_token = bytes;
        return GS_OK;
    }
    if (is(rest, "/crash")) {
        static int *volatile nowhere;
        *nowhere = 1;
        return GS_FAILED;
    }
    if (is(rest, "/sum")) {
        uint64_t sum = 0;
        for (size_t i = 0; i < request->body.len; i++) sum = sum * 31 + request->body.ptr[i];
        snprintf(line, sizeof(line), "%llu", (unsigned long long)sum);
        return text(response, line);
    }
    if (is(rest, "/files")) {
        int files[2000], count = 0;
        while (count < 2000 && (files[count] = open("/dev/null", O_RDONLY)) >= 0) count++;
        for (int i = 0; i < count; i++) close(files[i]);
        snprintf(line, sizeof(line), "%d", count);
        return text(response, line);
    }
    if (is(rest, "/pid")) {
        snprintf(line, sizeof(line), "%ld", (long)getpid());
        return text(response, line);
    }
    if (is(rest, "/counts")) {
        pthread_mutex_lock(&lock);
        snprintf(line, sizeof(line), "handled %ld released %ld most %ld living %ld", handled, released, most_running, living);
        pthread_mutex_unlock(&lock);
        return text(response, line);
    }
    return answer(response, 404, "", 0);
}

static int32_t handle(void *pointer, const gs_request *request, gs_response *response)
{
#ifdef UNDEFINED
    gridshell_no_such_function();
#endif
    pthread_mutex_lock(&lock);
    if (++running > most_running) most_running = running;
    pthread_cond_broadcast(&gathered);
    pthread_mutex_unlock(&lock);
    int32_t status = respond(pointer, request, response);
    pthread_mutex_lock(&lock);
    running--;
    if (status == GS_OK) handled++;
    pthread_mutex_unlock(&lock);
    return status;
}

static void release(void *pointer, gs_response *response)
{
#ifdef RELAY
    instance *self = pointer;
    self->host->release_response(self->host->ctx, response->owner_token);
#else
    (void)pointer;
#endif
    free(response->owner_token);
    pthread_mutex_lock(&lock);
    released++;
    pthread_mutex_unlock(&lock);
}

static int32_t reconfigure(void *pointer, const gs_config *config)
{
#ifdef NO_RECONFIGURE
    (void)pointer, (void)config;
    return GS_NOT_SUPPORTED;
#else
    instance changed = *(instance *)pointer;
    read_key(config, "Word", changed.word, sizeof(changed.word));
    if (strcmp(changed.word, "bad") == 0) return 9;
    if (strcmp(changed.word, "panic") == 0) return GS_PANIC;
    char path[300];
    read_key(config, "Until", path, sizeof(path));
    if (path[0] != 0) wait_for(path);
    *(instance *)pointer = changed;
    say(changed.host, "reconfigured");
    return GS_OK;
#endif
}

static int32_t health(void *pointer, gs_str *detail)
{
    if (strcmp(((instance *)pointer)->word, "stuck") == 0) pause_for(3600000);
#ifdef RELAY
    /* It has no paths of its own to ask for them. */
    static char line[100];
    pthread_mutex_lock(&lock);
    snprintf(line, sizeof(line), "handled %ld released %ld", handled, released);
    pthread_mutex_unlock(&lock);
    *detail = gs_text(line, strlen(line));
#else
    *detail = GS_STR("in good health");
#endif
    return strcmp(((instance *)pointer)->word, "sick") == 0 ? GS_PANIC : GS_OK;
}

static int32_t command(void *pointer, gs_str line, gs_sink sink)
{
    (void)pointer;
    if (is(line, "fail")) return GS_FAILED;
    if (is(line, "panic")) return GS_PANIC;
    sink.write(sink.ctx, GS_STR("you said: "));
    sink.write(sink.ctx, line);
    sink.write(sink.ctx, GS_STR("\nand no more"));
    return GS_OK;
}

#ifndef NO_ENTRY
const gs_plugin *gridshell_plugin_entry_v1(const gs_host *host)
{
#ifdef NEWER
    static struct { gs_plugin known; later more; } table = {{0}, LATER};
    gs_plugin *plugin = &table.known;
#else
    static gs_plugin table;
    gs_plugin *plugin = &table;
#endif
    if (host == NULL || host->struct_size < GS_HOST_SIZE_1_0) return NULL;
    host->log(host->ctx, GS_LOG_DEBUG, GS_STR("entered"));
#ifdef ENTRY_NULL
    return NULL;
#endif
#ifdef STRUCT_SIZE
    plugin->struct_size = STRUCT_SIZE;
#else
    plugin->struct_size = sizeof(table);
#endif
    plugin->abi_minor = MINOR;
    plugin->get_property = get_property;
    plugin->create = create;
    plugin->destroy = destroy;
#ifndef NO_HANDLE
    plugin->handle = handle;
#else
    (void)handle;
#endif
    plugin->release = release;
#ifndef OLDER_CALLS
    plugin->reconfigure = reconfigure;
    plugin->health = health;
    plugin->command = command;
#else
    (void)reconfigure, (void)health, (void)command;
#endif
    return plugin;
}
#endif
