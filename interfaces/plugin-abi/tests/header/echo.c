/* A plugin that tells what it is given. Compiles as C99 and as C++11. */
#include <gridshell_plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

GRIDSHELL_PLUGIN_NOTE

static const gs_host *the_host;
static int instances;

static int32_t get_property(gs_str name, gs_str *out)
{
    if (name.len != 4 || memcmp(name.ptr, GS_PROPERTY_NAME, 4) != 0) {
        return GS_UNKNOWN;
    }
    *out = GS_STR("echo");
    return GS_OK;
}

static int32_t create(const gs_host *host, const gs_config *config, void **instance)
{
    gs_str value;
    gs_bytes none;
    gs_request request;
    gs_response response;
    if (config->entry_count != 2 || !GS_HAS(gs_host, host, metric_add)) {
        return 7;
    }
    if (host->config_get(host->ctx, config->section, config->entries[1].name, &value) != GS_OK) {
        return 8;
    }
    host->log(host->ctx, GS_LOG_WARN, value);
    if (host->register_route(host->ctx, GS_STR("echo"), GS_STR("GET"), GS_STR("/echo")) != GS_REFUSED) {
        return 9;
    }
    if (host->metric_add(host->ctx, GS_STR("made"), UINT64_C(1) << 40) != GS_OK) {
        return 10;
    }
    none.ptr = NULL;
    none.len = 0;
    memset(&request, 0, sizeof request);
    request.struct_size = (uint32_t)sizeof request;
    request.method = GS_STR("GET");
    request.path = GS_STR("/assets");
    request.body = none;
    memset(&response, 0, sizeof response);
    response.struct_size = (uint32_t)sizeof response;
    if (host->call_service(host->ctx, GS_STR("asset"), &request, &response) != GS_OK || response.status != 299) {
        return 11;
    }
    host->release_response(host->ctx, &response);
    if (host->now_ms(host->ctx) != -5) {
        return 12;
    }
    the_host = host;
    *instance = &instances;
    instances++;
    return GS_OK;
}

static void destroy(void *instance)
{
    --*(int *)instance;
    the_host->log(the_host->ctx, GS_LOG_INFO, instances == 0 ? GS_STR("ended") : GS_STR("not ended"));
}

static char *add(char *to, gs_str text)
{
    memcpy(to, text.ptr, text.len);
    to[text.len] = '|';
    return to + text.len + 1;
}

static int32_t handle(void *instance, const gs_request *request, gs_response *response)
{
    static const gs_pair header = {{"X-Echo", 6}, {"yes", 3}};
    char *text, *end;
    gs_str body;
    if (instance != &instances || request->header_count != 1) {
        return GS_FAILED;
    }
    body.ptr = (const char *)request->body.ptr;
    body.len = request->body.len;
    text = end = (char *)malloc(1000);
    end = add(end, request->service);
    end = add(end, request->method);
    end = add(end, request->path);
    end = add(end, request->rest);
    end = add(end, request->query);
    end = add(end, request->headers[0].name);
    end = add(end, request->headers[0].value);
    end = add(end, body);
    end = add(end, request->peer);
    response->status = 201;
    response->headers = &header;
    response->header_count = 1;
    response->body.ptr = (const uint8_t *)text;
    response->body.len = (size_t)(end - text);
    response->owner_token = text;
    return GS_OK;
}

static void release(void *instance, gs_response *response)
{
    (void)instance;
    free(response->owner_token);
    response->owner_token = NULL;
}

static int32_t health(void *instance, gs_str *detail)
{
    (void)instance;
    *detail = GS_STR("tired");
    return GS_FAILED;
}

static int32_t command(void *instance, gs_str line, gs_sink sink)
{
    (void)instance;
    sink.write(sink.ctx, line);
    sink.write(sink.ctx, GS_STR("\n"));
    return GS_OK;
}

static const gs_plugin plugin = {
    (uint32_t)sizeof(gs_plugin), GS_ABI_MINOR, get_property, create, destroy, handle, release, NULL, health, command};

const gs_plugin *gridshell_plugin_entry_v1(const gs_host *host)
{
    return host->abi_minor == GS_ABI_MINOR ? &plugin : NULL;
}

#ifdef __cplusplus
}
#endif
