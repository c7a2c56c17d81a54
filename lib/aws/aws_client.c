/* aws_client.c - see aws_client.h. A client of many connections and one of a single one differ in a number;
 * what is asked of either goes through aws_client_call_many (aws_calls.c). */
#include "aws/aws_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_client_private.h"
#include "base/file_io.h"

enum { CA_FILE_MAX = 4 * 1024 * 1024, CONNECTIONS_MAX = 256 };

static void aws_client_auto_close(struct aws_client **client)
{
    aws_client_close(*client);
}

result aws_authorities_read(struct buffer *out, const char *ca_file)
{
    const char *path = ca_file;
    CURL *curl = path ? NULL : curl_easy_init();
    if (curl)
        (void)curl_easy_getinfo(curl, CURLINFO_CAINFO, &path);
    result r =
        path ? file_read(out, path, CA_FILE_MAX) : error_set(E_NOT_FOUND, "this system has none; name one");
    curl_easy_cleanup(curl);
    return r.code ? error_prefix(r, "CA file") : r;
}

static must_check result set_authorities(struct aws_client *client, const struct aws_client_config *config)
{
    if (!config->ca_pem)
        return aws_authorities_read(&client->ca_pem, config->ca_file);
    return buffer_append(&client->ca_pem, config->ca_pem->data, config->ca_pem->length);
}

static must_check result copy_config(struct aws_client *client, const struct aws_client_config *config)
{
    const char *type = config->content_type ? config->content_type : "application/x-amz-json-1.1";
    struct aws_endpoint *endpoint = &client->endpoint;
    ENSURE(strlen(config->region) < sizeof endpoint->region &&
               strlen(config->service) < sizeof endpoint->service,
           E_INPUT, "region: must be below 64 characters");
    ENSURE(strlen(type) < sizeof endpoint->content_type, E_INTERNAL, "content type: is too long");
    (void)snprintf(endpoint->region, sizeof endpoint->region, "%s", config->region);
    (void)snprintf(endpoint->service, sizeof endpoint->service, "%s", config->service);
    (void)snprintf(endpoint->content_type, sizeof endpoint->content_type, "%s", type);
    endpoint->protocol = config->protocol;
    client->config = *config;
    if (!config->read_error)
        client->config.read_error = aws_error_read;
    if (config->via) {
        client->via = *config->via;
        client->config.via = &client->via;
    }
    if (!config->connections)
        client->config.connections = 1;
    return RESULT_OK;
}

static must_check result open_connections(struct aws_client *client)
{
    size_t connections = client->config.connections;
    ENSURE(connections <= CONNECTIONS_MAX, E_INPUT, "connections: must be at most %d", CONNECTIONS_MAX);
    client->exchanges = calloc(connections, sizeof *client->exchanges);
    client->multi = curl_multi_init();
    ENSURE(client->exchanges && client->multi, E_MEMORY, "out of memory for %zu connections", connections);
    CURLMcode code = curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)connections);
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_multi_strerror(code));
    /* The first one now: what is wrong with the configuration is to be said now. */
    client->num_exchanges = 1;
    return aws_exchange_open(&client->exchanges[0], &client->endpoint, &client->config, &client->ca_pem);
}

result aws_client_open(struct aws_client **ret_client, const struct aws_client_config *config)
{
    __attribute__((cleanup(aws_client_auto_close))) struct aws_client *client = calloc(1, sizeof *client);
    ENSURE(client, E_MEMORY, "out of memory for an AWS client");
    TRY(copy_config(client, config));
    TRY(aws_endpoint_set(&client->endpoint, config->endpoint));
    TRY(set_authorities(client, config));
    TRY(open_connections(client));
    *ret_client = TAKE(client);
    return RESULT_OK;
}

void aws_client_close(struct aws_client *client)
{
    if (!client)
        return;
    for (size_t i = 0; i < client->num_exchanges; i++)
        aws_exchange_cleanup(&client->exchanges[i]);
    free(client->exchanges);
    (void)curl_multi_cleanup(client->multi);
    buffer_cleanup(&client->ca_pem);
    free(client);
}

result aws_client_call(struct aws_client *client, struct buffer *response, const char *target,
                       const struct aws_credentials *credentials, const uint8_t *body, size_t body_len)
{
    struct aws_call call = {.target = target, .body = {body, body_len}, .answer = response};
    return aws_client_call_many(client, &call, 1, credentials, 0);
}
