/*
 * gridshell_plugin.h: the interface between gridshell and its plugins, version 1.0.
 *
 * A plugin is a shared library that the server loads at start. It exports the three functions at the end of this file and one note
 * (GRIDSHELL_PLUGIN_NOTE) that the server reads before it loads anything. Everything else goes through two tables of functions: the
 * server's (gs_host) and the plugin's (gs_plugin).
 *
 * Rules
 *
 * Sizes     Every struct that begins with struct_size may grow at its end in a later minor version, never into its padding. Who makes one
 *           sets struct_size to the sizeof it was compiled with. No struct is smaller than in version 1.0 (GS_..._SIZE_1_0): a smaller
 *           one is refused, and who keeps to the members of 1.0 needs no other look at the size. Of later members, only those are used
 *           that lie inside struct_size (GS_HAS); a missing function, like a null one, means "not supported". Who fills in a struct of
 *           the other side writes nothing behind its struct_size. gs_str, gs_bytes, gs_pair, gs_sink and gs_note never grow.
 * Text      is UTF-8, pointer and length, not ended by a zero byte. With length 0 the pointer may be null.
 * Memory    What a function is given is borrowed: it is valid until the function returns, where nothing else is said. What a function
 *           gives back belongs to the side that made it. Neither side ever frees the other's memory.
 * Threads   Any function may be called in any thread. `handle`, `health`, `command` and `reconfigure` of one instance may run at the same
 *           time, but none runs before `create` has returned or after `destroy` was called. Two calls of `health`, `command` or
 *           `reconfigure` of one instance never overlap; calls of `handle` do, unless the property `threading` is `serial`.
 * Status    Functions that return int32_t return GS_OK, a negative number (refused: the call broke a rule, or asked for what does not
 *           exist), or a positive one (it failed). GS_PANIC means that the function was left by a panic or an exception.
 * Unwinding No exception, panic or longjmp may leave a function of either side. Who writes C++ catches everything (`catch (...)`) and
 *           returns GS_PANIC.
 * Versions  A new minor version only adds. A new major version has an entry function with another name, and servers support the
 *           previous one too.
 *
 * A plugin has all rights of the server's process. It must not end the process, change signal handlers, or fork.
 */
#ifndef GRIDSHELL_PLUGIN_H
#define GRIDSHELL_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this file. */
#define GS_ABI_MAJOR 1
#define GS_ABI_MINOR 0

/* Status codes. */
#define GS_OK 0
/* The function, or what it was asked for, is not supported by this side. */
#define GS_NOT_SUPPORTED (-1)
/* There is no property, key or service of this name. */
#define GS_UNKNOWN (-2)
/* Not permitted: the capability is not declared, the section is not readable, or it is too late to register a route. */
#define GS_REFUSED (-3)
/* An argument breaks a rule: a null pointer, text that is not UTF-8, a struct_size that is too small. */
#define GS_INVALID (-4)
/* Not possible now; may be later. */
#define GS_UNAVAILABLE (-5)
/* It failed. Any other positive number but GS_PANIC means the same; the server writes the number into its log. */
#define GS_FAILED 1
/* A panic or an exception was caught at the border. */
#define GS_PANIC 255

/* Levels of gs_host.log. */
#define GS_LOG_ERROR 0
#define GS_LOG_WARN 1
#define GS_LOG_INFO 2
#define GS_LOG_DEBUG 3
#define GS_LOG_TRACE 4

/* Capabilities: what the property `capabilities` may name, separated by commas. */
/* The plugin listens: it may call register_route. */
#define GS_CAPABILITY_HTTP "http"
/* The plugin has console commands: `command` may be called. */
#define GS_CAPABILITY_CONSOLE "console"
/* The plugin asks services of the server: it may call call_service. */
#define GS_CAPABILITY_CALL_SERVICE "call-service"

/* Properties: what get_property is asked for. The server needs `name` and `services`; all others may be unknown. */
/* What the plugin is called. Must be the file's name without `lib` and `.so`. */
#define GS_PROPERTY_NAME "name"
#define GS_PROPERTY_VERSION "version"
#define GS_PROPERTY_AUTHOR "author"
#define GS_PROPERTY_LICENSE "license"
/* The services that it fulfils or listens for, separated by commas: `asset`, `name2key`, or a name of its own. */
#define GS_PROPERTY_SERVICES "services"
/* See GS_CAPABILITY_...; unknown means none. */
#define GS_PROPERTY_CAPABILITIES "capabilities"
/* `concurrent` (also when unknown) or `serial`: one call of `handle` at a time. */
#define GS_PROPERTY_THREADING "threading"
/* `unwind` or `abort`: what a panic does, for the operator. */
#define GS_PROPERTY_PANIC "panic"
/* What it was built with, shown in messages: compiler, version, target. */
#define GS_PROPERTY_BUILD "build"
/* `true` or `false`: whether the library could be unloaded. Never acted upon in 1.0. */
#define GS_PROPERTY_SUPPORTS_UNLOAD "supports-unload"
/* The keys that it reads from its section, separated by commas. The server warns about others. Unknown: no key is checked. */
#define GS_PROPERTY_CONFIG_KEYS "config-keys"
/* `yes` (also when unknown): `handle` may wait, for a disk, another server, or call_service, and runs in a thread of its own. `no`: it
 * returns at once and never calls call_service, and may run in the thread that serves the request, which costs far less. The server
 * refuses `no` together with the capability `call-service`. */
#define GS_PROPERTY_BLOCKING "blocking"

/* Text: UTF-8, `len` bytes. */
typedef struct gs_str {
    const char *ptr;
    size_t len;
} gs_str;

/* Bytes of any kind. */
typedef struct gs_bytes {
    const uint8_t *ptr;
    size_t len;
} gs_bytes;

/* A header of a request or response, or a key of a section. */
typedef struct gs_pair {
    gs_str name;
    gs_str value;
} gs_pair;

/* Where `command` writes to. */
typedef struct gs_sink {
    void *ctx;
    /* Writes text to the console, as it is: lines end with a line feed. Only while the command runs, in its thread. Never null. */
    void (*write)(void *ctx, gs_str text);
} gs_sink;

/* A request. Made by the server for `handle`, by the plugin for call_service. */
typedef struct gs_request {
    uint32_t struct_size;
    /* The service that is asked, one of the property `services`. call_service has it as an argument and ignores it here. */
    gs_str service;
    /* `GET`, `POST`, ... in capitals. */
    gs_str method;
    /* The absolute path, without query string. For `handle` it is normalised: percent codes of letters, digits and `-._~` are decoded (no
     * others), `.` and `..` are resolved, and one trailing slash is removed. */
    gs_str path;
    /* For a route of register_route, what follows the registered prefix in `path`; matching is textual, so it need not begin with a
     * slash. Where the plugin fulfils a service of the server, there is no prefix and this is all of `path`. call_service ignores it. */
    gs_str rest;
    /* The query string, without `?`, still encoded. Empty when there is none. */
    gs_str query;
    /* The headers; names in lower case. What is not text is left out. */
    const gs_pair *headers;
    size_t header_count;
    /* The body, whole. The server bounds it. */
    gs_bytes body;
    /* The address of who asks, as text without port. Empty when the server itself asks. call_service ignores it. */
    gs_str peer;
} gs_request;

/* A response. For `handle` the server makes it, zeroed but for struct_size, and the plugin fills it in; for call_service the other way
 * round. */
typedef struct gs_response {
    uint32_t struct_size;
    /* The HTTP status, 200 to 599. */
    uint32_t status;
    /* The headers, names in any case. Content-Length, Date and those of the connection are the server's and are ignored. Without
     * Content-Type the server sends `text/html;charset=UTF-8`. */
    const gs_pair *headers;
    size_t header_count;
    /* The body, whole. */
    gs_bytes body;
    /* For the side that has filled it in, to find what there is to free. The other side does not touch it. */
    void *owner_token;
} gs_response;

/* The plugin's section of the configuration. */
typedef struct gs_config {
    uint32_t struct_size;
    /* The section's name. */
    gs_str section;
    /* The keys in their order, after includes and substitution. Where a name is there twice, the first counts. Keys that are the server's
     * (its limits for the plugin) are here too. */
    const gs_pair *entries;
    size_t entry_count;
} gs_config;

/*
 * The server's functions. None of them is null in a server that offers 1.0; none unwinds.
 *
 * `create` is given a table for its instance, which stays valid until `destroy` has returned; functions of it may be called from any
 * thread until then. The table of gridshell_plugin_entry_v1 is valid for the life of the process, and of its functions only log and
 * now_ms work. The first argument of each function is the table's ctx.
 */
typedef struct gs_host {
    uint32_t struct_size;
    /* The minor version that the server offers. */
    uint32_t abi_minor;
    void *ctx;
    /* Writes a line into the server's log, marked as the plugin's. Level: GS_LOG_... */
    void (*log)(void *ctx, int32_t level, gs_str text);
    /* Reads a key of the server's configuration, after includes and substitution. Readable are the plugin's own section and those that
     * the operator lists for it. The text stays valid until `destroy` has returned. GS_UNKNOWN: no such key. GS_REFUSED: the section is
     * not readable. */
    int32_t (*config_get)(void *ctx, gs_str section, gs_str key, gs_str *out);
    /* Milliseconds since 1970 (UTC). */
    int64_t (*now_ms)(void *ctx);
    /* Asks a service of the server with a request of the service's own wire, and waits for the answer. After GS_OK the response belongs
     * to the server: give it back with release_response. After anything else there is nothing to give back. GS_UNKNOWN: the server has no
     * such service: it knows `asset`, `baked_texture`, `inventory` and `name2key`, where its configuration has a connector for them.
     * GS_REFUSED: capability `call-service` is not declared. GS_UNAVAILABLE: it cannot be asked now. */
    int32_t (*call_service)(void *ctx, gs_str service, const gs_request *request, gs_response *response);
    /* Frees what call_service has put into the response, exactly once. */
    void (*release_response)(void *ctx, gs_response *response);
    /* From now on `handle` gets the requests with this method whose path begins with this prefix, for a service of the property
     * `services`; they arrive where the configuration lets that service listen. Only while `create` runs. GS_REFUSED: later, or capability
     * `http` is not declared. GS_UNKNOWN: no such service. GS_INVALID: no method, or a prefix that does not begin with a slash. */
    int32_t (*register_route)(void *ctx, gs_str service, gs_str method, gs_str path_prefix);
    /* Adds to a counter of the plugin, which appears among the server's metrics. The name has only a-z, 0-9 and _, and begins with a
     * letter; else GS_INVALID. GS_UNAVAILABLE: the plugin has too many counters. */
    int32_t (*metric_add)(void *ctx, gs_str name, uint64_t amount);
} gs_host;

/* The plugin's functions. `get_property` to `release` must be there; the others may be null. */
typedef struct gs_plugin {
    uint32_t struct_size;
    /* The minor version that the plugin was built against. */
    uint32_t abi_minor;
    /* Tells a property (GS_PROPERTY_...). The text stays valid for the life of the process. GS_UNKNOWN: there is no such property, which is
     * not the same as an empty one. Works before `create`. */
    int32_t (*get_property)(gs_str name, gs_str *out);
    /* Makes an instance: the place to read the configuration, open files, start threads and register routes. Several instances may
     * exist at the same time. What *instance is set to is the server's handle for all other functions; it may be null. Whatever goes wrong, say
     * it with host->log, clean up, and return a status other than GS_OK: `destroy` is not called then. */
    int32_t (*create)(const gs_host *host, const gs_config *config, void **instance);
    /* Ends an instance, and its threads. No other function of it is running then. */
    void (*destroy)(void *instance);
    /* Answers a request. After GS_OK the server calls `release` exactly once, whatever it makes of the response. After anything else the
     * response is not looked at and not released, and the client is told of a failure (status 500). */
    int32_t (*handle)(void *instance, const gs_request *request, gs_response *response);
    /* Frees what `handle` has put into the response. */
    void (*release)(void *instance, gs_response *response);
    /* Takes over a changed configuration, wholly or not at all. After anything but GS_OK the old one goes on. */
    int32_t (*reconfigure)(void *instance, const gs_config *config);
    /* GS_OK: well. GS_NOT_SUPPORTED: it does not tell. Anything else: not well. The detail, for people, stays valid until the next call of
     * `health` or `destroy` of the instance; it may be left as it is, empty. */
    int32_t (*health)(void *instance, gs_str *detail);
    /* A line of the console, without the words `plugin NAME`. Needs capability `console`. */
    int32_t (*command)(void *instance, gs_str line, gs_sink sink);
} gs_plugin;

/* The sizes in version 1.0, which stay the same whatever later versions add: no plugin and no server makes a smaller one. */
#define GS_REQUEST_SIZE_1_0 (offsetof(gs_request, peer) + sizeof(((gs_request *)0)->peer))
#define GS_RESPONSE_SIZE_1_0 (offsetof(gs_response, owner_token) + sizeof(((gs_response *)0)->owner_token))
#define GS_CONFIG_SIZE_1_0 (offsetof(gs_config, entry_count) + sizeof(((gs_config *)0)->entry_count))
#define GS_PLUGIN_SIZE_1_0 (offsetof(gs_plugin, command) + sizeof(((gs_plugin *)0)->command))
#define GS_HOST_SIZE_1_0 (offsetof(gs_host, metric_add) + sizeof(((gs_host *)0)->metric_add))

/* Whether a struct of the other side has a member: GS_HAS(gs_host, host, metric_add). */
#define GS_HAS(type, pointer, member) \
    ((pointer)->struct_size >= offsetof(type, member) + sizeof((pointer)->member))

/* Text of known length. */
static inline gs_str gs_text(const char *ptr, size_t len)
{
    gs_str text;
    text.ptr = ptr;
    text.len = len;
    return text;
}

/* Text of a literal: GS_STR("name"). */
#define GS_STR(literal) gs_text((literal), sizeof(literal) - 1)

/*
 * The note: an ELF note in the section of this name, owner `GRIDSHELL` (with its zero byte, padded to 12), type 1. What follows the owner
 * is 16 bytes in the byte order of the machine. The server reads it from the file, so what does not fit is refused before any code of
 * it runs.
 */
#define GS_NOTE_SECTION ".note.gridshell.plugin"
#define GS_NOTE_OWNER "GRIDSHELL"
#define GS_NOTE_TYPE 1
/* The bytes `GSPL` on a little-endian machine. */
#define GS_NOTE_MAGIC 0x4C505347

typedef struct gs_note {
    /* 10: the owner with its zero byte. */
    uint32_t owner_size;
    /* 16: the bytes from `magic` on. */
    uint32_t content_size;
    /* GS_NOTE_TYPE. */
    uint32_t kind;
    /* GS_NOTE_OWNER, padded with zero bytes. */
    char owner[12];
    /* GS_NOTE_MAGIC. */
    uint32_t magic;
    /* What the plugin was built against: GS_ABI_MAJOR, GS_ABI_MINOR. */
    uint16_t major;
    uint16_t minor;
    /* sizeof(void *). */
    uint32_t pointer_size;
    /* 0. */
    uint32_t flags;
} gs_note;

/* Writes the note and the two version functions into the library. Once, at file scope, in C or C++ (there inside extern "C"). */
#define GRIDSHELL_PLUGIN_NOTE                                                                                        \
    __attribute__((used, section(GS_NOTE_SECTION), aligned(4))) static const gs_note gridshell_plugin_note = {        \
        (uint32_t)sizeof(GS_NOTE_OWNER), 16,           GS_NOTE_TYPE,             GS_NOTE_OWNER, GS_NOTE_MAGIC,        \
        GS_ABI_MAJOR,                    GS_ABI_MINOR, (uint32_t)sizeof(void *), 0};                                  \
    uint32_t gridshell_plugin_abi_major(void) { return GS_ABI_MAJOR; }                                                \
    uint32_t gridshell_plugin_abi_minor(void) { return GS_ABI_MINOR; }

/* Makes a function visible outside of the library. */
#define GS_EXPORT __attribute__((visibility("default")))

/* The version that the plugin was built against; must agree with the note. GRIDSHELL_PLUGIN_NOTE defines both. */
GS_EXPORT uint32_t gridshell_plugin_abi_major(void);
GS_EXPORT uint32_t gridshell_plugin_abi_minor(void);

/* Called once in a process, before anything else. Gives the plugin's table, valid for the life of the process, or null to refuse. It must
 * not start threads or open files: that is what `create` is for. */
GS_EXPORT const gs_plugin *gridshell_plugin_entry_v1(const gs_host *host);

#ifdef __cplusplus
}
#endif

#endif
